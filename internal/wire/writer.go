package wire

import (
	"encoding/binary"

	"github.com/starlingkv/starling/internal/cell"
)

// writer puts a body together. A body that needs tables is walked twice: once
// to note what the tables hold, once to write.
type writer struct {
	b       []byte
	origins table[cell.Origin]
	codecs  table[string]
	prev    string // the address or bound before, for front coding
	shared  int    // bytes that front coding has saved in this frame
}

func (w *writer) byte(v byte)     { w.b = append(w.b, v) }
func (w *writer) u64(v uint64)    { w.b = binary.BigEndian.AppendUint64(w.b, v) }
func (w *writer) uv(v uint64)     { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) count(n int)     { w.uv(uint64(n)) }
func (w *writer) span(s Span)     { w.u64(s.Lo); w.u64(s.Hi) }
func (w *writer) text(s string)   { w.count(len(s)); w.b = append(w.b, s...) }
func (w *writer) bytes(b []byte)  { w.count(len(b)); w.b = append(w.b, b...) }
func (w *writer) dot(d cell.Dot)  { w.origin(d.O); w.uv(d.N) }
func (w *writer) ver(v cell.Ver)  { w.u64(uint64(v.T)); w.origin(v.O); w.uv(v.N) }
func (w *writer) ver8(v cell.Ver) { w.u64(uint64(v.T)); w.u64(uint64(v.O)); w.uv(v.N) }

func (w *writer) origin(o cell.Origin) { w.count(w.origins.find(o)) }

// codec writes the number of a codec id: 0 for none, else from 1.
func (w *writer) codec(id string) {
	if id == "" {
		w.byte(0)
		return
	}
	w.count(w.codecs.find(id) + 1)
}

func (w *writer) noteRuns(runs []cell.Run) {
	for _, run := range runs {
		w.origins.note(run.O)
	}
}

// noteCell puts the origins and the codec of a cell into the tables.
func (w *writer) noteCell(c *cell.Cell) {
	w.origins.note(c.Ver.O)
	if by := c.ByDot(); !by.IsZero() {
		w.origins.note(by.O)
	}
	w.noteRuns(c.PrevRuns())
	if c.Codec != "" {
		w.codecs.note(c.Codec)
	}
}

// originTable writes uv n, n x origin 8.
func (w *writer) originTable() {
	w.count(w.origins.n)
	for i := range w.origins.n {
		w.u64(uint64(w.origins.at(i)))
	}
}

// tables writes what CellRecs refer to: the origins, then uv n, n x codec id.
func (w *writer) tables() {
	w.originTable()
	w.count(w.codecs.n)
	for i := range w.codecs.n {
		w.text(w.codecs.at(i))
	}
}

func (w *writer) runs(runs []cell.Run) {
	for _, run := range runs {
		w.origin(run.O)
		w.uv(run.From)
		w.uv(run.Len)
	}
}

// fold writes s front coded against what was written before: shared uv, suffix
// string. It stops sharing where a reader would refuse to unfold more.
func (w *writer) fold(s string) {
	n := commonPrefix(w.prev, s)
	if w.shared+n > MaxShared {
		n = 0
	}
	w.shared += n
	w.count(n)
	w.text(s[n:])
	w.prev = s
}

func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
