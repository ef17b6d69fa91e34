package engine

import (
	"crypto/sha256"
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

const (
	maxFetches   = 4096 // bodies waited for
	maxSources   = 8    // members known to have a body
	maxTries     = 3
	maxDials     = 4  // fetch streams at a time
	maxPerDial   = 64 // bodies of one stream
	fetchLook    = 64 // how far behind its head the queue is searched for what can go
	fetchRetry   = 100 * time.Millisecond
	maxDialBytes = wire.MaxValue // of the bodies of one stream, unless it is one body
)

// fetches is the table of large bodies that were announced and are not here
// yet. It is outside of the tree: until its body has come a cell is not stored
// and its dot is not in the context, and the old value stays visible. At most
// maxDials streams fill buffers at a time, and a buffer grows with what has
// come, not with what was promised.
type fetches struct {
	byAddr map[cell.Addr]*fetch
	byDot  map[cell.Dot]*fetch
	queue  fifo[*fetch]  // those that wait for a stream
	dials  []*fetchDial  // in the order in which they were begun
	next   time.Duration // when a retry may begin; never if none waits
}

// fetch is one body that is waited for.
type fetch struct {
	ad      wire.Ad
	spans   []wire.Span // to be served with it
	sources []cell.Origin
	tries   int
	from    time.Duration // no try before it
	dial    *fetchDial    // the stream that brings it, nil while it waits
	body    []byte        // what has come
}

// fetchDial is one stream.
type fetchDial struct {
	to    cell.Origin
	items []*fetch
	due   time.Duration // given up, unless something comes before
}

// FetchFailed tells that the stream of a Dial with a Fetch could not be opened
// or has ended, however it ended. Bodies that came whole are not affected.
type FetchFailed struct {
	To    cell.Origin
	Fetch *wire.Fetch
}

func (FetchFailed) input() {}

func (in FetchFailed) run(e *Engine) {
	f := &e.push.fetches
	for _, it := range in.Fetch.Items {
		one := f.byAddr[it.Addr]
		if one != nil && one.ad.Cell.Ver == it.Ver && one.dial != nil && one.dial.to == in.To {
			f.again(e.push, one)
		}
	}
}

func (f *fetch) item() wire.AddrVer { return wire.AddrVer{Addr: f.ad.Cell.Addr, Ver: f.ad.Cell.Ver} }

// offer notes another source of a body that is waited for, and reports whether
// it is.
func (f *fetches) offer(d cell.Dot, from cell.Origin) bool {
	one := f.byDot[d]
	if one == nil {
		return false
	}
	if len(one.sources) < maxSources && !slices.Contains(one.sources, from) {
		one.sources = append(one.sources, from)
	}
	return true
}

// advert takes the ads of bodies that are too large to be pushed.
func (p *pusher) advert(from cell.Origin, m *wire.Advert) {
	for _, ad := range m.Ads {
		c := ad.Cell
		p.wanted.came(p, from, c.Dot())
		switch {
		case p.fetches.offer(c.Dot(), from):
		case p.e.holds(c.Dot()):
			p.e.event(Event{Kind: EventKnownDot, Addr: c.Addr, Dot: c.Dot(), Peer: from})
		case p.stale(c):
			p.refuseStale(from, c)
		case p.e.tooFar(c):
			p.e.event(Event{Kind: EventRefusedSkew, Addr: c.Addr, Dot: c.Dot(), Peer: c.Ver.O, N: uint64(c.Ver.T)})
			p.e.sync.dirty(from, "announced a cell that was refused")
		case ad.Len > wire.MaxValue:
			p.e.event(Event{Kind: EventRefusedSize, Addr: c.Addr, Dot: c.Dot(), Peer: from, N: ad.Len})
			p.e.sync.dirty(from, "announced a cell that was refused")
		default:
			p.fetches.begin(p, from, ad, m.Span)
		}
	}
}

// begin waits for a body, unless something higher is stored or waited for.
// What a newer version takes the place of leaves it its ranges: see fresh.
func (f *fetches) begin(p *pusher, from cell.Origin, ad wire.Ad, span wire.Span) {
	a := ad.Cell.Addr
	if s := p.e.at(a); s != nil && cell.Compare(s.Cell, ad.Cell) > 0 {
		return
	}
	one := f.byAddr[a]
	switch {
	case one != nil && cell.Compare(one.ad.Cell, ad.Cell) > 0:
		return
	case one != nil:
		delete(f.byDot, one.ad.Cell.Dot())
		one.ad, one.sources, one.tries = ad, []cell.Origin{from}, 0
	case len(f.byAddr) >= maxFetches:
		p.e.event(Event{Kind: EventFetchFailed, Addr: a, Dot: ad.Cell.Dot(), Peer: from, Text: "too many bodies are waited for"})
		p.e.sync.dirty(from, "announced too many bodies")
		return
	}
	isNew := one == nil
	if isNew {
		one = &fetch{ad: ad, sources: []cell.Origin{from}}
	}
	one.spans = p.e.peers.addSpan(one.spans, span)
	if f.byAddr == nil {
		f.byAddr, f.byDot = make(map[cell.Addr]*fetch), make(map[cell.Dot]*fetch)
	}
	f.byAddr[a], f.byDot[ad.Cell.Dot()] = one, one
	if isNew || one.dial != nil {
		f.leave(one)
		f.wait(p, one)
	}
}

// wait queues a body for the next stream.
func (f *fetches) wait(p *pusher, one *fetch) {
	one.dial, one.body = nil, nil
	one.from = p.now() + time.Duration(one.tries)*fetchRetry
	f.queue.push(one)
}

// drop takes a body off the table, which is not in the queue.
func (f *fetches) drop(one *fetch) {
	delete(f.byAddr, one.ad.Cell.Addr)
	delete(f.byDot, one.ad.Cell.Dot())
	f.leave(one)
}

// leave takes a body off its stream. What still comes of it is not wanted.
func (f *fetches) leave(one *fetch) {
	d := one.dial
	if d == nil {
		return
	}
	one.dial, one.body = nil, nil
	d.items = slices.DeleteFunc(d.items, func(x *fetch) bool { return x == one })
	if len(d.items) == 0 {
		f.dials = slices.DeleteFunc(f.dials, func(x *fetchDial) bool { return x == d })
	}
}

// again gives a body another try, or leaves it to a session.
func (f *fetches) again(p *pusher, one *fetch) {
	f.leave(one)
	if one.tries < maxTries {
		f.wait(p, one)
		return
	}
	f.drop(one)
	from, c := one.sources[0], one.ad.Cell
	p.e.event(Event{Kind: EventFetchFailed, Addr: c.Addr, Dot: c.Dot(), Peer: from, Text: "no source sent it"})
	if !p.e.peers.known(from) && p.e.peers.count() > 0 {
		from = p.e.peers.any(p.e.cfg.Rand) // whoever is left may have it
	}
	p.e.sync.dirty(from, "announced a body that could not be had")
}

// tick gives up streams that say nothing.
func (f *fetches) tick(p *pusher) {
	for _, d := range slices.Clone(f.dials) {
		if d.due > p.now() {
			continue
		}
		for _, one := range slices.Clone(d.items) {
			f.again(p, one)
		}
	}
}

// due is when a stream is given up or a body may be tried again.
func (f *fetches) due() time.Duration {
	at := never
	for _, d := range f.dials {
		at = min(at, d.due)
	}
	if len(f.dials) < maxDials && f.queue.len() > 0 {
		at = min(at, f.next)
	}
	return at
}

// dial opens streams for what waits: one per source at a time, with as many
// bodies as the source has for us.
func (f *fetches) dial(p *pusher) {
	f.next = never
	for range min(f.queue.len(), fetchLook) {
		if len(f.dials) >= maxDials {
			return
		}
		one, ok := f.queue.pop()
		if !ok {
			return // the last stream took what waited for the same source
		}
		if p.e.holds(one.ad.Cell.Dot()) {
			f.drop(one) // a session was quicker
			continue
		}
		to, known := f.source(p, one)
		switch {
		case !known:
			one.tries = maxTries
			f.again(p, one)
		case one.from > p.now():
			f.next = min(f.next, one.from)
			f.queue.push(one)
		case f.busy(to):
			f.queue.push(one)
		default:
			f.open(p, to, one)
		}
	}
}

// source is the live member to be asked in this try.
func (f *fetches) source(p *pusher, one *fetch) (cell.Origin, bool) {
	for i := range one.sources {
		if o := one.sources[(one.tries+i)%len(one.sources)]; p.e.peers.known(o) {
			return o, true
		}
	}
	return 0, false
}

func (f *fetches) busy(to cell.Origin) bool {
	return slices.ContainsFunc(f.dials, func(d *fetchDial) bool { return d.to == to })
}

// open asks a source for a body, and for others that wait for the same source.
func (f *fetches) open(p *pusher, to cell.Origin, first *fetch) {
	d := &fetchDial{to: to, due: p.now() + p.e.cfg.SessionIdle}
	f.dials = append(f.dials, d)
	msg := &wire.Fetch{}
	size := uint64(0)
	take := func(one *fetch) {
		one.tries++
		one.dial = d
		size += one.ad.Len
		d.items = append(d.items, one)
		msg.Items = append(msg.Items, one.item())
	}
	take(first)
	for range min(f.queue.len(), fetchLook) {
		one, _ := f.queue.pop()
		from, ok := f.source(p, one)
		if ok && from == to && one.from <= p.now() && size+one.ad.Len <= maxDialBytes && len(d.items) < maxPerDial {
			take(one)
			continue
		}
		f.queue.push(one)
	}
	p.e.fx.Dial = append(p.e.fx.Dial, Dial{To: to, Fetch: msg})
}

// body takes one chunk of a body that was asked for.
func (p *pusher) body(from cell.Origin, m *wire.Body) {
	f := &p.fetches
	one := f.byAddr[m.Addr]
	if one == nil || one.dial == nil || one.dial.to != from || one.ad.Cell.Ver != m.Ver {
		return
	}
	if m.Total != one.ad.Len || m.Offset != uint64(len(one.body)) || uint64(len(m.Bytes)) > m.Total-m.Offset || len(m.Bytes) == 0 {
		f.again(p, one)
		return
	}
	one.dial.due = p.now() + p.e.cfg.SessionIdle
	one.body = append(one.body, m.Bytes...)
	if uint64(len(one.body)) < m.Total {
		return
	}
	if sha256.Sum256(one.body) != one.ad.Hash {
		f.again(p, one)
		return
	}
	s := one.ad.Cell.Spec()
	s.Body = one.body
	f.drop(one)
	c := cell.New(s)
	p.e.hasher.Seal(c)
	if p.stale(c) {
		p.refuseStale(from, c)
		return
	}
	p.e.event(Event{Kind: EventFetch, Addr: c.Addr, Dot: c.Dot(), Peer: from, N: m.Total})
	p.takeIn(from, c, one.spans...)
}
