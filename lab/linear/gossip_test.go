package linear_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/lab/linear"
)

// Gossip promises less: every node by itself is linearizable, with the writes of the others coming in between, so that
// whoever stays on one node reads what he wrote; and all nodes show the same in the end. One node dies on the way.
func TestGossip(t *testing.T) {
	const perNode = 2
	kind := crdt.Register(kv.String)
	var nodes []*starling.Node
	var all []kv.Client
	var seeds []string
	for i := range 3 {
		n, err := starling.Open(starling.Options{Name: fmt.Sprint("n", i), Seeds: seeds})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		nodes, seeds = append(nodes, n), append(seeds, n.Addr())
		for range perNode {
			all = append(all, n.Client(kind))
		}
	}
	load := linear.Load{Keys: 60, Pause: 15 * time.Millisecond}
	r, err := linear.Record(t.Context(), all, load, func(ctx context.Context) {
		after(ctx, 2*time.Second)
		nodes[2].Close()
		after(ctx, 2*time.Second)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r)
	agree(t, nodes[0].Client(kind), nodes[1].Client(kind))
	for i := range nodes {
		if err := r.History.CheckNode(perNode*i, perNode*i+1); err != nil {
			t.Errorf("node %d: %v", i, err)
		}
	}
	for _, w := range r.Watches {
		if err := w.Ends(contents(t, nodes[1].Client(kind)), 10*time.Second); err != nil {
			t.Error(err)
		}
	}
}

// The check of one node finds a node that shows what it no longer has, though others write in between.
func TestABrokenNodeIsFoundOut(t *testing.T) {
	mem := memkv.New(kv.String)
	defer mem.Close()
	var all []kv.Client
	for range clients {
		all = append(all, &broken{Client: mem.With(kv.String), fault: stale, old: make(map[string]any)})
	}
	r, err := linear.Record(t.Context(), all, linear.Load{Keys: 40, Pause: 5 * time.Millisecond}, func(ctx context.Context) { after(ctx, 2*time.Second) })
	if err != nil {
		t.Fatal(err)
	}
	if err := r.History.CheckNode(0, 1, 2, 3); err == nil || !strings.Contains(err.Error(), "not linearizable") {
		t.Errorf("got %v, want that it is not linearizable", err)
	}
}

// agree waits until both clients show the same.
func agree(t *testing.T, a, b kv.Client) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(20 * time.Second); ; {
		one, other := contents(t, a), contents(t, b)
		if len(one) > 0 && maps.Equal(one, other) {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("two nodes do not agree: %d keys and %d", len(one), len(other))
		}
	}
}

func contents(t *testing.T, c kv.Client) map[string]string {
	t.Helper()
	all := make(map[string]string)
	v, _ := kv.As[kv.Versioned](c)
	for e, err := range v.Entries(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		all[e.Key] = fmt.Sprint(e.Value)
	}
	return all
}
