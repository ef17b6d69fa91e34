package engine

import (
	"errors"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
)

const named = cell.Addr("ring\x00gi-1\x00\x00")

// beat is a heartbeat of the given second after the start.
func beat(second int64, body string) Write {
	return Write{Addr: named, Codec: "ring", Body: []byte(body), Place: hlc.Make(wallStart+1000*second, 0)}
}

// TestPlacedWritesStandByTheirPlace: whatever the time at which it is written,
// the one with the higher place stands.
func TestPlacedWritesStandByTheirPlace(t *testing.T) {
	a, b := newBench(t, 1, nil), newBench(t, 2, nil)
	a.pass(5 * time.Second)
	b.pass(6 * time.Second)
	high := a.commit(beat(5, "high"))
	low := b.commit(beat(4, "low")) // written later
	if low.Ver.T <= high.Ver.T {
		t.Fatalf("the low one is of %v, the high one of %v", low.Ver.T, high.Ver.T)
	}
	if v := a.join(low); v != dominated {
		t.Errorf("the lower place is %v", v)
	}
	if v := b.join(high); v != raised {
		t.Errorf("the higher place is %v", v)
	}
}

// TestPlacedWriteStandsAboveWhatItsWriterSaw: a place is one of many in a second,
// and a clock may be behind.
func TestPlacedWriteStandsAboveWhatItsWriterSaw(t *testing.T) {
	for _, c := range []struct {
		name   string
		second int64
	}{{"the same second", 5}, {"an older one", 3}, {"a newer one", 6}} {
		for _, author := range []cell.Origin{1, 3} {
			b := newBench(t, 2, nil)
			b.pass(7 * time.Second)
			a := newBench(t, author, nil)
			a.pass(5 * time.Second)
			seen := a.commit(beat(5, "seen"))
			b.join(seen)
			next := b.commit(beat(c.second, "next"))
			if cell.Compare(seen, next) >= 0 {
				t.Errorf("%s, over %v: written at %v over %v and stands below", c.name, author, next.OrdT(), seen.OrdT())
			}
			if lift := next.OrdT().Milli() - max(5, c.second)*1000 - wallStart; lift != 0 {
				t.Errorf("%s, over %v: raised by %d ms", c.name, author, lift)
			}
		}
	}
}

// TestPlacedWriteAfterADelete: a key that was deleted in this second is written
// anew in it, and the order of places holds there too.
func TestPlacedWriteAfterADelete(t *testing.T) {
	b := newBench(t, 2, nil)
	b.pass(5*time.Second + 700*time.Millisecond)
	b.commit(beat(5, "old"))
	floor := b.del("ring")
	low := b.commit(beat(5, "new"))
	if low.DeadUnder(floor) {
		t.Fatalf("the write at %v is dead under the delete at %v", low.OrdT(), floor.OrdT())
	}
	w := beat(5, "left")
	w.Place++
	a := newBench(t, 1, nil)
	a.pass(5*time.Second + 700*time.Millisecond)
	a.join(floor)
	if left := a.commit(w); cell.Compare(low, left) >= 0 {
		t.Errorf("above a Floor %v stands below %v", left.OrdT(), low.OrdT())
	}
}

func TestPlacedWriteTooFarAheadIsRefused(t *testing.T) {
	b := newBench(t, 1, nil)
	_, err := b.e.Commit(b.now, Tx{Writes: []Write{beat(11, "tomorrow")}})
	if !errors.Is(err, hlc.ErrSkew) {
		t.Errorf("a write of 11 s ahead: %v, want ErrSkew", err)
	}
	if _, ok := b.e.Root().Tree.Get(string(named)); ok {
		t.Error("it was written all the same")
	}
	b.commit(beat(10, "as far as a clock may be"))
}
