package natslab_test

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/kvtest"
	"github.com/starlingkv/starling/kv/natskv"
	"github.com/starlingkv/starling/lab/stores/natslab"
)

var buckets atomic.Uint64

// open opens a fresh bucket.
func open(t testing.TB, servers string, o natskv.Options) *natskv.Client {
	t.Helper()
	if o.Bucket == "" {
		o.Bucket = fmt.Sprint("b", buckets.Add(1))
	}
	c, err := natskv.New(servers, kv.String, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestContract(t *testing.T) {
	s := natslab.Start(t)
	kvtest.Run(t, kvtest.Suite{TTL: time.Second, New: func(t testing.TB, log *slog.Logger) kvtest.Store {
		c := open(t, s.URL(), natskv.Options{Log: log})
		return kvtest.Store{
			Client: func(codec kv.Codec) kv.Client { return c.With(codec) },
			Close:  func() { c.Close() },
		}
	}})
}
