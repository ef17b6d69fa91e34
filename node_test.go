package starling_test

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// swift is a node that notices a death within about a second.
var swift = starling.Tuning{
	ProbeInterval: 100 * time.Millisecond, ProbeTimeout: 50 * time.Millisecond, GossipInterval: 20 * time.Millisecond,
	SuspicionMult: 3, Rejoin: 200 * time.Millisecond, SyncInterval: time.Second,
}

// open opens a node on the loopback address that is closed when the test ends.
func open(t testing.TB, o starling.Options) *starling.Node {
	t.Helper()
	if o.Tuning == (starling.Tuning{}) {
		o.Tuning = swift
	}
	if o.Logger == nil && os.Getenv("STARLING_TEST_LOG") != "" {
		o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	n, err := starling.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// cluster opens nodes that know each other.
func cluster(t testing.TB, names ...string) []*starling.Node {
	t.Helper()
	var nodes []*starling.Node
	for _, name := range names {
		o := starling.Options{Name: name}
		if len(nodes) > 0 {
			o.Seeds = []string{nodes[0].Addr()}
		}
		nodes = append(nodes, open(t, o))
	}
	ctx := within(t, 20*time.Second)
	for _, n := range nodes {
		if err := n.WaitSynced(ctx); err != nil {
			t.Fatalf("%s: %v", n.Name(), err)
		}
	}
	return nodes
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func texts(n *starling.Node) *starling.Client { return n.Client(crdt.Register(kv.String)) }

func put(t testing.TB, c *starling.Client, key, v string) {
	t.Helper()
	if _, err := c.Put(within(t, 10*time.Second), key, v); err != nil {
		t.Fatal(err)
	}
}

// wait watches a key until it has the value.
func wait(t testing.TB, c *starling.Client, key string, want any) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	var last any
	if got, err := c.Get(ctx, key); err == nil && got == want {
		return
	}
	for last = range kv.Values(ctx, c, key) {
		if last == want {
			return
		}
	}
	t.Fatalf("%q is %v, want %v", key, last, want)
}

func TestTwoNodesShareOneKey(t *testing.T) {
	n := cluster(t, "a", "b")
	a, b := texts(n[0]), texts(n[1])
	put(t, a, "greeting", "hello")
	wait(t, b, "greeting", "hello")
	put(t, b, "greeting", "good bye")
	wait(t, a, "greeting", "good bye")
	if err := a.Delete(t.Context(), "greeting"); err != nil {
		t.Fatal(err)
	}
	wait(t, b, "greeting", nil)
}
