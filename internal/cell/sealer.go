package cell

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/starlingkv/starling/internal/hlc"
)

// scratch is how much a Sealer gathers before it hashes.
const scratch = 4096

// Sealer seals what a frame brings with one buffer for all of it, where a
// Hasher needs one for each cell: what is handed to a hash goes to the heap.
// It is for one goroutine.
type Sealer struct {
	Hasher *Hasher
	buf    []byte
}

// Seal computes the hash of c, as Hasher.Seal does.
func (s *Sealer) Seal(c *Cell) {
	if len(c.Body) > scratch {
		s.Hasher.Seal(c)
		return
	}
	b := append(s.room(s.Hasher.size(c)), s.Hasher.clusterKey[:]...)
	b = append(s.Hasher.appendHead(b, c), c.Body...)
	s.buf = b
	sum := sha256.Sum256(b)
	c.hash = [16]byte(sum[:16])
}

// room is the buffer without its content. Cells that come together are of
// about one size.
func (s *Sealer) room(size int) []byte {
	if cap(s.buf) < size {
		s.buf = make([]byte, 0, size+size/8)
	}
	return s.buf[:0]
}

// Entry makes an entry of spans that are in normal form, as NewEntry does, and
// keeps them.
func (s *Sealer) Entry(o Origin, lastT hlc.Time, spans []Span) *Entry {
	e := &Entry{O: o, LastT: lastT, Spans: spans, key: originKey(o)}
	s.entry(e)
	return e
}

// entry computes the hash of e.
func (s *Sealer) entry(e *Entry) {
	u64 := binary.BigEndian.AppendUint64
	b := u64(s.room(min(8+8+8+16*len(e.Spans), scratch)), uint64(e.O))
	b = u64(b, uint64(e.LastT))
	b = u64(b, uint64(len(e.Spans)))
	if len(b)+16*len(e.Spans) > scratch {
		e.hash = sumLong(b, e.Spans)
		return
	}
	for _, sp := range e.Spans {
		b = u64(u64(b, sp.From), sp.Len)
	}
	s.buf = b
	sum := sha256.Sum256(b)
	e.hash = [16]byte(sum[:16])
}

// sumLong is the hash of an entry that the buffer has no room for, begun in b.
func sumLong(b []byte, spans []Span) [16]byte {
	d := sha256.New()
	for _, sp := range spans {
		b = binary.BigEndian.AppendUint64(b, sp.From)
		b = binary.BigEndian.AppendUint64(b, sp.Len)
		if len(b) >= scratch {
			d.Write(b)
			b = b[:0]
		}
	}
	d.Write(b)
	var sum [sha256.Size]byte
	return [16]byte(d.Sum(sum[:0])[:16])
}
