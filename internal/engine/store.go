package engine

import (
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/tree"
)

// writer holds the editors. They are opened by the first change of a Step and
// published together at its end; between two Steps they are at the Root.
type writer struct {
	open  bool
	dirty bool // the tree changed: the revision rises
	rev   uint64
	tree  *tree.Editor[*cell.Stored]
	ctx   *cell.ContextEditor
	floor lastFloor
}

// lastFloor is the Floor that was looked for last. The cells of one key come
// together, while its Floor stands far from most of them.
type lastFloor struct {
	addr cell.Addr // empty: none
	s    *cell.Stored
}

// edit returns the editors of this Step.
func (e *Engine) edit() *writer {
	if !e.w.open {
		r := e.root.Load()
		if e.w.tree == nil {
			e.w = writer{tree: r.Tree.Edit(), ctx: r.Ctx.Edit()}
		}
		e.w.open, e.w.rev = true, r.Rev+1
	}
	return &e.w
}

// expect makes room for what so many cells may cause.
func (e *Engine) expect(cells int) {
	if !e.muted[EventApplied] {
		e.fx.Events = slices.Grow(e.fx.Events, cells)
	}
	e.fx.Changed = slices.Grow(e.fx.Changed, cells)
}

// publish makes the changes of this Step the current Root.
func (e *Engine) publish() {
	if !e.w.open {
		return
	}
	r := &Root{Tree: e.w.tree.Tree(), Ctx: e.w.ctx.Context(), Rev: e.root.Load().Rev}
	if e.w.dirty {
		r.Rev = e.w.rev
	}
	e.w = writer{tree: e.w.tree, ctx: e.w.ctx, floor: e.w.floor}
	e.root.Store(r)
}

// verdict is what became of one offered cell.
type verdict uint8

const (
	raised    verdict = iota // it is stored now
	equal                    // the same cell was stored
	dominated                // a higher cell of its address is stored
	dead                     // a Floor of its key is higher
	known                    // R1: its dot is in the context and it is not stored
	refused                  // it was not judged: nothing of it entered
)

// at returns the stored cell of an address, or nil.
func (e *Engine) at(a cell.Addr) *cell.Stored {
	if e.w.tree == nil {
		s, _ := e.root.Load().Tree.Get(string(a))
		return s
	}
	s, _ := e.w.tree.Get(string(a)) // it is at the Root, or further
	return s
}

// tree is the present tree, for a walk: what is edited later does not show in it.
func (e *Engine) tree() tree.Tree[*cell.Stored] {
	if e.w.open {
		return e.w.tree.Tree()
	}
	return e.root.Load().Tree
}

// holds reports whether a dot is in the context.
func (e *Engine) holds(d cell.Dot) bool {
	if e.w.open {
		return e.w.ctx.Has(d)
	}
	return e.root.Load().Ctx.Has(d)
}

// apply joins one foreign cell into the current state. It is the only way in
// for cells of others, whatever brought them.
func (e *Engine) apply(c *cell.Cell) verdict {
	if e.tooFar(c) {
		e.event(Event{Kind: EventRefusedSkew, Addr: c.Addr, Dot: c.Dot(), Peer: c.Ver.O, N: uint64(c.Ver.T)})
		if e.cfg.Plant == PlantDotRefused {
			e.enter(c)
		}
		return refused
	}
	cur := e.at(c.Addr)
	e.guardClone(c, cur)
	if v, done := e.judge(c, cur); done {
		return v
	}
	e.receiveClock(c)
	e.enter(c)
	if floor := e.floorOver(c); floor != nil && c.DeadUnder(floor.Cell) {
		e.outlived(c.Dot(), floor.Ver.T)
		e.displace(floor, c.Dot())
		e.event(Event{Kind: EventDeadUnderFloor, Addr: c.Addr, Dot: c.Dot()})
		return dead
	}
	if cur != nil && e.outranks(cur.Cell, c) {
		e.outlived(c.Dot(), cur.Ver.T)
		e.displace(cur, c.Dot())
		e.event(Event{Kind: EventDominated, Addr: c.Addr, Dot: c.Dot()})
		return dominated
	}
	e.replace(cur, c)
	e.event(Event{Kind: EventApplied, Addr: c.Addr, Dot: c.Dot(), Peer: c.Ver.O})
	return raised
}

