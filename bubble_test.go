package starling_test

import (
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/member"
	"github.com/starlingkv/starling/internal/storedoc"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/kvtest"
)

// openIn opens a node in a network inside the bubble of the test.
func openIn(t testing.TB, network *member.Memory, o starling.Options) *starling.Node {
	t.Helper()
	n, err := starling.OpenIn(network, o)
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

// clusterIn opens nodes that have synced, with the timing that is the default.
func clusterIn(t testing.TB, network *member.Memory, names ...string) []*starling.Node {
	t.Helper()
	var nodes []*starling.Node
	for _, name := range names {
		o := starling.Options{Name: name}
		if len(nodes) > 0 {
			o.Seeds = []string{nodes[0].Addr()}
		}
		nodes = append(nodes, openIn(t, network, o))
	}
	for _, n := range nodes {
		if err := n.WaitSynced(within(t, time.Minute)); err != nil {
			t.Fatalf("%s: %v", n.Name(), err)
		}
	}
	return nodes
}

// TestContract holds one node to the contract, where time costs nothing.
func TestContract(t *testing.T) {
	kvtest.Run(t, kvtest.Suite{
		Around:   synctest.Test,
		Siblings: 10_000,
		Report: storedoc.Keep(t, storedoc.Place{
			File: "docs/stores.md", Store: "gossip", Against: "a node; three of them in the eventual form", Rewrite: *starling.RewriteDocs,
		}),
		Unmoved: unmovedOn(func(t testing.TB) *starling.Node {
			return openIn(t, member.NewMemory(1), starling.Options{Name: "a"})
		}),
		New: func(t testing.TB, log *slog.Logger) kvtest.Store {
			return storeOf(t, openIn(t, member.NewMemory(1), starling.Options{Name: "a", Logger: log}))
		},
		Starting: func(t testing.TB, log *slog.Logger) kvtest.Store {
			return storeOf(t, openIn(t, member.NewMemory(1), starling.Options{Name: "a", Logger: log, Seeds: []string{nobody}, JoinWait: 1000 * time.Hour}))
		},
	})
}

// TestContractOfLossyCluster holds three nodes to its eventual form while one
// packet in ten is lost.
func TestContractOfLossyCluster(t *testing.T) {
	kvtest.RunEventual(t, kvtest.Cluster{
		Around: synctest.Test,
		Within: time.Minute,
		TTL:    time.Minute,
		New: func(t testing.TB, _ *slog.Logger) kvtest.Members {
			network := member.NewMemory(7)
			network.Latency = time.Millisecond
			n := clusterIn(t, network, "a", "b", "c")
			network.Lose(0.1)
			return kvtest.Members{
				Write:   func(codec kv.Codec) kv.Client { return n[1].Client(crdt.Register(codec)) },
				Observe: func(codec kv.Codec) kv.Client { return n[2].Client(crdt.Register(codec)) },
			}
		},
	})
}

// TestLongSplitHeals cuts a cluster of six in two for ten minutes, longer than
// memberlist calls the dead by itself.
func TestLongSplitHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := member.NewMemory(3)
		network.Latency = time.Millisecond
		n := clusterIn(t, network, "a", "b", "c", "d", "e", "f")
		side := map[netip.AddrPort]bool{}
		for _, x := range n[:3] {
			side[netip.MustParseAddrPort(x.Addr())] = true
		}
		put(t, texts(n[0]), "both", "before")
		wait(t, texts(n[5]), "both", "before")
		network.Cut(func(from, to netip.AddrPort) bool { return side[from] != side[to] })
		pass(10 * time.Minute)
		if got := memberOf(n[0], "f").State; got != "dead" {
			t.Errorf("after ten minutes a sees f %s, want dead", got)
		}
		for i := range 20 {
			put(t, texts(n[i%6]), fmt.Sprintf("key/%02d", i), fmt.Sprint(i))
		}
		if err := texts(n[1]).Delete(t.Context(), "both"); err != nil {
			t.Fatal(err)
		}
		network.Cut(nil)
		healed := time.Now()
		for _, x := range n {
			for i := range 20 {
				wait(t, texts(x), fmt.Sprintf("key/%02d", i), fmt.Sprint(i))
			}
			wait(t, texts(x), "both", nil)
		}
		took := time.Since(healed)
		t.Logf("healed after %v", took)
		if took > 45*time.Second {
			t.Errorf("healed after %v, want at most 45 s", took)
		}
	})
}

// pass lets time of a bubble pass.
func pass(d time.Duration) { <-time.After(d) }
