package engine

import (
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
)

const elem = cell.Addr("s\x00ex\x00\x00\x00\x00\x00\x00\x00\x00\x01")

func add(a cell.Addr) Write    { return Write{Addr: a, Codec: "set"} }
func forget(a cell.Addr) Write { return Write{Addr: a, Tomb: true, Observed: true} }

// TestObservedRemove: the tombstone stands above the cell that was seen and
// below a later one of its author, whichever comes first.
func TestObservedRemove(t *testing.T) {
	author, other := newBench(t, 1, nil), newBench(t, 2, nil)
	seen := author.commit(add(elem))
	other.join(seen)
	other.pass(8 * time.Second)
	tomb := other.commit(forget(elem))
	author.pass(5 * time.Second)
	again := author.commit(add(elem)) // older than the remove, which it has not seen
	if again.Ver.T >= tomb.Ver.T {
		t.Fatalf("the second add at %v is not older than the remove at %v", again.Ver.T, tomb.Ver.T)
	}
	if cell.Compare(seen, tomb) >= 0 || cell.Compare(tomb, again) >= 0 {
		t.Errorf("the order is not: seen, its remove, the later add")
	}
	if v := author.join(tomb); v != dominated {
		t.Errorf("the remove of what was seen is %v over a later add", v)
	}
	if v := other.join(again); v != raised {
		t.Errorf("an add that the remove had not seen is %v", v)
	}
}

// TestObservedRemoveIsAWriteOfNow: its dot and its time are the remover's, so
// that gossip, collection and memory count from the remove, not from the add.
func TestObservedRemoveIsAWriteOfNow(t *testing.T) {
	b := newBench(t, 2, nil)
	seen := newBench(t, 1, nil).commit(add(elem))
	b.join(seen)
	b.pass(24 * time.Hour)
	tomb := b.commit(forget(elem))
	if tomb.Dot().O != 2 || tomb.Dot() == seen.Dot() || tomb.Ver.Dot() != seen.Ver.Dot() || tomb.OrdT() != seen.OrdT() {
		t.Errorf("the remove %v of %v has the dot %v and the place %v", tomb.Ver, seen.Ver, tomb.Dot(), tomb.OrdT())
	}
	if age := b.now.Wall - tomb.Ver.T.Milli(); age != 0 {
		t.Errorf("the remove is %d ms old when it is made", age)
	}
	if !cell.Contains(tomb.PrevRuns(), seen.Dot()) {
		t.Errorf("the remove does not name what it removes: %v", tomb.PrevRuns())
	}
	for _, o := range []cell.Origin{1, 2} {
		if en, ok := b.e.Root().Ctx.Entry(o); !ok || en.LastT != tomb.Ver.T {
			t.Errorf("origin %v is remembered from %v, want from the remove", o, en)
		}
	}
}

func TestObservedRemoveOfNothing(t *testing.T) {
	b := newBench(t, 1, nil)
	b.put("k", "v")
	for range 2 {
		if _, err := b.e.Commit(b.now, Tx{Writes: []Write{forget(elem)}}); err != nil {
			t.Fatal(err)
		}
		if s, ok := b.e.Root().Tree.Get(string(elem)); ok && s.Visible() {
			t.Errorf("removing nothing left %v", s.Cell)
		}
	}
	b.commit(add(elem))
	first := b.commit(forget(elem))
	if second := b.commit(forget(elem)); second != first {
		t.Errorf("what is removed was removed again")
	}
}

// TestTwoRemovesOfOne: both tie down to Tomb, and all nodes keep the same one.
func TestTwoRemovesOfOne(t *testing.T) {
	author, a, b := newBench(t, 1, nil), newBench(t, 2, nil), newBench(t, 3, nil)
	seen := author.commit(add(elem))
	a.join(seen)
	b.join(seen)
	ta, tb := a.commit(forget(elem)), b.commit(forget(elem))
	a.join(tb)
	b.join(ta)
	sa, _ := a.e.Root().Tree.Get(string(elem))
	sb, _ := b.e.Root().Tree.Get(string(elem))
	if sa.Dot() != sb.Dot() || sa.Visible() {
		t.Errorf("one holds %v, the other %v", sa.Dot(), sb.Dot())
	}
	if fa, fb := a.e.Root().Tree.Agg().FP, b.e.Root().Tree.Agg().FP; fa != fb {
		t.Errorf("fingerprints %x and %x", fa, fb)
	}
}

// TestBornFallsUnderAFloor: a cell that counts since before a delete is gone
// with it, however new its last write is.
func TestBornFallsUnderAFloor(t *testing.T) {
	const at = cell.Addr("n\x00c\x00\x00\x00\x00\x00\x00\x00\x01")
	author, deleter := newBench(t, 1, nil), newBench(t, 2, nil)
	first := author.commit(add(at))
	deleter.join(first)
	deleter.pass(time.Second)
	floor := deleter.del("n")
	author.pass(5 * time.Second)
	w := add(at)
	w.Born = first.OrdT()
	second := author.commit(w)
	if v := deleter.join(second); v != dead {
		t.Errorf("a later write of a counter that the delete had seen is %v", v)
	}
	author.join(floor)
	if _, ok := author.e.Root().Tree.Get(string(at)); ok {
		t.Error("the author keeps it")
	}
}
