// Package crdt is the kinds of values that merge.
//
// All replicated state is one map from addresses to cells with one join. A Kind
// is an encoding of the value of a key into cells, so that the laws of merging
// hold for every kind by construction. A key belongs to one kind: a client of
// another finds kv.ErrType there, and only Delete, which removes the whole key,
// works across kinds.
//
// A Kind is what a node's Client method takes. Register is for any value; MapOf,
// SetOf, Counters and Maxima are for values of which concurrent writes are
// joined. Their values, *Map, *Set, *Counter and *Max, are views that cost
// nothing to take and are the caller's own. MergeableOf takes values that bring
// a merge of their own. Every kind has a Codec too, for the
// whole value, so that the same code runs on stores that know nothing of cells.
package crdt

import (
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/kv"
)

// Kind says how the value of a key stands in cells. The kinds are those of this
// package; they are immutable and safe for concurrent use.
type Kind interface {
	// ID names the kind for ever: the id of its codec. Nodes, pages and tools find
	// a kind by it.
	ID() string

	// Codec turns a whole value into bytes, as stores without cells keep it.
	Codec() kv.Codec

	// Class begins the place, within their key, of all cells of the kind.
	Class() byte

	// sealed keeps the kinds in this package, so that the methods above may grow.
	sealed()
}

// Flat is a Kind that puts a value into its cells as encoded bytes.
type Flat interface {
	Kind

	// Whole puts the value of a key together from its visible cells of the kind's
	// class: it is what the cells so far have made, the zero Whole of none, and one
	// more.
	Whole(soFar Whole, c *cell.Stored) Whole

	// Change lists the cells to write so that a key with the given visible cells
	// holds the encoded value.
	Change(present []*cell.Stored, body []byte) []Part
}

// Whole is the encoded value of a key.
type Whole struct {
	Body  []byte
	Codec string       // the codec that wrote it
	Last  *cell.Stored // the newest of its cells
	Exp   int64        // unix milliseconds at which it expires, 0: never
}

// Part is one cell to be written under a key.
type Part struct {
	Sub   string // where, within the key
	Codec string
	Body  []byte
	Tomb  bool // there is nothing from now on
}
