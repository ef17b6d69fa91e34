package wire

import (
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
)

// CELLS: origins | codecs | n uv | nDeferred uv, each: index uv, len uv
// | n x CellRec
//
// The CellRec of a deferred cell ends before its body string; its body follows
// on the stream in BODY frames. The indexes rise and are below n.
func (w *writer) cells(m *Cells) error {
	for _, c := range m.Cells {
		w.noteCell(c)
	}
	w.tables()
	w.count(len(m.Cells))
	w.count(len(m.Deferred))
	for _, d := range m.Deferred {
		w.count(d.Index)
		w.uv(d.Len)
	}
	deferred := m.Deferred
	for i, c := range m.Cells {
		if len(deferred) > 0 && deferred[0].Index == i {
			deferred = deferred[1:]
			w.head(c)
			continue
		}
		w.cell(c)
	}
	if len(deferred) > 0 {
		return ErrCount
	}
	return nil
}

func (r *reader) cellsMsg() Msg {
	r.origins()
	r.codecTable()
	n := r.count(minRec)
	m := &Cells{Deferred: r.deferrals(n)}
	if r.err != nil || n == 0 {
		return m
	}
	m.Cells = make([]*cell.Cell, n)
	deferred := m.Deferred
	for i := range m.Cells {
		if len(deferred) > 0 && deferred[0].Index == i {
			deferred = deferred[1:]
			m.Cells[i] = r.bare()
		} else {
			m.Cells[i] = r.cell()
		}
		if r.err != nil {
			return nil
		}
	}
	return m
}

// deferrals reads which of n cells have their bodies elsewhere.
func (r *reader) deferrals(n int) []Deferral {
	k := r.count(2)
	if k == 0 {
		return nil
	}
	out := make([]Deferral, k)
	next := uint64(0)
	for i := range out {
		index, size := r.uv(), r.value()
		if index < next || index >= uint64(n) {
			r.fail(ErrCount)
		}
		if r.err != nil {
			return nil
		}
		out[i] = Deferral{Index: int(index), Len: size}
		next = index + 1
	}
	return out
}

// PURGE: origins | n uv, n x (Addr string, O# uv, N uv)
func (w *writer) purge(m *Purge) {
	for _, it := range m.Items {
		w.origins.note(it.Dot.O)
	}
	w.originTable()
	w.count(len(m.Items))
	for _, it := range m.Items {
		w.text(string(it.Addr))
		w.dot(it.Dot)
	}
}

func (r *reader) purge() Msg {
	r.origins()
	m := &Purge{}
	if n := r.count(1 + 2 + 1 + 1); n > 0 {
		m.Items = make([]AddrDot, n)
	}
	for i := range m.Items {
		m.Items[i] = AddrDot{Addr: r.addr(), Dot: r.dot()}
		if r.err != nil {
			return nil
		}
	}
	return m
}

// CTX: n uv, n x (origin 8, lastT 8, nSpans uv, nSpans x (gap uv, len uv))
//
// A gap is what is missing between two spans: the first counts from 1 and may
// be 0, the others are not 0, so that a set has one form.
func (w *writer) ctx(m *Ctx) {
	w.count(len(m.Entries))
	for _, e := range m.Entries {
		w.u64(uint64(e.O))
		w.u64(uint64(e.LastT))
		w.count(len(e.Spans))
		next := uint64(1)
		for _, s := range e.Spans {
			w.uv(s.From - next)
			w.uv(s.Len)
			next = s.From + s.Len
		}
	}
}

func (r *reader) ctx() Msg {
	m := &Ctx{}
	if n := r.count(8 + 8 + 1 + 2); n > 0 {
		m.Entries = make([]*cell.Entry, n)
	}
	for i := range m.Entries {
		if m.Entries[i] = r.entry(); r.err != nil {
			return nil
		}
	}
	return m
}

func (r *reader) entry() *cell.Entry {
	o, lastT := r.origin8(), hlc.Time(r.u64())
	n := r.count(2)
	if n == 0 {
		r.fail(ErrRuns)
		return nil
	}
	spans := make([]cell.Span, n)
	next := uint64(1) // the lowest counter that the next span may hold
	for i := range spans {
		gap, size := r.uv(), r.uv()
		from := next + gap
		end := from + size
		if size == 0 || from < next || end < from || gap == 0 && i > 0 {
			r.fail(ErrRuns)
		}
		if r.err != nil {
			return nil
		}
		spans[i] = cell.Span{From: from, Len: size}
		next = end
	}
	return r.tools.Entry(o, lastT, spans)
}

// SHOWN: cells sent uv
func (r *reader) shown() Msg { return &Shown{Sent: r.uv()} }

// ACCEPTED: yes 1 (00 or 01) | cells refused uv
func (w *writer) accepted(m *Accepted) {
	if m.Yes {
		w.byte(1)
	} else {
		w.byte(0)
	}
	w.uv(m.Refused)
}

func (r *reader) accepted() Msg {
	yes := r.byte()
	if yes > 1 {
		r.fail(ErrMode)
	}
	return &Accepted{Yes: yes == 1, Refused: r.uv()}
}

// DONE: cells changed uv | differences older than H uv
func (w *writer) done(m *Done) {
	w.uv(m.Changed)
	w.uv(m.Differing)
}

func (r *reader) done() Msg { return &Done{Changed: r.uv(), Differing: r.uv()} }
