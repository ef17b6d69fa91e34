package natslab_test

import (
	"flag"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/storedoc"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/kvtest"
	"github.com/starlingkv/starling/kv/natskv"
	"github.com/starlingkv/starling/lab/stores/natslab"
)

var rewrite = flag.Bool("rewrite", false, "write the row of docs/stores.md anew")

var buckets atomic.Uint64

// fresh names a bucket that is not there yet.
func fresh() string { return fmt.Sprint("b", buckets.Add(1)) }

func open(t testing.TB, servers string, opts ...natskv.Option) *natskv.Client {
	t.Helper()
	c, err := natskv.New(servers, kv.String, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func store(c *natskv.Client) kvtest.Store {
	return kvtest.Store{
		Client: func(codec kv.Codec) kv.Client { return c.With(codec) },
		Close:  func() { c.Close() },
	}
}

func TestContract(t *testing.T) {
	s := natslab.Start(t)
	line := before(t, s)
	kvtest.Run(t, kvtest.Suite{TTL: time.Second, New: func(t testing.TB, log *slog.Logger) kvtest.Store {
		bucket := natskv.Bucket(fresh())
		st := store(open(t, "nats://"+line.Address, bucket, natskv.Logger(log)))
		st.Line = line.Writes("HPUB $KV.", func(codec kv.Codec) kv.Client { return open(t, s.URL(), bucket).With(codec) })
		return st
	}, Report: storedoc.Keep(t, storedoc.Place{
		File: "../../../docs/stores.md", Store: "NATS JetStream", Against: s.Version() + ": one member; three, one of them killed", Rewrite: *rewrite,
	})})
}

// The whole contract on three members, of which one is killed while the suite runs: in the middle of a check, and the one
// that leads the bucket. Some checks later it comes back.
func TestContractWithAMemberKilled(t *testing.T) {
	c := natslab.StartCluster(t)
	const killAt, backAt = 30, 42
	bucket := fresh()
	opened := 0
	var dead *natslab.Server
	kvtest.Run(t, kvtest.Suite{TTL: 2 * time.Second, Within: 20 * time.Second, New: func(t testing.TB, log *slog.Logger) kvtest.Store {
		client := open(t, c.URL(), natskv.Bucket(bucket), natskv.Replicas(3), natskv.Logger(log))
		if !client.Capabilities().LinearizableCAS {
			t.Fatal("the bucket is not there")
		}
		c.Empty(bucket)
		switch opened++; opened {
		case killAt:
			dead = killDuring(t, c, bucket)
		case backAt:
			if up := c.Running(); up != 2 {
				t.Errorf("%d members run, want the two that are left", up)
			}
			dead.Restart()
		}
		return store(client)
	}})
	if opened <= backAt {
		t.Errorf("the suite opened %d stores: too few for a member to go and come back", opened)
	}
}

// killDuring kills the leader of the bucket while the check runs that is about to begin.
func killDuring(t testing.TB, c *natslab.Cluster, bucket string) (dead *natslab.Server) {
	t.Helper()
	leader, killed := c.LeaderOf(bucket), make(chan struct{})
	go func() {
		defer close(killed)
		leader.Kill()
	}()
	t.Cleanup(func() { <-killed })
	return leader
}
