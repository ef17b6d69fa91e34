package engine

import (
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
)

// buried counts what waits for collection.
func (b *bench) buried() (n int) {
	for _, list := range b.e.graves.byEpoch {
		n += len(list)
	}
	return n
}

func TestRenewedLeaseLeavesNothingToCollect(t *testing.T) {
	b := newBench(t, 1, nil)
	for range 1000 {
		b.pass(time.Second)
		exp := b.now.Wall + (24 * time.Hour).Milliseconds()
		b.commit(Write{Addr: cell.At("lease", "r"), Body: []byte("v"), Exp: exp})
		b.del("flapping")
		b.put("flapping", "v")
	}
	if n := b.buried(); n != 2 {
		t.Fatalf("%d entries wait for collection after 1,000 renewals of one lease and deletes of one key, want 2", n)
	}
	b.put("lease", "for ever")
	if n := b.buried(); n != 1 {
		t.Fatalf("%d entries wait for collection, want that of the Floor only", n)
	}
}

func TestCollectsEveryEpochInParts(t *testing.T) {
	b := newBench(t, 1, nil)
	const keys = 3 * collectPerStep
	for i := range keys {
		b.now.Mono += 50 * time.Millisecond
		b.now.Wall += 50
		b.del("k" + string(rune('a'+i%26)) + time.Duration(i).String())
	}
	if n := b.buried(); n != keys {
		t.Fatalf("%d entries wait for collection, want %d", n, keys)
	}
	for range 40 {
		b.pass(time.Minute)
		for b.fx.Wake == b.now.Mono {
			b.step(Tick{})
			if n := b.told(EventCollected); n > collectPerStep {
				t.Fatalf("one Step collected %d", n)
			}
		}
	}
	if n, m, p := b.buried(), b.e.Root().Tree.Len(), len(b.e.graves.epochs); n != 0 || m != 0 || p != 0 {
		t.Fatalf("%d entries, %d cells and %d epochs are left", n, m, p)
	}
}

func TestExpiryKeepsWhatTheSameStepDisplaced(t *testing.T) {
	b := newBench(t, 1, nil)
	older := cell.New(cell.Spec{
		Addr: cell.At("k", "r"), Ver: cell.Ver{T: hlc.Make(wallStart, 0), O: 7, N: 1}, Body: []byte("older"),
	})
	h := b.e.Hasher()
	h.Seal(older)
	b.now.Mono += time.Second
	b.now.Wall += 1000
	b.commit(Write{Addr: cell.At("k", "r"), Body: []byte("v"), Exp: b.now.Wall + 1000})
	b.now.Mono += time.Second
	b.now.Wall += 1000
	b.e.begin(b.now)
	if v := b.e.apply(older); v != dominated {
		t.Fatalf("the older cell: %v, want %v", v, dominated)
	}
	b.e.runDue()
	b.fx = b.e.end()
	if b.told(EventExpired) != 1 {
		t.Fatal("the value did not expire in the Step")
	}
	if s, _ := b.e.Root().Tree.Get(string(cell.At("k", "r"))); !cell.Contains(s.Under(), older.Dot()) {
		t.Fatal("what was displaced in the Step of the expiry is forgotten: a delete will not name it")
	}
}
