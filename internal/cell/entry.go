package cell

import (
	"encoding/binary"

	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/tree"
)

// Entry is what a context knows of one origin. It is immutable and an item of
// the context's tree.
type Entry struct {
	O     Origin
	LastT hlc.Time // latest of its cells, and of the cells that replaced them
	Spans []Span   // numbers of its dots, in normal form

	key  string
	hash [16]byte
}

// NewEntry makes an entry, with spans in normal form.
//
// The hash is the first 16 bytes of sha256 over origin 8, lastT 8, number of
// spans 8, and of each span From 8, Len 8; all big endian. These bytes are for
// ever: nodes compare hashes.
func NewEntry(o Origin, lastT hlc.Time, spans []Span) *Entry {
	var s Sealer
	return s.Entry(o, lastT, normal(spans))
}

// Key is the origin as the tree knows it: 8 bytes, big endian.
func (e *Entry) Key() string { return e.key }

// Hash is the hash of e.
func (e *Entry) Hash() [16]byte { return e.hash }

// Has reports that the dot with number n of the origin is in e.
func (e *Entry) Has(n uint64) bool { return covers(e.Spans, Span{n, 1}) }

// Agg is what e adds to the aggregates. Live counts spans, and MinExp is one
// above LastT, so that old entries are found as expired items are.
func (e *Entry) Agg() tree.Agg {
	return tree.Agg{
		Count:  1,
		Live:   uint64(len(e.Spans)),
		FP:     lanes(e.hash),
		MinExp: e.LastT.Milli() + 1,
	}
}

// originKey is the key of the entry of an origin.
func originKey(o Origin) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(o))
	return string(b[:])
}
