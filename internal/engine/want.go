package engine

import (
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

const (
	maxWanted  = 1 << 16 // dots asked for at a time
	maxPerHave = 4096    // dots that one HAVE makes this node ask for, or one WANT makes it look for
	maxHolders = 4       // members known to have a dot
	reaskAfter = 20 * time.Millisecond
	maxReasks  = 3  // of a dot that one HAVE has shown
	maxShown   = 12 // HAVEs that may add one to that
	maxRTT     = 500 * time.Millisecond
	leastRTT   = 5 * time.Millisecond // what is below is not doubted
)

// wanted holds the dots that peers have shown and that are on their way.
type wanted struct {
	byDot map[cell.Dot]*want
	queue fifo[*want]   // by the time at which to ask again
	rtt   time.Duration // smoothed, from a WANT or a push to its answer; 0: not known
}

type want struct {
	dot     cell.Dot
	holders []holder
	asked   int
	shown   int           // more HAVEs that have shown it
	last    time.Duration // when it was asked for
	due     time.Duration // when it is asked for again
}

// holder is a member that has shown a dot, and the range it wants served with
// it, nil if none.
type holder struct {
	o    cell.Origin
	span *wire.Span
}

// have asks for what a peer has and this node has never had.
func (p *pusher) have(from cell.Origin, m *wire.Have) {
	p.heard(from, m)
	var ask []cell.Dot
	seen := 0
	for _, run := range m.Runs {
		for _, gap := range p.missing(run) {
			for i := range gap.Len {
				if seen++; seen > maxPerHave || len(p.wanted.byDot) >= maxWanted {
					p.e.sync.dirty(from, "has shown more than can be asked for")
					p.ask(holder{from, m.Span}, ask)
					return
				}
				if d := (cell.Dot{O: run.O, N: gap.From + i}); p.wanted.note(p, d, holder{from, m.Span}) {
					ask = append(ask, d)
				}
			}
		}
	}
	p.ask(holder{from, m.Span}, ask)
}

// missing is the numbers of a run that are not in the context.
func (p *pusher) missing(run cell.Run) []cell.Span {
	if run.Len == 0 || run.From+run.Len < run.From {
		return nil
	}
	seen := p.e.seen(run.O)
	var gaps []cell.Span
	from, end := run.From, run.From+run.Len
	i, _ := slices.BinarySearchFunc(seen, from, func(s cell.Span, n uint64) int {
		if s.From+s.Len <= n {
			return -1
		}
		return 1
	})
	for _, s := range seen[i:] {
		if s.From >= end || len(gaps) > maxPerHave {
			break
		}
		if s.From > from {
			gaps = append(gaps, cell.Span{From: from, Len: s.From - from})
		}
		from = max(from, s.From+s.Len)
	}
	if from < end {
		gaps = append(gaps, cell.Span{From: from, Len: end - from})
	}
	return gaps
}

// seen is the numbers of the dots of an origin that are in the context now.
func (e *Engine) seen(o cell.Origin) []cell.Span {
	if e.w.open {
		spans, _ := e.w.ctx.Seen(o)
		return spans
	}
	spans, _ := e.root.Load().Ctx.Seen(o)
	return spans
}

// note remembers that a peer has a dot, and reports whether to ask it.
func (w *wanted) note(p *pusher, d cell.Dot, h holder) bool {
	if p.fetches.offer(d, h.o) {
		return false
	}
	if old := w.byDot[d]; old != nil {
		old.shown = min(old.shown+1, maxShown)
		if len(old.holders) < maxHolders && !slices.ContainsFunc(old.holders, func(x holder) bool { return x.o == h.o }) {
			old.holders = append(old.holders, h)
		}
		return false
	}
	if w.byDot == nil {
		w.byDot = make(map[cell.Dot]*want)
	}
	one := &want{dot: d, holders: []holder{h}}
	w.byDot[d] = one
	w.wait(p, one)
	return true
}

// wait puts a dot that is asked for now at the end of the queue.
func (w *wanted) wait(p *pusher, one *want) {
	one.asked++
	one.last = p.now()
	one.due = one.last + reaskAfter + 2*w.rtt
	w.queue.push(one)
}

// ask sends WANTs.
func (p *pusher) ask(h holder, dots []cell.Dot) {
	for runs := range slices.Chunk(runsOf(dots), p.maxRuns()) {
		p.sendDigest(h.o, &wire.Want{Span: h.span, Runs: runs}, len(runs))
	}
}

// came notes that a dot has arrived, in whatever way. It returns the ranges that
// were to be served with it, to whomever they were to be answered: one that was
// asked without a range may have been faster.
func (w *wanted) came(p *pusher, from cell.Origin, d cell.Dot) (spans []wire.Span) {
	one := w.byDot[d]
	if one == nil {
		return nil
	}
	delete(w.byDot, d)
	if one.asked == 1 && one.holders[0].o == from { // else nobody knows which question this answers
		w.took(p.now() - one.last)
	}
	for _, h := range one.holders {
		if h.span != nil && h.o != from {
			spans = append(spans, *h.span)
		}
	}
	return spans
}

// took takes note of how long an answer took. What looks much longer than usual
// may be the answer to something else.
func (w *wanted) took(d time.Duration) {
	d = min(d, maxRTT, 2*w.rtt+leastRTT)
	if w.rtt == 0 {
		w.rtt = d
	}
	w.rtt += (d - w.rtt) / 8
}

func (w *wanted) due() time.Duration {
	if one, ok := w.queue.peek(); ok {
		return one.due
	}
	return never
}

// question is what WANTs of one tick have in common.
type question struct {
	to     cell.Origin
	span   wire.Span
	ranged bool
}

// tick asks again for what has not come: the same holder, then others.
func (w *wanted) tick(p *pusher) {
	var order []question
	again := make(map[question][]cell.Dot)
	for w.due() <= p.now() {
		one, _ := w.queue.pop()
		h, ok := w.again(p, one)
		if !ok {
			continue
		}
		q := question{to: h.o}
		if h.span != nil {
			q.span, q.ranged = *h.span, true
		}
		if again[q] == nil {
			order = append(order, q)
		}
		again[q] = append(again[q], one.dot)
		w.wait(p, one)
	}
	for _, q := range order {
		h := holder{o: q.to}
		if q.ranged {
			h.span = &q.span
		}
		p.ask(h, again[q])
	}
}

// again returns whom to ask for a dot now. It reports false if it has come, or
// is given up: whom this node heard of it from is dirty then.
func (w *wanted) again(p *pusher, one *want) (holder, bool) {
	if w.byDot[one.dot] != one {
		return holder{}, false
	}
	if p.e.holds(one.dot) {
		delete(w.byDot, one.dot)
		return holder{}, false
	}
	n := len(one.holders)
	for i := range n {
		h := one.holders[(one.asked-1+i)%n]
		if one.asked <= maxReasks+one.shown && p.e.peers.known(h.o) {
			return h, true
		}
	}
	delete(w.byDot, one.dot)
	p.e.sync.dirty(one.holders[0].o, "did not send what it has shown")
	return holder{}, false
}

// want answers with what is stored now where a dot stood. What is no longer
// fresh enough to be found that way is left to a session.
func (p *pusher) want(from cell.Origin, m *wire.Want) {
	h := hop{to: from}
	if m.Span != nil {
		h.span = *m.Span
	}
	looked := 0
	lost := false
	for _, run := range m.Runs {
		for i := range run.Len {
			if looked++; looked > maxPerHave {
				p.e.sync.dirty(from, "asked for too much at once")
				return
			}
			a, ok := p.recent.addr(cell.Dot{O: run.O, N: run.From + i})
			if !ok || p.owed.len() >= maxOwed {
				lost = true
				continue
			}
			p.owed.push(owed{hop: h, addr: a})
		}
	}
	if lost {
		p.e.sync.dirty(from, "asked for what is no longer fresh")
	}
}
