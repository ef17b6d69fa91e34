package engine

import (
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/tree"
	"github.com/starlingkv/starling/internal/wire"
)

// Sizes of the frames of a session, well below wire.MaxFrame, so that one frame
// is one Step at its receiver and little memory at its sender.
const (
	cellsBytes  = 256 << 10 // of CELLS, PURGE and CTX
	inlineBytes = 64 << 10  // a larger body follows in chunks
	chunkBytes  = 256 << 10 // of a BODY
	entrySpans  = 8 << 10   // of one entry of CTX; a longer one is sent in parts
)

// outbox is what a session has to say in its turn. It holds addresses of what
// is pinned anyway and makes frames only when they are taken: a session over
// the whole state never holds more than one frame of it.
type outbox struct {
	queue []source
	sent  uint64 // cells
}

// source makes frames one by one; nil is the end.
type source interface{ next() wire.Msg }

// next returns the next frame, nil if there is none.
func (o *outbox) next() wire.Msg {
	for len(o.queue) > 0 {
		if m := o.queue[0].next(); m != nil {
			if c, ok := m.(*wire.Cells); ok {
				o.sent += uint64(len(c.Cells))
			}
			return m
		}
		o.queue[0] = nil
		o.queue = o.queue[1:]
	}
	return nil
}

// addMsg queues a frame that is ready.
func (o *outbox) addMsg(m wire.Msg) { o.queue = append(o.queue, &ready{m}) }

// addCell queues one cell.
func (o *outbox) addCell(c *cell.Cell) {
	if n := len(o.queue); n > 0 {
		if s, ok := o.queue[n-1].(*cellSource); ok && s.hold(c) {
			return
		}
	}
	o.queue = append(o.queue, &cellSource{cells: []*cell.Cell{c}})
}

// addRange queues all cells of a range of a pinned tree.
func (o *outbox) addRange(t tree.Tree[*cell.Stored], lo, hi string) {
	o.queue = append(o.queue, &cellSource{tree: t, lo: lo, hi: hi, ranged: true})
}

// addEntry queues one context entry, in parts if it is long: what is merged is
// a union.
func (o *outbox) addEntry(en *cell.Entry) {
	spans := en.Spans
	for len(spans) > entrySpans {
		o.addPart(cell.NewEntry(en.O, en.LastT, spans[:entrySpans]))
		spans = spans[entrySpans:]
	}
	o.addPart(cell.NewEntry(en.O, en.LastT, spans))
}

func (o *outbox) addPart(en *cell.Entry) {
	size := 20 + 20*len(en.Spans)
	if n := len(o.queue); n > 0 {
		if s, ok := o.queue[n-1].(*entrySource); ok && s.size+size <= cellsBytes {
			s.entries, s.size = append(s.entries, en), s.size+size
			return
		}
	}
	o.queue = append(o.queue, &entrySource{entries: []*cell.Entry{en}, size: size})
}

// addPurges queues what a peer is told to purge.
func (o *outbox) addPurges(items []wire.AddrDot) {
	size, first := 0, 0
	for i, it := range items {
		if size += len(it.Addr) + 30; size > cellsBytes {
			o.addMsg(&wire.Purge{Items: items[first:i:i]})
			size, first = len(it.Addr)+30, i
		}
	}
	if first < len(items) {
		o.addMsg(&wire.Purge{Items: items[first:]})
	}
}

type ready struct{ m wire.Msg }

func (r *ready) next() wire.Msg {
	m := r.m
	r.m = nil
	return m
}

type entrySource struct {
	entries []*cell.Entry
	size    int
}

func (s *entrySource) next() wire.Msg {
	if len(s.entries) == 0 {
		return nil
	}
	m := &wire.Ctx{Entries: s.entries}
	s.entries = nil
	return m
}

// cellSource makes CELLS of a list or of a range of a tree, and the BODY chunks
// that follow a large one.
type cellSource struct {
	cells  []*cell.Cell // a list, or the next ones of the range
	ranged bool
	tree   tree.Tree[*cell.Stored]
	lo, hi string
	begun  bool
	body   *cell.Cell // its body is being sent
	offset int
}

// hold takes c behind the list, if this is one.
func (s *cellSource) hold(c *cell.Cell) bool {
	if s.ranged || s.begun {
		return false
	}
	s.cells = append(s.cells, c)
	return true
}

func (s *cellSource) next() wire.Msg {
	s.begun = true
	if s.body != nil {
		return s.chunk()
	}
	if len(s.cells) == 0 {
		s.refill()
	}
	if len(s.cells) == 0 {
		return nil
	}
	if first := s.cells[0]; len(first.Body) > inlineBytes {
		return s.deferred(first)
	}
	size, n := 0, 0
	for n < len(s.cells) && n < MaxStepCells && len(s.cells[n].Body) <= inlineBytes {
		if size += wire.CellSize("", s.cells[n]); size > cellsBytes && n > 0 {
			break
		}
		n++
	}
	m := &wire.Cells{Cells: s.cells[:n:n]}
	s.cells = s.cells[n:]
	return m
}

// refill reads the next cells of the range.
func (s *cellSource) refill() {
	if !s.ranged {
		return
	}
	s.cells = make([]*cell.Cell, 0, MaxStepCells)
	for c := range s.tree.Range(s.lo, s.hi) {
		if len(s.cells) == MaxStepCells {
			s.lo = c.Key()
			return
		}
		s.cells = append(s.cells, c.Cell)
	}
	s.ranged, s.tree = false, tree.Tree[*cell.Stored]{}
}

// deferred sends a cell of its own frame without its body, which follows.
func (s *cellSource) deferred(c *cell.Cell) wire.Msg {
	s.cells, s.body, s.offset = s.cells[1:], c, 0
	bare := c.Spec()
	bare.Body = nil
	return &wire.Cells{
		Cells:    []*cell.Cell{cell.New(bare)},
		Deferred: []wire.Deferral{{Index: 0, Len: uint64(len(c.Body))}},
	}
}

func (s *cellSource) chunk() wire.Msg {
	c := s.body
	end := min(s.offset+chunkBytes, len(c.Body))
	m := &wire.Body{
		AddrVer: wire.AddrVer{Addr: c.Addr, Ver: c.Ver},
		Total:   uint64(len(c.Body)), Offset: uint64(s.offset), Bytes: c.Body[s.offset:end:end],
	}
	if s.offset = end; end == len(c.Body) {
		s.body = nil
	}
	return m
}
