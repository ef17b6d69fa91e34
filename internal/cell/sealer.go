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
	b := append(s.empty(), s.Hasher.clusterKey[:]...)
	b = append(s.Hasher.appendHead(b, c), c.Body...)
	s.buf = b
	sum := sha256.Sum256(b)
	c.hash = [16]byte(sum[:16])
}

// empty is the buffer without its content.
func (s *Sealer) empty() []byte {
	if s.buf == nil {
		s.buf = make([]byte, 0, 512) // most cells need no more
	}
	return s.buf[:0]
}

// Entry makes an entry of spans that are in normal form, as NewEntry does, and
// keeps them.
func (s *Sealer) Entry(o Origin, lastT hlc.Time, spans []Span) *Entry {
	u64 := binary.BigEndian.AppendUint64
	b := u64(s.empty(), uint64(o))
	e := &Entry{O: o, LastT: lastT, Spans: spans, key: string(b)}
	b = u64(b, uint64(lastT))
	b = u64(b, uint64(len(spans)))
	if len(b)+16*len(spans) > scratch {
		e.hash = sumLong(b, spans)
		return e
	}
	for _, sp := range spans {
		b = u64(u64(b, sp.From), sp.Len)
	}
	s.buf = b
	sum := sha256.Sum256(b)
	e.hash = [16]byte(sum[:16])
	return e
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
