package cell

import (
	"encoding/binary"

	"github.com/starlingkv/starling/internal/tree"
)

// Stored is a cell as one node keeps it: the item of its tree. It never changes
// either; to store anything else about a cell is to store another Stored.
type Stored struct {
	*Cell
	Rev     uint64 // revision of the node at which the cell came in
	Applied int64  // monotonic nanoseconds of the process at which it came in
	under   *[]Run // nil: none
	Hidden  bool   // it has expired here: readers do not see it any more
}

// Keep returns a Stored of c: the first time the one for which New has made
// room. It may be called at any time by anybody.
func (c *Cell) Keep() *Stored {
	s := c.room
	if !c.kept.CompareAndSwap(false, true) {
		s = &Stored{}
	}
	s.Cell = c
	return s
}

// Over returns s with other dots below it.
func (s Stored) Over(under []Run) *Stored {
	s.under = nil
	if len(under) > 0 {
		s.under = &under
	}
	return &s
}

// Under is the dots that a join put below the cell and that its Prev does not
// name, newest first. It is shared: do not write into it.
func (s *Stored) Under() []Run {
	if s.under == nil {
		return nil
	}
	return *s.under
}

// Key is the address as the tree knows it.
func (s *Stored) Key() string { return string(s.Addr) }

// Agg is what the cell adds to the aggregates. A hidden cell has its place in FP
// only: it is the same cell to every node, as clocks differ and fingerprints
// must not, but it is no value any more, and it does not expire again.
func (s *Stored) Agg() tree.Agg {
	fp := lanes(s.hash)
	a := tree.Agg{Count: 1, FP: fp, MaxRev: s.Rev, Top: uint64(s.since())}
	if s.Visible() {
		a.Live, a.FPLive, a.MinExp = 1, fp, s.ExpMS()
	}
	return a
}

// Print is the share of the cell in FPLive.
func (s *Stored) Print() [2]uint64 {
	if !s.Visible() {
		return [2]uint64{}
	}
	return lanes(s.hash)
}

// Visible reports that readers see the cell: it is a value and has not expired.
func (s *Stored) Visible() bool { return s.valued() && !s.Hidden }

// Replaced is what a write over the cell names as its Prev, and whether that
// had to be cut.
func (s *Stored) Replaced() (prev []Run, cut bool) {
	prev, cut = MergePrev(s.Dot(), s.Under(), s.PrevRuns())
	return prev, cut || s.PrevWasCut()
}

// lanes is a hash as the two summands of a fingerprint.
func lanes(hash [16]byte) [2]uint64 {
	return [2]uint64{binary.BigEndian.Uint64(hash[:8]), binary.BigEndian.Uint64(hash[8:])}
}
