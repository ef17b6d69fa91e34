package etcdlab

import (
	"log/slog"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/etcdkv"
	"github.com/starlingkv/starling/kv/kvtest"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

func TestContract(t *testing.T) {
	c := Start(t, 1)
	kvtest.Run(t, kvtest.Suite{New: opener(c), TTL: time.Second})
}

// opener opens clients of an emptied cluster.
func opener(c *Cluster) func(t testing.TB, log *slog.Logger) kvtest.Store {
	return func(t testing.TB, log *slog.Logger) kvtest.Store {
		client := open(t, c, etcdkv.Logger(log))
		c.empty(t)
		return kvtest.Store{
			Client: func(codec kv.Codec) kv.Client { return client.With(codec) },
			Close:  func() { client.Close() },
		}
	}
}

func open(t testing.TB, c *Cluster, opts ...etcdkv.Option) *etcdkv.Client {
	t.Helper()
	client, err := etcdkv.New(c.Endpoints(), kv.Bytes, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// empty removes every key, those that are none to starling too.
func (c *Cluster) empty(t testing.TB) {
	t.Helper()
	plain := c.plain(t)
	defer plain.Close() // or its goroutines would be counted as those of the client under test
	if _, err := plain.Delete(t.Context(), "\x00", clientv3.WithFromKey()); err != nil {
		t.Fatal(err)
	}
}

// plain is etcd's own client, as others use it.
func (c *Cluster) plain(t testing.TB) *clientv3.Client {
	t.Helper()
	plain, err := clientv3.New(clientv3.Config{Endpoints: c.Endpoints(), DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { plain.Close() })
	return plain
}
