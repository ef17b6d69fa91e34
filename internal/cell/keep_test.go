package cell

import (
	"sync"
	"testing"
	"unsafe"
)

// TestKeepIsOnce: of all who keep one cell only one gets the room that came with
// it, else two nodes would write their own into one Stored.
func TestKeepIsOnce(t *testing.T) {
	for name, spec := range map[string]Spec{
		"plain":     {Addr: At("k", "r"), Ver: Ver{1, 1, 1}},
		"replacing": {Addr: At("k", "r"), Ver: Ver{1, 1, 2}, Prev: []Run{{1, 1, 1}}},
		"expiring":  {Addr: At("k", "r"), Ver: Ver{1, 1, 1}, Exp: 5},
	} {
		c := New(spec)
		kept := make([]*Stored, 8)
		var all sync.WaitGroup
		for i := range kept {
			all.Go(func() { kept[i] = c.Keep() })
		}
		all.Wait()
		seen, first := make(map[*Stored]bool), 0
		for _, s := range kept {
			if s.Cell != c || seen[s] {
				t.Errorf("%s: kept twice, or another cell", name)
			}
			if seen[s] = true; s == c.room {
				first++
			}
		}
		if first != 1 {
			t.Errorf("%s: %d have the room that came with it, want 1", name, first)
		}
	}
}

func TestOverIsAnother(t *testing.T) {
	s := New(Spec{Addr: At("k", "r"), Ver: Ver{1, 1, 1}}).Keep()
	s.Rev = 7
	over := s.Over([]Run{{2, 3, 1}})
	if s.Under() != nil || !Contains(over.Under(), Dot{2, 3}) || over.Rev != 7 || over.Cell != s.Cell {
		t.Errorf("got %v over %v", over, s)
	}
	if again := over.Over(nil); again.Under() != nil || over.Under() == nil {
		t.Errorf("got %v over %v", again, over)
	}
}

// TestCellsAreSmall: what a cell takes is what a key costs. One byte more than
// these sizes of the allocator is 16 or 32 more.
func TestCellsAreSmall(t *testing.T) {
	for name, c := range map[string]struct{ size, most uintptr }{
		"plain":     {unsafe.Sizeof(plainCell{}), 176},
		"replacing": {unsafe.Sizeof(overCell{}), 224},
		"rare":      {unsafe.Sizeof(rareCell{}), 288},
	} {
		if c.size > c.most {
			t.Errorf("%s: %d bytes, want at most %d", name, c.size, c.most)
		}
	}
	if got := testing.AllocsPerRun(100, func() {
		New(Spec{Addr: "k\x00r", Ver: Ver{1, 1, 2}, Exp: 5, Prev: []Run{{1, 1, 1}}}).Keep()
	}); got > 2 { // and the list it was given
		t.Errorf("a cell and its Stored take %v allocations, want 1", got-1)
	}
}
