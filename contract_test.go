package starling_test

import (
	"log/slog"
	"testing"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/kvtest"
)

// storeOf hooks a node into the suite.
func storeOf(t testing.TB, n *starling.Node) kvtest.Store {
	return kvtest.Store{
		Client:  func(codec kv.Codec) kv.Client { return n.Client(crdt.Register(codec)) },
		Start:   n.EndStarting,
		Unsent:  func() uint64 { return n.Stats().Unsent },
		Isolate: func() {}, // it has never known anybody
		Leave: func() {
			if err := n.Leave(t.Context()); err != nil {
				t.Errorf("Leave: %v", err)
			}
		},
		Close: func() {
			if err := n.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		},
	}
}

// TestContractOfCluster holds three nodes to its eventual form.
func TestContractOfCluster(t *testing.T) {
	kvtest.RunEventual(t, kvtest.Cluster{
		New: func(t testing.TB, _ *slog.Logger) kvtest.Members {
			n := cluster(t, "a", "b", "c")
			return kvtest.Members{
				Write:   func(codec kv.Codec) kv.Client { return n[1].Client(crdt.Register(codec)) },
				Observe: func(codec kv.Codec) kv.Client { return n[2].Client(crdt.Register(codec)) },
			}
		},
	})
}
