package starling

import (
	"testing"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/tree"
	"github.com/starlingkv/starling/kv"
)

// TestVersionsOfAWatchedKey: the version that a watcher of one key keeps count of
// is that which a look at all of its cells finds.
func TestVersionsOfAWatchedKey(t *testing.T) {
	kind := crdt.MapOf[string](kv.String)
	m := newMerger(newNode(Options{}.withDefaults(1), [32]byte{}), kind)
	h := cell.NewHasher("t")
	root := func(cells ...cell.Spec) *engine.Root {
		e := tree.Tree[*cell.Stored]{}.Edit()
		for i, s := range cells {
			s.Ver, s.Codec = cell.Ver{T: 5, O: 7, N: uint64(i + 1)}, kind.ID()
			c := cell.New(s)
			h.Seal(c)
			e.Put(&cell.Stored{Cell: c, Rev: uint64(i + 1)})
		}
		return &engine.Root{Tree: e.Tree()}
	}
	field := func(name, v string) cell.Spec {
		return cell.Spec{Addr: cell.At("k", "m"+name+"\x00\x00"), Body: []byte(v)}
	}
	roots := []*engine.Root{
		root(field("a", "1"), field("b", "1")),
		root(field("a", "1"), field("b", "2"), field("c", "1")),
		root(field("a", "1"), field("b", "2")),
		root(cell.Spec{Addr: cell.At("other", "r"), Body: []byte("1")}, field("b", "3")),
	}
	lo, hi := cell.KeyRange("k")
	var got []string
	w := teller{of: values{m}, only: "k", lo: lo, hi: hi, yield: func(ev kv.Event, _ error) bool {
		if ev.Kind == kv.Put {
			got = append(got, ev.Version)
		}
		return true
	}}
	if !w.whole(roots[0]) || len(got) != 1 {
		t.Fatalf("told %v at first", got)
	}
	for i, r := range roots {
		w.advance(r)
		if want := versionOf(r.Tree.AggOf(lo, hi)); len(got) != i+1 || got[i] != want {
			t.Fatalf("after %d changes: told %v, want %v at last", i, got, want)
		}
	}
}
