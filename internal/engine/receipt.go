package engine

import (
	"math"
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// Who was given a cell and a range says when it has handed the cell on: by a
// HAVE without a range, the receipt. A part with a receipt is not checked, so
// that a cluster which loses nothing sends one small packet per member and
// update for its repair; a part without one is checked again and again. Of the
// receipts that do not come a node learns how much gets lost, long before it
// has heard enough packets of any one peer to see gaps.

const (
	receiptSlots   = lossSlots
	receiptSamples = 16 // parts from which on their receipts are an estimate
)

// receipt is a cell that this node has to confirm to whom it has it from.
type receipt struct {
	to  cell.Origin
	dot cell.Dot
}

// receipts are what is owed and what was missed.
type receipts struct {
	asked rate                // cells of which a receipt was due in the last second
	parts [receiptSlots]tally // parts that were handed out: with a receipt, and without one
	slot  time.Duration       // running number of the newest slot
}

// owes notes that receipts are due, and reports whether they are sent. A node
// that is given more than it may check sends none: digests tell of many cells
// at once, which is cheaper then.
func (r *receipts) owes(now time.Duration, n int) bool {
	r.asked.add(now, n)
	return !r.busy(now)
}

func (r *receipts) busy(now time.Duration) bool { return r.asked.sum(now) > maxPartChecks }

// confirm sends receipts: one packet to each who is owed any.
func (p *pusher) confirm(due []receipt) {
	if len(due) == 0 || !p.receipts.owes(p.now(), len(due)) {
		return
	}
	var order []cell.Origin
	dots := make(map[cell.Origin][]cell.Dot)
	for _, r := range due {
		if dots[r.to] == nil {
			order = append(order, r.to)
		}
		dots[r.to] = append(dots[r.to], r.dot)
	}
	for _, to := range order {
		if runs := runsOf(dots[to]); len(runs) <= p.maxRuns() && p.e.peers.known(to) && p.digests.room(p) > 0 {
			p.digests.packets.add(p.now(), 1)
			p.sendDigest(to, &wire.Have{Runs: runs}, len(runs))
		}
	}
}

// heard looks at the dots of a HAVE that this node tells of itself. Without a
// range it may be the receipt for a part that was handed to its sender.
func (p *pusher) heard(from cell.Origin, m *wire.Have) {
	if len(p.digests.byAddr) == 0 {
		return
	}
	var due []receipt
	seen := 0
	for _, run := range m.Runs {
		for i := range run.Len {
			if seen++; seen > maxPerHave {
				return
			}
			one := p.digests.of(p, cell.Dot{O: run.O, N: run.From + i})
			switch {
			case one == nil:
			case m.Span == nil:
				p.mark(one, from)
			case p.checked(one, *m.Span) == servedNow:
				due = append(due, receipt{to: from, dot: one.dot})
			}
		}
	}
	p.confirm(due)
}

// of returns what is told of a dot, or nil.
func (d *digests) of(p *pusher, dot cell.Dot) *digest {
	a, ok := p.recent.addr(dot)
	if !ok {
		return nil
	}
	if one := d.byAddr[a]; one != nil && one.dot == dot {
		return one
	}
	return nil
}

// mark notes that the part that was handed to a member has a cell. What comes
// later than the answer to its check may be another thing that looks like a
// receipt: who was told of the cell by chance, while the push to it was lost,
// serves nobody and tells others by chance in turn. Who stands alone in its part
// has nobody to serve: that it has the cell is all there is to know.
func (p *pusher) mark(one *digest, from cell.Origin) {
	for i, part := range one.parts[:min(len(one.parts), maxMarks)] {
		if part.by != from || one.marked(i) {
			continue
		}
		if i < one.own && !part.mended && one.told <= headTurn {
			p.wanted.took(max(p.now()-one.learned-p.pace.window(p.now()), 0))
		}
		if part.mended || one.told < lateReceipt || p.e.peers.members(part.span).n == 1 {
			one.marks |= 1 << i
		}
	}
	if one.settled() && one.tell == 0 {
		one.tell = p.digests.grid(one.from, p.e.cfg.IdleTick)
		p.digests.schedule(p)
	}
}

// mended notes that a part has asked for a cell by way of a member, and that it
// is this member now whose receipt counts.
func (p *pusher) mended(c *cell.Cell, h hop) {
	one := p.digests.of(p, c.Dot())
	if one == nil {
		return
	}
	for i, part := range one.parts {
		if part.span == h.span && !one.marked(i) {
			one.parts = slices.Clone(one.parts) // cells of one push share it
			one.parts[i] = served{span: h.span, by: h.to, mended: true}
			return
		}
	}
}

const (
	maxMarks    = 64 // parts of a cell that can be marked; the others are checked
	lateReceipt = 3  // ticks after which a receipt of a push comes too late, if there are others in the part
)

// marked reports whether a part has the cell for all that is known.
func (d *digest) marked(i int) bool { return i < maxMarks && d.marks>>i&1 == 1 }

// settled reports whether all parts have it and nothing more is told of it: it
// waits for a slow tick to be forgotten.
func (d *digest) settled() bool { return d.spared && len(d.parts) > 0 && d.unmarked() == 0 }

// unmarked is how many parts have given no receipt.
func (d *digest) unmarked() int {
	n := 0
	for i := range d.parts {
		if !d.marked(i) {
			n++
		}
	}
	return n
}

// count learns from the parts of a cell that is about to be checked first. A
// node under load learns nothing: the others send no receipts then, either.
func (r *receipts) count(now time.Duration, one *digest) {
	if r.asked.sum(now) > maxPartChecks/2 {
		return
	}
	r.turn(now)
	k := &r.parts[r.slot%receiptSlots]
	for i := range one.own {
		if one.marked(i) {
			k.came++
		} else {
			k.lost++
		}
	}
}

// turn empties the slots that time has passed over.
func (r *receipts) turn(now time.Duration) {
	slot := max(now, 0) / lossSlot
	for i := max(r.slot+1, slot-receiptSlots+1); i <= slot; i++ {
		r.parts[i%receiptSlots] = tally{}
	}
	r.slot = max(r.slot, slot)
}

// loss is the share of packets that get lost, or go to members that are gone,
// as far as the receipts of the last 30 s tell. One comes if two packets do.
func (r *receipts) loss(now time.Duration) float64 {
	r.turn(now)
	var sum tally
	for _, k := range r.parts {
		sum.came += k.came
		sum.lost += k.lost
	}
	if sum.came+sum.lost < receiptSamples {
		return 0
	}
	return 1 - math.Sqrt(1-sum.share())
}
