package wire

import "github.com/starlingkv/starling/internal/cell"

// DELTA: origins | codecs | nGroups uv, each: lo 8, hi 8, nCells uv, CellRec..
// Front coding goes on from group to group.
func (w *writer) delta(m *Delta) {
	for _, g := range m.Groups {
		for _, c := range g.Cells {
			w.noteCell(c)
		}
	}
	w.tables()
	w.count(len(m.Groups))
	for _, g := range m.Groups {
		w.span(g.Span)
		w.count(len(g.Cells))
		for _, c := range g.Cells {
			w.cell(c)
		}
	}
}

func (r *reader) delta() Msg {
	r.origins()
	r.codecTable()
	m := &smallDelta{}
	switch n := r.count(8 + 8 + 1); n {
	case 0:
	case 1:
		m.Groups = m.group[:]
	default:
		m.Groups = make([]Group, n)
	}
	room := m.cell[:]
	for i := range m.Groups {
		g := &m.Groups[i]
		g.Span = r.span()
		g.Cells = r.cells(r.count(minRec+1), room)
		if r.err != nil {
			return nil
		}
		room = nil
	}
	return &m.Delta
}

// smallDelta is a Delta with room for one cell, which many have, in one piece.
type smallDelta struct {
	Delta
	group [1]Group
	cell  [1]*cell.Cell
}

// cells reads n whole CellRecs, into room if that has as much.
func (r *reader) cells(n int, room []*cell.Cell) []*cell.Cell {
	if n == 0 {
		return nil
	}
	out := room
	if len(out) != n {
		out = make([]*cell.Cell, n)
	}
	for i := range out {
		if out[i] = r.cell(); r.err != nil {
			return nil
		}
	}
	return out
}

// hasSpan is the one body flag of HAVE and WANT.
const hasSpan = 1 << 0

// HAVE and WANT: origins | flags 1 (01: a span follows) | [lo 8, hi 8]
// | n uv, n x (O# uv, from uv, len uv)
func (w *writer) digest(span *Span, runs []cell.Run) {
	w.noteRuns(runs)
	w.originTable()
	if span == nil {
		w.byte(0)
	} else {
		w.byte(hasSpan)
		w.span(*span)
	}
	w.count(len(runs))
	w.runs(runs)
}

func (r *reader) digest() (*Span, []cell.Run) {
	r.origins()
	flags := r.byte()
	if flags&^hasSpan != 0 {
		r.fail(ErrFlags)
	}
	var span *Span
	if flags&hasSpan != 0 {
		s := r.span()
		span = &s
	}
	return span, r.runs(r.count(3))
}

// ADVERT: origins | codecs | lo 8, hi 8 | n uv, n x (CellRec without its body
// string, len uv, sha256 of the body 32)
func (w *writer) advert(m *Advert) {
	for i := range m.Ads {
		w.noteCell(m.Ads[i].Cell)
	}
	w.tables()
	w.span(m.Span)
	w.count(len(m.Ads))
	for i := range m.Ads {
		ad := &m.Ads[i]
		w.head(ad.Cell)
		w.uv(ad.Len)
		w.b = append(w.b, ad.Hash[:]...)
	}
}

func (r *reader) advert() Msg {
	r.origins()
	r.codecTable()
	m := &Advert{Span: r.span()}
	if n := r.count(minRec + 1 + 32); n > 0 {
		m.Ads = make([]Ad, n)
	}
	for i := range m.Ads {
		ad := &m.Ads[i]
		ad.Cell = r.bare()
		ad.Len = r.value()
		copy(ad.Hash[:], r.take(len(ad.Hash)))
		if r.err != nil {
			return nil
		}
	}
	return m
}

// FETCH: n uv, n x (Addr string, T 8, O 8, N uv)
func (w *writer) fetch(m *Fetch) {
	w.count(len(m.Items))
	for _, it := range m.Items {
		w.addrVer(it)
	}
}

func (w *writer) addrVer(it AddrVer) {
	w.text(string(it.Addr))
	w.ver8(it.Ver)
}

func (r *reader) addrVer() AddrVer { return AddrVer{Addr: r.addr(), Ver: r.ver8()} }

func (r *reader) fetch() Msg {
	m := &Fetch{}
	if n := r.count(1 + 2 + 8 + 8 + 1); n > 0 {
		m.Items = make([]AddrVer, n)
	}
	for i := range m.Items {
		if m.Items[i] = r.addrVer(); r.err != nil {
			return nil
		}
	}
	return m
}

// BODY: Addr string | T 8, O 8, N uv | total uv | offset uv | bytes string
func (w *writer) body(m *Body) {
	w.addrVer(m.AddrVer)
	w.uv(m.Total)
	w.uv(m.Offset)
	w.bytes(m.Bytes)
}

func (r *reader) body() Msg {
	m := &Body{AddrVer: r.addrVer(), Total: r.value(), Offset: r.value()}
	chunk := r.text(MaxFrame, ErrValue)
	if r.err == nil && m.Offset+uint64(len(chunk)) > m.Total {
		r.fail(ErrValue)
	}
	m.Bytes = keep(chunk)
	return m
}
