package engine

import (
	"cmp"
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
)

// collectPerStep bounds what one Step collects or hides; the rest follows in
// the next ones.
const collectPerStep = 1024

// graves holds what may be collected one day, by common epoch: each entry is
// looked at once its epoch is due, so that collection costs what is due and
// never walks the state. An address has one entry, for what is stored there, so
// that a lease renewed every second leaves nothing behind.
type graves struct {
	byEpoch map[int64][]cell.Addr
	epochs  []int64 // keys of byEpoch, ascending
	at      map[cell.Addr]grave
}

// grave is where the entry of an address stands.
type grave struct {
	epoch int64
	index int
}

// add puts an address into an epoch.
func (g *graves) add(epoch int64, a cell.Addr) {
	if g.at == nil {
		g.byEpoch, g.at = make(map[int64][]cell.Addr), make(map[cell.Addr]grave)
	}
	list := g.byEpoch[epoch]
	if len(list) == 0 {
		at, _ := slices.BinarySearch(g.epochs, epoch)
		g.epochs = slices.Insert(g.epochs, at, epoch)
	}
	g.at[a] = grave{epoch, len(list)}
	g.byEpoch[epoch] = append(list, a)
}

// remove takes an address out. The last one of its epoch takes its place.
func (g *graves) remove(a cell.Addr) {
	in, ok := g.at[a]
	if !ok {
		return
	}
	delete(g.at, a)
	list := g.byEpoch[in.epoch]
	last := len(list) - 1
	if in.index != last {
		list[in.index] = list[last]
		g.at[list[last]] = in
	}
	list[last] = ""
	if last > 0 {
		g.byEpoch[in.epoch] = list[:last]
		return
	}
	delete(g.byEpoch, in.epoch)
	at, _ := slices.BinarySearch(g.epochs, in.epoch)
	g.epochs = slices.Delete(g.epochs, at, at+1)
}

// bury notes what is stored now if collection must look at it when its age is
// due: tombstones and Floors by their time, cells with a time to live by its
// end.
func (e *Engine) bury(s *cell.Stored) {
	e.graves.remove(s.Addr)
	var ms int64
	switch {
	case s.Tomb:
		ms = s.Ver.T.Milli()
	case s.ExpMS() != 0:
		ms = s.ExpMS()
	default:
		return
	}
	e.graves.add(ms/max(e.cfg.TombstoneEpoch.Milliseconds(), 1), s.Addr)
}

// collect removes tombstones, Floors and expired cells below the common epoch
// line. Their dots stay in the context: that is what keeps them dead.
// It looks at no more than collectPerStep and comes back at once for the rest
// if that was of use.
func (e *Engine) collect() {
	e.gcDue = e.now.Mono + e.cfg.GCInterval
	e.watchClock()
	before := e.counters.Events[EventCollected]
	g := &e.graves
	line := e.collectLine().Milli() / max(e.cfg.TombstoneEpoch.Milliseconds(), 1)
	looked := 0
	for at := 0; at < len(g.epochs) && g.epochs[at] < line && looked < collectPerStep; {
		n := g.epochs[at]
		looked += e.collectEpoch(n, collectPerStep-looked)
		if len(g.byEpoch[n]) > 0 {
			at++ // else the next epoch stands here now
		}
	}
	if looked == collectPerStep && e.counters.Events[EventCollected] > before {
		e.gcDue = e.now.Mono
	}
}

// collectLine is the common epoch below which the dead are collected.
func (e *Engine) collectLine() hlc.Time {
	return floorTo(e.clock.Physical()-e.cfg.MinTombstoneAge.Milliseconds(), e.cfg.TombstoneEpoch)
}

// collectEpoch looks at the graves of one epoch, no more than a number of them,
// and returns how many those were.
func (e *Engine) collectEpoch(epoch int64, most int) (looked int) {
	for kept := 0; kept < len(e.graves.byEpoch[epoch]) && looked < most; looked++ {
		if e.collectOne(e.graves.byEpoch[epoch][kept]) == keepGrave {
			kept++ // else another stands in its place
		}
	}
	return looked
}

// fate is what became of a grave that was looked at.
type fate uint8

const (
	keepGrave fate = iota // not yet
	dropGrave             // collected
)

