package engine

import (
	"slices"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// A range is served whatever came first: a push, a digest, or another push. What
// a node has handed out of a cell it remembers for a while after it has stopped
// to tell of it, since others check their parts later than it checks its own.

// serveLate hands on a cell that was here before this node was asked to serve a
// range with it, because a digest or a session was faster than the push.
func (p *pusher) serveLate(c *cell.Cell, spans []wire.Span) service {
	one := p.digests.of(p, c.Dot())
	if one != nil {
		one.handed = one.handed || ranged(spans)
	}
	switch {
	case !slices.ContainsFunc(spans, p.serves):
		return servedNow
	case p.fresh.byAddr[c.Addr] != nil:
	case !p.e.ready || one == nil:
		return notServed // nobody knows here any more whom it was handed to
	}
	if one != nil {
		spans = p.digests.again(p, one, spans)
	}
	if len(spans) == 0 {
		return servedNow
	}
	return p.forward(c, spans)
}

// again is for a node that is handed ranges with a cell which it has handed out
// before. It returns what it has not handed out. What it has, it checks, if it
// has handed out more than the range: where two are given the same members,
// because one of them was thought lost, each may meet the other on the way down,
// and both would count on each other.
func (d *digests) again(p *pusher, one *digest, spans []wire.Span) (todo []wire.Span) {
	for _, s := range spans {
		handed, rest := one.divide(p, s)
		todo = append(todo, rest...)
		if len(handed) == 0 || !one.beyond(s) || len(one.parts)+len(handed) > maxMarks {
			continue
		}
		one.parts = slices.Clip(one.parts) // cells of one push share it
		for _, piece := range handed {
			one.parts = append(one.parts, served{span: piece})
		}
		d.checkOn(p, one, doubtChecks)
	}
	return todo
}

// beyond reports whether a part was handed out that a range does not hold whole.
func (d *digest) beyond(s wire.Span) bool {
	return slices.ContainsFunc(d.parts[:d.own], func(part served) bool { return len(without(nil, part.span, s)) > 0 })
}

// checkOn gives a cell so many part checks from now on, if it has not more.
func (d *digests) checkOn(p *pusher, one *digest, checks int) {
	if one.told >= one.ticks { // it was put aside
		d.active = append(d.active, one)
	}
	tells := max(one.ticks-max(one.told, one.checks), 0)
	one.checks = max(one.checks, one.told+checks)
	one.ticks = one.checks + tells
	d.due = min(d.due, d.grid(max(one.from, p.now()+1), p.e.cfg.DigestTick))
}

// checked is for a part check of a cell that this node holds. Who has handed out
// all of that range says so again, because its receipt was lost. Who was handed
// nothing holds the cell by chance, and does not know whether anybody serves the
// range: it checks the parts of it, which costs little if somebody does.
func (p *pusher) checked(one *digest, s wire.Span) service {
	switch _, rest := one.divide(p, s); {
	case len(rest) == 0:
		return servedNow
	case !one.handed && len(one.parts) == 0:
		for _, part := range p.e.peers.split(s) {
			one.parts = append(one.parts, served{span: part.span, by: p.e.peers.pick(part, p.e.cfg.Rand)})
		}
		p.digests.checkOn(p, one, partChecks)
	}
	return notServed
}

// divide tells what of a range was handed out, and what was not: the members that
// stand there are served by nobody that this node knows of.
func (d *digest) divide(p *pusher, s wire.Span) (handed, rest []wire.Span) {
	rest = []wire.Span{s}
	for _, part := range d.parts[:d.own] {
		var left []wire.Span
		for _, piece := range rest {
			left = without(left, piece, part.span)
			handed = without(handed, piece, wire.Span{Lo: part.span.Hi, Hi: part.span.Lo})
		}
		rest = left
	}
	nobody := func(s wire.Span) bool { return !p.serves(s) }
	return slices.DeleteFunc(handed, nobody), slices.DeleteFunc(rest, nobody)
}
