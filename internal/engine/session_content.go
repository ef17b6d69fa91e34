package engine

import (
	"errors"
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/wire"
)

// maxBody bounds a body in chunks.
const maxBody = wire.MaxValue

// offeredSlack is how many cells a peer may show beyond those it said it has
// and those that this side has sent, which it may send back higher: the rest
// came to it during the session.
const offeredSlack = 10_000

// What a peer may show of its context beyond the entries it said it has: an
// entry may come in parts, of so many spans at least.
const (
	entrySlack   = 1000
	spansPerPart = 64
)

var (
	errTooManyCells   = errors.New("more cells than were announced")
	errCellsMissed    = errors.New("another number of cells came than was sent")
	errTooManyEntries = errors.New("more of a context than was announced")
)

// awaited is a cell whose body is on its way.
type awaited struct {
	c    *cell.Cell
	size uint64
}

// onCells offers what came whole, and waits for the rest.
func (s *Session) onCells(m *wire.Cells, step func(Input) Effects) error {
	whole, next := make([]*cell.Cell, 0, len(m.Cells)), 0
	for _, d := range m.Deferred {
		if d.Index < next || d.Index >= len(m.Cells) || d.Len == 0 || d.Len > maxBody {
			return errProtocol
		}
		whole = append(whole, m.Cells[next:d.Index]...)
		s.awaits = append(s.awaits, awaited{m.Cells[d.Index], d.Len})
		next = d.Index + 1
	}
	// What is lower or gone here is answered in this side's turn, so it is kept
	// until then: a peer that shows more than it has would fill memory.
	if s.offered += uint64(len(m.Cells)); s.offered > s.peerTree.Count+s.out.sent+offeredSlack {
		return errTooManyCells
	}
	s.offer(append(whole, m.Cells[next:]...), step)
	return nil
}

// onBody takes the next chunk of the first awaited body. Memory follows what
// came, not what was announced.
func (s *Session) onBody(m *wire.Body, step func(Input) Effects) error {
	if len(s.awaits) == 0 || s.readOnly() {
		return errProtocol
	}
	a := s.awaits[0]
	switch {
	case m.Addr != a.c.Addr, m.Ver != a.c.Ver, m.Total != a.size, m.Offset != uint64(len(s.body)):
		return errProtocol
	case uint64(len(m.Bytes)) > a.size-m.Offset, len(m.Bytes) == 0:
		return errProtocol
	}
	if s.body = append(s.body, m.Bytes...); uint64(len(s.body)) < a.size {
		return nil
	}
	spec := a.c.Spec()
	spec.Body = slices.Clip(s.body)
	c := cell.New(spec)
	s.e.hasher.Seal(c)
	s.awaits, s.body = s.awaits[1:], nil
	s.offer([]*cell.Cell{c}, step)
	return nil
}

// offer has cells judged, some in each Step.
func (s *Session) offer(cells []*cell.Cell, step func(Input) Effects) {
	s.cells.note(cells)
	for some := range slices.Chunk(cells, MaxStepCells) {
		in := &offerStep{s: s, cells: some}
		step(in)
		s.backs = append(s.backs, in.back...)
		s.purges = append(s.purges, in.purge...)
	}
}

func (s *Session) onPurge(m *wire.Purge, step func(Input) Effects) {
	for some := range slices.Chunk(m.Items, MaxStepCells) {
		step(&purgeStep{s, some})
	}
}

// onCtx merges entries of the peer's context, if this side has taken all cells
// that they speak of.
func (s *Session) onCtx(m *wire.Ctx, step func(Input) Effects) error {
	if !s.peerShown {
		return errProtocol
	}
	for _, en := range m.Entries {
		s.entries++
		s.spans += uint64(len(en.Spans))
	}
	if s.entries > s.peerCtx.Count+s.spans/spansPerPart+entrySlack {
		return errTooManyEntries
	}
	if !s.mayMerge() {
		return nil // its sender did not know yet
	}
	for some := range slices.Chunk(m.Entries, MaxStepCells) {
		step(&ctxStep{s, some})
	}
	return nil
}

// findings is what two sides do not agree on.
type findings struct {
	count uint64
	keys  []string // some of them
}

// keysNamed is how many differing keys are kept for people.
const keysNamed = 10

func (f *findings) name(a cell.Addr) {
	if key := a.Key(); len(f.keys) < keysNamed && !slices.Contains(f.keys, key) {
		f.keys = append(f.keys, key)
	}
}

