package engine

import (
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

const (
	digestDelay    = 10 * time.Millisecond // a cell is told at the earliest this long, and 4 round trips and windows, after its receipt
	digestFresh    = time.Second           // ticks are quick while something was learned in it
	partChecks     = 8                     // of a part without a receipt, at most
	doubtChecks    = 4                     // of a range that was handed out here before
	maxPartChecks  = 100                   // packets per second; over it random ticks take their place
	uncheckedTicks = 8                     // of a cell whose part checks were replaced
	maxTicks       = 12
	announced      = 3 // times as many random ticks get cells that nobody pushes
	headTurn       = 1 // the part check that asks whom the part was handed to: the others may have the cell by chance
	maxTellPackets = 8 // of one random tick
	digestShare    = 4 // digests get at most this part of the budget of packets: 1 / digestShare
	doubleFor      = time.Minute
)

// digest is what is left to tell of a cell that was learned a moment ago. Its
// first ticks are part checks: each part that was handed out, and of which there
// is no receipt, is asked for by way of another member than the one it was
// handed to, so that a subtree whose head is lost is found at once. The others
// go to one random member.
type digest struct {
	dot     cell.Dot
	addr    cell.Addr
	parts   []served
	own     int    // the first of parts: to them the cell was handed, the others are only checked
	handed  bool   // it came with a range, so that somebody looks after those around
	marks   uint64 // bit i: parts[i] has it, see receipt.go
	learned time.Duration
	from    time.Duration // no tick before it
	tell    time.Duration // no random tick before it, and no other when it is settled
	told    int           // ticks it has had
	checks  int           // of them part checks
	ticks   int           // in all
	spared  bool          // nothing is told of it when all parts have it
	gone    bool          // something else stands at addr now, or nothing
}

// digests tells at common ticks what is fresh here.
type digests struct {
	active  []*digest             // what has ticks left
	kept    fifo[*digest]         // what had none when it came here, see digest_kept.go
	byAddr  map[cell.Addr]*digest // those of both that are not gone
	due     time.Duration
	phase   time.Duration // of this node's ticks, so that nodes do not tick together
	checks  rate          // packets of part checks
	packets rate          // all packets
	doubled time.Duration // until when there are twice as many ticks
}

// add begins to tell of a cell whose parts were handed out. A node without
// parts has nothing to check: one tick passes in silence, so that those who have
// come first, and what they mend is served on. Where nothing gets lost it tells
// at the slow ticks only.
func (d *digests) add(p *pusher, c *cell.Cell, parts []served) {
	checks, tells := partChecks, d.tells(p)
	spared := tells == 1
	if len(parts) == 0 {
		checks = 1
	}
	d.begin(p, &digest{dot: c.Dot(), addr: c.Addr, parts: parts, own: len(parts), ticks: checks + tells, checks: checks, spared: spared})
}

// announce begins to tell of a cell that was not pushed.
func (d *digests) announce(p *pusher, c *cell.Cell) {
	d.begin(p, &digest{dot: c.Dot(), addr: c.Addr, ticks: min(announced*d.tells(p), maxTicks)})
}

func (d *digests) begin(p *pusher, one *digest) {
	if p.e.peers.count() == 0 {
		return
	}
	if len(d.active)+d.kept.len() >= p.e.cfg.MaxFresh {
		d.clear()
		p.overflow("digests")
	}
	if old := d.byAddr[one.addr]; old != nil {
		old.gone = true
		own := len(one.parts) // it is of the same cell: another one has ended it
		one.parts, one.own, one.marks = append(slices.Clip(one.parts), old.parts...), own+old.own, old.marks<<own
	}
	if d.byAddr == nil {
		d.byAddr = make(map[cell.Addr]*digest)
	}
	d.byAddr[one.addr] = one
	one.learned = p.now()
	one.from = one.learned + digestDelay + 4*(p.wanted.rtt+p.pace.window(one.learned)-quietWindow)
	if one.spared && len(one.parts) == 0 {
		// Where nothing gets lost nobody waits for this: what is learned within one
		// slow tick is told in one packet.
		one.ticks, one.checks = one.ticks-one.checks, 0
		one.tell = d.grid(one.from+p.e.cfg.DigestTick, p.e.cfg.IdleTick)
	}
	d.active = append(d.active, one)
	p.recent.add(one.dot, one.addr, one.learned)
	d.due = min(d.due, d.grid(one.next(), p.e.cfg.DigestTick))
}

// next is before when nothing is to be done for it.
func (d *digest) next() time.Duration {
	if d.told < d.checks && !d.settled() {
		return d.from
	}
	return max(d.from, d.tell)
}

// replaced notes that what stood at an address stands there no more. What is
// told of is told many times, and looked up in the tree by nobody for that.
func (d *digests) replaced(a cell.Addr) {
	if one := d.byAddr[a]; one != nil {
		one.gone = true
		delete(d.byAddr, a)
	}
}

func (d *digests) clear() { d.active, d.kept, d.byAddr = nil, fifo[*digest]{}, nil }

// tells is how many ticks of a cell go to a random member now: the more, the
// more packets get lost. Checks do not follow the loss. A part with a receipt
// is not checked, so that they cost little where nothing gets lost; and a
// node that knows nothing of the loss yet must not give up on a part early.
func (d *digests) tells(p *pusher) int {
	tells := 4
	switch loss := max(p.links.loss(p.now()), p.receipts.loss(p.now())); {
	case loss < 0.02:
		tells = 1
	case loss < 0.10:
		tells = 2
	}
	if p.now() < d.doubled {
		tells *= 2
	}
	return tells
}

// doubleDigests gives cells more ticks for a while: a session has found what
// digests should have.
func (p *pusher) doubleDigests() { p.digests.doubled = p.now() + doubleFor }

// unchecked is how many cells have part checks left.
func (d *digests) unchecked() int {
	n := 0
	for _, one := range d.active {
		if !one.gone && one.told < one.checks && one.unmarked() > 0 {
			n++
		}
	}
	return n
}

// grid is the first tick at or after a time.
func (d *digests) grid(at, interval time.Duration) time.Duration {
	rest := (at - d.phase) % interval
	switch {
	case rest == 0:
		return at
	case rest < 0:
		return at - rest
	}
	return at - rest + interval
}

// tick tells what is fresh. While the budget is empty it waits for the next
// one; no cell loses a tick by that.
func (d *digests) tick(p *pusher) {
	now := p.now()
	if now < d.due {
		return
	}
	if p.e.peers.count() == 0 {
		d.clear()
	}
	if p.pace.open(now) && d.room(p) > 0 {
		checks, tells := d.collect(p)
		if len(checks) > 0 && !d.check(p, checks) {
			tells = append(tells, checks...)
		}
		d.tell(p, tells)
	}
	d.forget(now)
	d.schedule(p)
}

// room is how many more packets digests may send now. They must not keep cells
// from being pushed.
func (d *digests) room(p *pusher) int {
	return max(p.e.cfg.PacketsPerSec/digestShare, 1) - d.packets.sum(p.now())
}

// schedule plans the next tick, past those that would find nothing to do, and
// puts aside what has had its last. Ticks are for what has some left: that is a
// small part of what is remembered.
func (d *digests) schedule(p *pusher) {
	next, interval := never, p.e.cfg.IdleTick
	d.active = slices.DeleteFunc(d.active, func(one *digest) bool {
		if one.gone {
			return true
		}
		if one.told >= one.ticks {
			d.kept.push(one)
			return true
		}
		if next = min(next, one.next()); one.learned > p.now()-digestFresh {
			interval = p.e.cfg.DigestTick
		}
		return false
	})
	if next == never {
		if next = d.forgetAt(); next == never {
			d.clear()
			d.due = never
			return
		}
	}
	d.due = d.grid(max(p.now()+1, next), interval)
}

// collect returns what takes part in this tick: what checks its parts and what is
// told to a random member. Of what a newer cell has replaced that one is told.
func (d *digests) collect(p *pusher) (checks, tells []*digest) {
	for _, one := range d.active {
		if one.gone || one.next() > p.now() {
			continue
		}
		if one.told == 0 {
			p.receipts.count(p.now(), one)
		}
		switch {
		case one.settled():
			one.told = one.ticks
		case one.told >= one.checks:
			tells = append(tells, one)
		case one.unmarked() > 0:
			checks = append(checks, one)
		default:
			one.told++
		}
	}
	return checks, tells
}

// check asks for every part by way of one of its members. It reports false, and
// does nothing but to give the cells more random ticks, when that would be too
// many packets.
func (d *digests) check(p *pusher, cells []*digest) bool {
	var parts []served
	turn := make(map[served]int)
	dots := make(map[served][]cell.Dot)
	for _, one := range cells {
		for i, part := range one.parts {
			if one.marked(i) {
				continue
			}
			if dots[part] == nil {
				parts = append(parts, part)
				turn[part] = one.told
			}
			dots[part] = append(dots[part], one.dot)
		}
	}
	if d.checks.sum(p.now())+len(parts) > maxPartChecks || len(parts) > d.room(p) {
		for _, one := range cells {
			one.ticks = max(one.told+one.ticks-one.checks, uncheckedTicks)
		}
		return false
	}
	for _, part := range parts {
		to, ok := p.e.peers.pickOther(part.span, part.by, turn[part])
		if turn[part] == headTurn && p.e.peers.known(part.by) {
			to, ok = part.by, true
		}
		if !ok {
			continue
		}
		span := part.span
		for runs := range slices.Chunk(runsOf(dots[part]), p.maxRuns()) {
			d.checks.add(p.now(), 1)
			d.packets.add(p.now(), 1)
			p.sendDigest(to, &wire.Have{Span: &span, Runs: runs}, len(runs))
		}
	}
	for _, one := range cells {
		one.told++
	}
	return true
}

// tell sends the dots of cells to one random member. What does not fit into a
// few packets is told at the next tick.
func (d *digests) tell(p *pusher, cells []*digest) {
	packets := min(maxTellPackets, d.room(p))
	if len(cells) == 0 || packets <= 0 {
		return
	}
	slices.SortFunc(cells, func(a, b *digest) int { return a.dot.Compare(b.dot) })
	to := p.e.peers.any(p.e.cfg.Rand)
	room := packets * p.maxRuns()
	var runs []cell.Run
	for _, one := range cells {
		if runs = extend(runs, one.dot); len(runs) > room {
			runs = runs[:room]
			break
		}
		one.told++
	}
	for some := range slices.Chunk(runs, p.maxRuns()) {
		d.packets.add(p.now(), 1)
		p.sendDigest(to, &wire.Have{Runs: some}, len(some))
	}
}

// runsOf sorts dots and joins them to runs.
func runsOf(dots []cell.Dot) []cell.Run {
	slices.SortFunc(dots, cell.Dot.Compare)
	var runs []cell.Run
	for _, d := range dots {
		runs = extend(runs, d)
	}
	return runs
}

// extend adds a dot that is not below the last run to runs.
func extend(runs []cell.Run, d cell.Dot) []cell.Run {
	if n := len(runs); n > 0 {
		switch last := &runs[n-1]; {
		case last.Has(d):
			return runs
		case last.O == d.O && last.From+last.Len == d.N:
			last.Len++
			return runs
		}
	}
	return append(runs, cell.RunOf(d))
}