// tooFar reports that a cell carries a time further ahead than clocks may
// differ. Each of the three would be below the next write or delete of its key,
// which would lift this clock to where no peer takes its writes any more.
func (e *Engine) tooFar(c *cell.Cell) bool {
	return e.clock.TooFar(c.Highest())
}

// floorOver is the Floor of the key of a cell that is none itself, or nil.
func (e *Engine) floorOver(c *cell.Cell) *cell.Stored {
	if c.IsFloor() {
		return nil
	}
	return e.floorOf(c.Addr)
}

// floorOf is the Floor of the key of an address, or nil.
func (e *Engine) floorOf(a cell.Addr) *cell.Stored {
	last, addr := &e.w.floor, a.Floor()
	if last.addr != addr {
		*last = lastFloor{addr: addr, s: e.at(addr)}
	}
	return last.s
}

// judge decides what needs no join: R1 and the cell that is stored already.
func (e *Engine) judge(c *cell.Cell, cur *cell.Stored) (verdict, bool) {
	same := cur != nil && cur.Dot() == c.Dot()
	if same && cell.Compare(cur.Cell, c) == 0 {
		return equal, true
	}
	if !same && e.holds(c.Dot()) && e.cfg.Plant != PlantNoR1 {
		e.event(Event{Kind: EventKnownDot, Addr: c.Addr, Dot: c.Dot()})
		return known, true
	}
	return 0, false
}

// receiveClock advances the clock past a cell that is taken.
func (e *Engine) receiveClock(c *cell.Cell) {
	if e.cfg.Plant != PlantNoReceive {
		e.clock.Receive(c.Ver.T)
	}
}

// replace stores c where cur stood. What it displaces without having seen it
// is kept beside it, so that a later delete knows all that this node knew.
func (e *Engine) replace(cur *cell.Stored, c *cell.Cell) {
	s := c.Keep()
	if cur != nil {
		e.outlived(cur.Dot(), c.Ver.T)
		e.tellConflict(cur, c)
		if len(cur.Under()) > 0 || !cell.Contains(c.PrevRuns(), cur.Dot()) { // else it has seen all
			s = s.Over(e.below(c, []cell.Run{cell.RunOf(cur.Dot())}, cur.Under()))
		}
	}
	e.put(s)
	if c.IsFloor() {
		e.sweep(c)
	}
}

// displace notes that a join put dot below the stored cell s.
func (e *Engine) displace(s *cell.Stored, d cell.Dot) {
	e.displaceRuns(s.Addr, []cell.Run{cell.RunOf(d)})
}

// displaceRuns notes dots that a join put below what is stored at an address.
// They stand beside the cell, not in it: neither its revision nor its hash
// changes.
func (e *Engine) displaceRuns(a cell.Addr, runs []cell.Run) {
	s := e.at(a)
	if s == nil {
		return
	}
	e.store(s.Over(e.below(s.Cell, runs, s.Under())))
}

// store puts s into the tree, where it replaces old.
func (e *Engine) store(s *cell.Stored) (old *cell.Stored, replaced bool) {
	w := e.edit()
	if s.IsFloor() {
		w.floor = lastFloor{}
	}
	return w.tree.Put(s)
}

// below joins lists of displaced dots, newest first, without those that the
// Prev of the cell above them names.
func (e *Engine) below(top *cell.Cell, lists ...[]cell.Run) []cell.Run {
	runs, _ := cell.MergeRuns(lists...)
	return cell.Minus(runs, top.PrevRuns())
}

