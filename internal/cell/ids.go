// Package cell holds what is replicated: cells, the one join, and the context.
//
// All state is a finite map from Addr to Cell, and Join of two cells of an
// address is the higher one under one total order, whatever their class. A
// cell's version names its dot: the origin that wrote it and a counter of that
// origin. An origin is new at every start of a process, so a dot is written
// once and for ever.
//
// A Cell never changes and is shared by everybody; New brings it to its one
// canonical form and a Hasher seals it with its hash. Stored is a cell as one
// node keeps it, the item of the tree. The Context says of every origin which
// of its dots this node has had; it is a tree too, so both are fingerprinted
// and compared alike.
package cell

import (
	"cmp"
	"fmt"

	"github.com/starlingkv/starling/internal/hlc"
)

// Origin is one run of one node: random, and new at every start.
type Origin uint64

// String is the origin as 16 hexadecimal digits.
func (o Origin) String() string { return fmt.Sprintf("%016x", uint64(o)) }

// Dot names one write: the N-th cell that an origin wrote. The zero Dot names
// none.
type Dot struct {
	O Origin
	N uint64
}

// IsZero reports that d names no write.
func (d Dot) IsZero() bool { return d == Dot{} }

// Compare orders dots by origin and number.
func (d Dot) Compare(e Dot) int {
	if c := cmp.Compare(d.O, e.O); c != 0 {
		return c
	}
	return cmp.Compare(d.N, e.N)
}

// String is "origin/number".
func (d Dot) String() string { return fmt.Sprintf("%v/%d", d.O, d.N) }

// Ver is a version: when, by whom, and which of the author's cells.
type Ver struct {
	T hlc.Time
	O Origin
	N uint64
}

// Dot is the origin and the number of v.
func (v Ver) Dot() Dot { return Dot{v.O, v.N} }

// IsZero reports that v is no version.
func (v Ver) IsZero() bool { return v == Ver{} }

// Compare orders versions by time, origin and number.
func (v Ver) Compare(w Ver) int {
	if c := cmp.Compare(v.T, w.T); c != 0 {
		return c
	}
	return v.Dot().Compare(w.Dot())
}

// String is "time@origin/number".
func (v Ver) String() string { return fmt.Sprintf("%v@%v", v.T, v.Dot()) }
