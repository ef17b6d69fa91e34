package engine

import (
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// learnedHow says how a cell came to be stored here.
type learnedHow uint8

const (
	ownWrite  learnedHow = iota // committed here: push it over the whole ring
	bySession                   // a session brought it: digests only, if it is fresh
)

// pusher spreads cells. Every cell goes down a tree of ranges of the ring: who
// gets it with a range cuts the range into parts and hands each to a random
// member. Digests of dots find whom a lost packet or a dead member has cut off
// (digest.go, want.go); large bodies are announced and fetched (fetch.go); gaps
// in the packets of a peer tell what else was lost (loss.go). What none of them
// can mend makes a peer dirty: a session will.
type pusher struct {
	e        *Engine
	pace     pace
	fresh    freshSet
	flushAt  time.Duration // when the fresh set is pushed; never if it is empty
	owed     fifo[owed]
	ads      adCache
	digests  digests
	receipts receipts
	recent   recentDots
	wanted   wanted
	fetches  fetches
	links    links
	leaving  bool
	spans    []wire.Span // of the cell that is taken in, for delta only
}

// owed is a cell that a WANT asked for.
type owed struct {
	hop
	addr cell.Addr
}

// maxOwed bounds the answers that wait for the budget.
const maxOwed = 1 << 16

func newPusher(e *Engine) *pusher {
	return &pusher{
		e:       e,
		pace:    newPace(e.cfg),
		flushAt: never,
		digests: digests{due: never, phase: time.Duration(e.cfg.Rand.Int64N(int64(e.cfg.IdleTick)))},
	}
}

func (p *pusher) now() time.Duration { return p.e.now.Mono }

// learned takes note of a cell that came to be stored other than by a packet.
func (p *pusher) learned(c *cell.Cell, how learnedHow) {
	switch {
	case p.e.peers.count() == 0:
		// Whoever comes has a session first.
	case how == ownWrite:
		p.queue(c.Addr, p.e.peers.whole(), ownCells)
	case p.e.ready && !p.stale(c) && p.fresh.byAddr[c.Addr] == nil:
		p.digests.announce(p, c)
	}
}

// delta takes the cells of a DELTA. What raises the tree is handed on.
func (p *pusher) delta(from cell.Origin, m *wire.Delta) {
	if n := m.Len(); n > MaxStepCells { // no packet of ours holds as many
		p.e.event(Event{Kind: EventRefusedSize, Peer: from, N: uint64(n)})
		p.e.sync.dirty(from, "sent more cells than a packet of ours holds")
		return
	}
	var due []receipt
	p.e.expect(m.Len())
	for _, g := range m.Groups {
		for _, c := range g.Cells {
			p.spans = append(append(p.spans[:0], p.wanted.came(p, from, c.Dot())...), g.Span)
			if p.stale(c) {
				p.refuseStale(from, c)
				continue
			}
			if p.takeIn(from, c, p.spans...) == servedNow {
				due = append(due, receipt{to: from, dot: c.Dot()})
			}
		}
	}
	p.confirm(due)
}

// service says how far a cell that came with a range to serve is served.
type service uint8

const (
	notServed   service = iota // it was not taken, or nobody was to be served
	servedNow                  // nothing is left to hand on
	servedLater                // the next push hands it on
)

// takeIn applies a cell that a peer handed to this node with a range to serve.
// Before the first complete session this node knows too little to hand on.
func (p *pusher) takeIn(from cell.Origin, c *cell.Cell, spans ...wire.Span) service {
	how := notServed
	switch p.e.apply(c) {
	case refused:
		p.e.sync.dirty(from, "sent a cell that was refused")
	case raised:
		if p.e.ready {
			how = p.forward(c, spans)
		}
	case equal:
		how = p.serveLate(c, spans)
	case known, dominated, dead:
		how = servedNow // what is higher was handed on
	}
	switch {
	case how == servedLater:
		p.fresh.owe(c.Addr, receipt{to: from, dot: c.Dot()})
	case !ranged(spans):
		how = notServed
	}
	return how
}

// ranged reports whether a range is among ranges that may be empty.
func ranged(spans []wire.Span) bool {
	return slices.ContainsFunc(spans, func(s wire.Span) bool { return s.Lo != s.Hi })
}

// forward hands a cell on within the ranges given to this node.
func (p *pusher) forward(c *cell.Cell, spans []wire.Span) service {
	how := servedNow
	for _, s := range spans {
		if p.serves(s) {
			p.queue(c.Addr, s, relayedCells)
			how = servedLater
		}
	}
	if how == servedNow && p.fresh.byAddr[c.Addr] == nil {
		p.digests.add(p, c, nil)
		if one := p.digests.of(p, c.Dot()); one != nil {
			one.handed = ranged(spans)
		}
	}
	return how
}

// serves reports whether a range has members beside this node.
func (p *pusher) serves(s wire.Span) bool { return p.e.peers.members(s).n > 0 }

// stale reports that a cell is too old for a packet: it may be a repetition
// from before a delete that is forgotten already, which only a session can say.
func (p *pusher) stale(c *cell.Cell) bool {
	return c.Ver.T.Milli() < p.e.clock.Physical()-p.e.cfg.StaleAge.Milliseconds()
}

func (p *pusher) refuseStale(from cell.Origin, c *cell.Cell) {
	p.e.event(Event{Kind: EventStale, Addr: c.Addr, Dot: c.Dot(), Peer: from})
	if !p.e.holds(c.Dot()) {
		p.e.sync.dirty(from, "sent a stale cell")
	}
}

// queue puts an address into the fresh set.
func (p *pusher) queue(a cell.Addr, s wire.Span, class freshClass) {
	if p.fresh.len() >= p.e.cfg.MaxFresh && p.fresh.byAddr[a] == nil {
		p.fresh.clear()
		p.flushAt = never
		p.overflow("cells to push")
		return
	}
	p.fresh.add(p.e.peers, a, s, class)
	if p.flushAt == never {
		p.flushAt = p.now()
		if !p.leaving {
			p.flushAt += p.pace.window(p.now())
		}
	}
}

// overflow gives up on telling everybody something: sessions will.
func (p *pusher) overflow(what string) {
	p.e.event(Event{Kind: EventPushOverflow, Text: what})
	for n := range p.e.peers.nodes() {
		p.e.sync.dirty(n.Origin, "too many "+what)
	}
}

// renamed begins anew with sequence numbers, because peers count them by
// origin.
func (p *pusher) renamed() { p.links.restart() }

// leave ends the waiting for company: everything goes at once.
func (p *pusher) leave() {
	p.leaving = true
	if p.fresh.len() > 0 {
		p.flushAt = min(p.flushAt, p.now())
	}
}

// tick does what has become due, except for pushing.
func (p *pusher) tick() {
	p.links.tick(p)
	p.digests.tick(p)
	p.wanted.tick(p)
	p.fetches.tick(p)
}

// flush sends what is due, out of the Root that the Step has published.
func (p *pusher) flush() {
	p.reply()
	if p.flushAt <= p.now() {
		p.push()
	}
	p.fetches.dial(p)
}

// due is when tick or flush has something to do next.
func (p *pusher) due() time.Duration {
	at := min(p.flushAt, p.links.due(), p.digests.due, p.wanted.due(), p.fetches.due())
	switch {
	case p.owed.len() == 0:
	case p.fresh.len() > 0:
		at = min(at, p.pace.fullAt())
	default:
		at = min(at, p.pace.opensAt())
	}
	return at
}

// reply sends the cells that peers asked for. It leaves half of the budget to
// cells that wait to be pushed: who asks much must not keep back what is new.
func (p *pusher) reply() {
	if p.owed.len() == 0 {
		return
	}
	k := p.packer()
	for p.pace.open(p.now()) && (p.fresh.len() == 0 || p.pace.half(p.now())) {
		a, ok := p.owed.pop()
		if !ok {
			break
		}
		if s := p.e.at(a.addr); s != nil && p.e.peers.known(a.to) {
			k.add(a.hop, s.Cell)
			p.mended(s.Cell, a.hop)
		}
	}
	k.close()
}

// push hands on the fresh set as far as the budget goes.
func (p *pusher) push() {
	k := p.packer()
	cuts := make(map[wire.Span][]served)
	var due []receipt
	for p.pace.open(p.now()) {
		f := p.fresh.next()
		if f == nil {
			break
		}
		s := p.e.at(f.addr)
		if s == nil {
			continue
		}
		parts := p.handOut(k, cuts, f, s.Cell)
		due = append(due, f.owed...)
		p.fresh.spent[f.class] += k.take()
		p.digests.add(p, s.Cell, parts)
	}
	k.close()
	p.confirm(due)
	p.flushAt = never
	if p.fresh.len() > 0 {
		p.flushAt = max(p.pace.opensAt(), p.now()+p.pace.window(p.now()))
		p.e.event(Event{Kind: EventThrottled, N: uint64(p.fresh.len())})
	}
}

// served is a part of a range and the member it was handed to.
type served struct {
	span   wire.Span
	by     cell.Origin
	mended bool // by asked for it: it was handed to another first
}

// handOut sends a cell down every range of its entry. Cells of one push that
// have the same range take the same way, so that they share packets.
func (p *pusher) handOut(k *packer, cuts map[wire.Span][]served, f *fresh, c *cell.Cell) []served {
	var all []served
	for _, s := range f.spans {
		parts, ok := cuts[s]
		if !ok {
			for _, part := range p.e.peers.split(s) {
				parts = append(parts, served{span: part.span, by: p.e.peers.pick(part, p.e.cfg.Rand)})
			}
			cuts[s] = parts
		}
		for _, part := range parts {
			h := hop{to: part.by, span: part.span}
			if p.e.cfg.Plant == PlantWideRange {
				h.span = s
			}
			k.add(h, c)
		}
		if all == nil {
			all = parts
			continue
		}
		all = append(all[:len(all):len(all)], parts...)
	}
	return all
}

// sendDigest sends a HAVE or WANT, which is small and never waits.
func (p *pusher) sendDigest(to cell.Origin, m wire.Msg, runs int) {
	p.pace.spend(wire.HaveSize + runs*wire.RunSize + p.e.cfg.PacketOverhead)
	p.e.send(to, m)
}

// maxRuns is how many runs a HAVE or WANT has room for.
func (p *pusher) maxRuns() int { return max((p.e.cfg.PacketBudget-wire.HaveSize)/wire.RunSize, 1) }

// Unsent is how many addresses still have to be pushed or, when the node
// leaves, checked: the shell waits for 0 before it goes.
func (e *Engine) Unsent() int {
	return e.push.fresh.len() + e.push.owed.len() + e.push.digests.unchecked()
}
