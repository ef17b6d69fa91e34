package engine

import (
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/tree"
)

// fallen is what fell under a Floor and is not in the books yet. The tree is
// rid of it at once, whatever its size, as no Root may show it any more. What
// the engine keeps per cell beside the tree follows some cells in each Step, so
// that the delete of a key of 100,000 fields holds nobody up.
type fallen struct {
	floor *cell.Cell
	tree  tree.Tree[*cell.Stored] // as it was before
	next  string                  // the first address that is not in the books
	hi    string
}

// sweep removes every cell of the Floor's key that is dead under it.
func (e *Engine) sweep(floor *cell.Cell) {
	lo, hi := cell.KeyRange(floor.Addr.Key())
	lo += "\x00" // behind the Floor
	before := e.tree()
	n := before.AggOf(lo, hi).Count
	if n == 0 {
		return
	}
	var alive []*cell.Stored
	for s := range before.Above(lo, hi, uint64(floor.OrdT())) {
		alive = append(alive, s)
	}
	if n -= uint64(len(alive)); n == 0 {
		return
	}
	w := e.edit()
	w.tree.Cut(lo, hi)
	for _, s := range alive {
		w.tree.Put(s)
	}
	w.dirty = true
	e.event(Event{Kind: EventSwept, Addr: floor.Addr, Dot: floor.Dot(), N: n})
	e.fallen = append(e.fallen, &fallen{floor: floor, tree: before, next: lo, hi: hi})
	e.book(e.cfg.SweepPerStep)
}

// book enters what fell into the books, no more than a number of cells.
func (e *Engine) book(most int) {
	for len(e.fallen) > 0 && most > 0 {
		f := e.fallen[0]
		some := f.tree.Take(f.next, f.hi, make([]*cell.Stored, 0, most))
		most -= len(some)
		if most > 0 {
			e.fallen = e.fallen[1:]
		} else {
			f.next = some[len(some)-1].Key() + "\x00"
		}
		e.bookCells(f.floor, some)
	}
}

// bookCells does for cells what remove does for one. The dots that the Floor
// removed without having seen them become displaced dots of it.
func (e *Engine) bookCells(floor *cell.Cell, cells []*cell.Stored) {
	var under cell.Merge
	for _, s := range cells {
		if !s.DeadUnder(floor) {
			continue
		}
		e.count(s.Dot().O, -1)
		e.outlived(s.Dot(), floor.Ver.T)
		e.tellConflict(s, floor)
		if !cell.Contains(floor.PrevRuns(), s.Dot()) {
			under.Add(cell.RunOf(s.Dot()))
		}
		under.Add(s.Under()...)
		if e.at(s.Addr) == nil { // else a later write has seen to it
			e.push.digests.replaced(s.Addr)
			e.graves.remove(s.Addr)
		}
		e.fx.Changed = append(e.fx.Changed, s.Addr)
	}
	if runs, _ := under.Runs(); len(runs) > 0 {
		e.displaceRuns(floor.Addr, runs)
	}
}

// falling reports whether cells of a key are not in the books yet, so that what
// its Floor displaced is not all known.
func (e *Engine) falling(key string) bool {
	for _, f := range e.fallen {
		if f.floor.Addr.Key() == key {
			return true
		}
	}
	return false
}