// offerStep judges cells of the peer on the present state. It is the only
// thing of a session that applies cells.
type offerStep struct {
	s     *Session
	cells []*cell.Cell
	back  []*cell.Cell   // what is higher here
	purge []wire.AddrDot // what the peer still stores and this node has outlived
}

func (*offerStep) input() {}

func (o *offerStep) run(e *Engine) {
	for _, c := range o.cells {
		o.s.differ(c)
		o.judge(e, c)
	}
}

func (o *offerStep) judge(e *Engine, c *cell.Cell) {
	if e.cfg.Plant == PlantPurgePinned && e.holds(c.Dot()) {
		o.known(e, c)
		return
	}
	switch e.apply(c) {
	case raised:
		o.s.changed++
		if e.clock.Physical()-c.Ver.T.Milli() > lateMS {
			o.s.late = true
		}
		e.push.learned(c, bySession)
	case refused:
		o.s.refused++
		o.s.skewed = true // that is what cells are refused for
	case dominated:
		o.sendBack(e.at(c.Addr))
	case dead:
		o.sendBack(e.at(cell.FloorOf(c.Addr.Key())))
	case known:
		o.known(e, c)
	case equal:
	}
}

func (o *offerStep) sendBack(s *cell.Stored) {
	if s != nil {
		o.back = append(o.back, s.Cell)
	}
}

// known is rule R2: the cell was here once. What replaced it is sent; if only
// the memory of that is left, the peer is told to purge.
func (o *offerStep) known(e *Engine, c *cell.Cell) {
	cur := e.at(c.Addr)
	if e.cfg.Plant == PlantPurgePinned {
		cur, _ = o.s.root.Tree.Get(string(c.Addr))
	}
	switch {
	case cur != nil && cur.Dot() == c.Dot():
	case cur != nil && cell.Compare(cur.Cell, c) > 0:
		o.sendBack(cur)
	case e.cfg.Plant != PlantNoPurge:
		o.purge = append(o.purge, wire.AddrDot{Addr: c.Addr, Dot: c.Dot()})
		e.event(Event{Kind: EventPurgeSent, Peer: o.s.peer, Addr: c.Addr, Dot: c.Dot()})
	}
}

// lateMS is the age from which a difference should have been repaired by the
// digests.
const lateMS = 2000

// differ counts a cell of the peer that this side's pinned tree did not hold,
// if the two sides should have agreed on its address: the higher cell is older
// than H, and one of the two is a value.
func (s *Session) differ(c *cell.Cell) {
	if s.yes != unanswered {
		return // not of the pinned tree
	}
	mine, ok := s.root.Tree.Get(string(c.Addr))
	high := c.Ver.T
	if ok {
		if mine.Hash() == c.Hash() {
			return
		}
		high = max(high, mine.Ver.T)
	}
	if high >= s.before || !c.Live(s.wallMS) && !(ok && mine.Live(s.wallMS)) {
		return
	}
	s.found.count++
	s.found.name(c.Addr)
}

// purgeStep removes what the peer has outlived.
type purgeStep struct {
	s     *Session
	items []wire.AddrDot
}

func (*purgeStep) input() {}

func (p *purgeStep) run(e *Engine) {
	for _, it := range p.items {
		if e.purge(it.Addr, it.Dot) {
			p.s.changed++
		}
	}
}

// ctxStep merges entries of the peer's pinned context.
type ctxStep struct {
	s       *Session
	entries []*cell.Entry
}

func (*ctxStep) input() {}

func (c *ctxStep) run(e *Engine) {
	for _, en := range c.entries {
		e.mergeEntry(en)
	}
}

// acceptedStep notes that the peer has everything that was shown to it.
type acceptedStep struct{ s *Session }

func (*acceptedStep) input() {}

func (a *acceptedStep) run(e *Engine) {
	if a.s.peerYes == saidYes {
		e.lastYes = max(e.lastYes, a.s.at)
	}
}

// refusalStep tells what a peer refused by name.
type refusalStep struct {
	s *Session
	m *wire.Err
}

func (*refusalStep) input() {}

func (r *refusalStep) run(e *Engine) {
	e.event(Event{Kind: EventPeerRefused, Peer: r.s.peer, N: uint64(r.m.Code), Text: r.m.Text})
}

// hBefore is H: what two nodes must agree on is older.
func (e *Engine) hBefore() hlc.Time {
	return hlc.Make(max(e.clock.Physical()-e.cfg.AgreeAge.Milliseconds(), 0), 0)
}

func backIn(ms uint64) time.Duration {
	return time.Duration(min(ms, 600_000)) * time.Millisecond
}