// enter records that a cell was seen: its dot, and the dots it replaced.
func (e *Engine) enter(c *cell.Cell) {
	ctx := e.edit().ctx
	ctx.Add(c.Dot(), c.Ver.T)
	outlived := c.Ver.T
	if e.cfg.Plant == PlantNoLastT {
		outlived = 0
	}
	for _, r := range c.PrevRuns() {
		if r.Len > maxCounter || r.From > maxCounter-r.Len {
			e.event(Event{Kind: EventRefusedContext, Peer: r.O, Addr: c.Addr, N: 1, Text: refusedCounter})
			continue
		}
		ctx.AddRun(r, outlived)
	}
}

// outlived raises lastT of the origin of a dot that was replaced at t, so that
// the memory of it counts from its last delete.
func (e *Engine) outlived(d cell.Dot, t hlc.Time) {
	if e.cfg.Plant != PlantNoLastT {
		e.edit().ctx.Touch(d.O, t)
	}
}

// put stores s at its address.
func (e *Engine) put(s *cell.Stored) {
	s.Rev = e.edit().rev
	s.Applied = int64(e.now.Mono)
	s.Hidden = s.Expired(e.clock.Physical()) // a reader must never see it
	old, replaced := e.store(s)
	if o := s.Dot().O; !replaced || old.Dot().O != o {
		e.count(o, 1)
		if replaced {
			e.count(old.Dot().O, -1)
		}
	}
	e.push.digests.replaced(s.Addr)
	e.bury(s)
	e.touched(s.Addr)
}

// remove takes a stored cell out. Its dot stays in the context.
func (e *Engine) remove(s *cell.Stored) {
	w := e.edit()
	if s.IsFloor() {
		w.floor = lastFloor{}
	}
	if _, ok := w.tree.Delete(string(s.Addr)); ok {
		e.count(s.Dot().O, -1)
		e.push.digests.replaced(s.Addr)
		e.graves.remove(s.Addr)
		e.touched(s.Addr)
	}
}

func (e *Engine) touched(a cell.Addr) {
	e.w.dirty = true
	e.fx.Changed = append(e.fx.Changed, a)
}

// count keeps how many cells are stored per origin of their dot.
func (e *Engine) count(o cell.Origin, by int) {
	if e.stored[o] += by; e.stored[o] == 0 {
		delete(e.stored, o)
	}
}

// tellConflict reports a write of this node that a foreign cell displaced
// without having seen it.
func (e *Engine) tellConflict(loser *cell.Stored, winner *cell.Cell) {
	d := loser.Dot()
	if d.O != e.cfg.Origin || winner.Ver.O == e.cfg.Origin || loser.Tomb && winner.Tomb {
		return
	}
	kind := EventConflict
	switch {
	case cell.Contains(winner.PrevRuns(), d):
		return
	case winner.PrevWasCut():
		kind = EventConflictUnknown
	}
	e.event(Event{Kind: kind, Addr: loser.Addr, Dot: d, Winner: winner.Dot(), Peer: winner.Ver.O})
}

// purge removes the cell at an address iff it still is exactly that dot.
func (e *Engine) purge(a cell.Addr, d cell.Dot) bool {
	s := e.at(a)
	if s == nil || s.Dot() != d {
		return false
	}
	if !e.holds(d) { // what leaves the tree is in the context, whoever asked for it
		e.edit().ctx.Add(d, s.Ver.T)
	}
	e.remove(s)
	e.event(Event{Kind: EventPurged, Addr: a, Dot: d})
	if s.Visible() {
		e.purges.count(e)
	}
	return true
}

// floorTo is t rounded down to a common epoch, as a version's time.
func floorTo(ms int64, epoch time.Duration) hlc.Time {
	step := max(epoch.Milliseconds(), 1)
	return hlc.Make(max(ms-ms%step, 0), 0)
}