func (e *Engine) collectOne(a cell.Addr) fate {
	s := e.at(a)
	if s == nil { // it fell under a Floor a moment ago
		e.graves.remove(a)
		return dropGrave
	}
	if !s.Tomb && !s.Hidden {
		return keepGrave // its time has come by the wall, not yet by the timer that hides
	}
	if time.Duration(s.Applied) > e.now.Mono-e.cfg.AppliedAge {
		return keepGrave
	}
	if e.peers.count() > 0 && e.lastYes <= time.Duration(s.Applied) {
		return keepGrave
	}
	e.remove(s)
	// The memory of it must outlive it here by the retention, however old it was:
	// a cell that expired long after it was written, or the tombstone of a node
	// that was away, would else be forgotten with its removal, taken again from
	// whoever has not collected it yet, and go round for ever.
	e.outlived(s.Dot(), e.collectLine())
	e.event(Event{Kind: EventCollected, Addr: a, Dot: s.Dot()})
	return dropGrave
}

// expire hides every cell whose time to live has ended: from here on reads,
// watches and counts do not see it, while its bytes and hash stay the same.
func (e *Engine) expire() {
	now := e.clock.Physical()
	var due []*cell.Stored
	for s := range e.root.Load().Tree.ExpiredBefore(now + 1) {
		if due = append(due, s); len(due) == collectPerStep {
			break
		}
	}
	for _, s := range due {
		// It may be another by now, or the same with more displaced below it.
		if cur := e.at(s.Addr); cur != nil && cur.Dot() == s.Dot() {
			e.hide(cur)
		}
	}
}

func (e *Engine) hide(s *cell.Stored) {
	n := *s
	n.Hidden = true
	n.Rev = e.edit().rev
	if e.cfg.Plant == PlantExpiryHashed {
		spec := n.Spec()
		spec.Ext = append([]byte{0, 0xee, 1}, 1)
		n.Cell = cell.New(spec)
		e.hasher.Seal(n.Cell)
	}
	e.store(&n)
	e.touched(s.Addr)
	e.event(Event{Kind: EventExpired, Addr: s.Addr, Dot: s.Dot()})
}

// expiryDue is when the next cell must be hidden.
func (e *Engine) expiryDue() time.Duration {
	next := e.root.Load().Tree.Agg().MinExp
	if next == 0 {
		return never
	}
	in := time.Duration(max(next-e.clock.Physical(), 0)) * time.Millisecond
	return e.now.Mono + in
}

// forget drops context entries past their retention, and the oldest ones over
// the limit. An origin of which a cell is stored is kept whatever its age.
func (e *Engine) forget() {
	ctx := e.edit().ctx.Context()
	line := e.forgetBefore()
	for en := range ctx.StaleBefore(line.Milli()) {
		if e.stored[en.O] == 0 && en.LastT < line {
			e.w.ctx.Drop(en.O)
			e.event(Event{Kind: EventForgotten, Peer: en.O, N: uint64(en.LastT)})
		}
	}
	if over := e.w.ctx.Context().Len() - e.cfg.MaxCtxEntries; over > 0 {
		e.forgetOldest(ctx, over)
	}
}

// forgetOldest drops n entries of origins without stored cells, the lowest
// lastT first.
func (e *Engine) forgetOldest(ctx cell.Context, n int) {
	var idle []*cell.Entry
	for en := range ctx.Tree().All() {
		if e.stored[en.O] == 0 {
			idle = append(idle, en)
		}
	}
	slices.SortFunc(idle, func(a, b *cell.Entry) int { return cmp.Or(cmp.Compare(a.LastT, b.LastT), cmp.Compare(a.O, b.O)) })
	for _, en := range idle[:min(n, len(idle))] {
		e.w.ctx.Drop(en.O)
	}
	e.event(Event{Kind: EventContextLimit, N: uint64(n)})
}

// Snapshot is what survives a process: cells and context of one Root, always
// together, and the clock.
type Snapshot struct {
	Root  *Root
	Clock hlc.Time
	At    int64 // wall clock in ms when it was taken
}

// Snapshot returns the present state for a later New. It copies nothing.
func (e *Engine) Snapshot() *Snapshot {
	return &Snapshot{Root: e.root.Load(), Clock: e.clock.Now(), At: e.clock.Physical()}
}

// restore takes over a snapshot, in the first Step, when the time is known.
// State that is older than what the cluster remembers is discarded: it could
// bring back what others have forgotten.
func (e *Engine) restore() {
	s := e.cfg.Restore
	e.cfg.Restore = nil
	if s == nil {
		return
	}
	if limit := e.cfg.OriginRetention - e.cfg.OriginEpoch; e.now.Wall-s.At > limit.Milliseconds() {
		e.event(Event{Kind: EventReturner, N: uint64(e.now.Wall - s.At), Text: "stored state is older than the cluster remembers: discarded"})
		return
	}
	e.clock.Restore(s.Clock)
	e.root.Store(&Root{Ctx: s.Root.Ctx})
	e.w = writer{}
	for it := range s.Root.Tree.All() {
		n := *it
		n.Hidden = false
		e.put(&n)
	}
}
