package cell

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

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
	key := string(b)
	b = u64(b, uint64(lastT))
	b = u64(b, uint64(len(spans)))
	var long hash.Hash // of more than the buffer holds
	for _, sp := range spans {
		b = u64(b, sp.From)
		b = u64(b, sp.Len)
		if len(b) >= scratch {
			if long == nil {
				long = sha256.New()
			}
			long.Write(b)
			b = b[:0]
		}
	}
	s.buf = b
	e := &Entry{O: o, LastT: lastT, Spans: spans, key: key}
	if long == nil {
		sum := sha256.Sum256(b)
		e.hash = [16]byte(sum[:16])
		return e
	}
	long.Write(b)
	var sum [sha256.Size]byte
	e.hash = [16]byte(long.Sum(sum[:0])[:16])
	return e
}
