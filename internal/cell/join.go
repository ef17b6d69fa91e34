package cell

import (
	"bytes"
	"cmp"
)

// Join is the one rule by which cells of an address are merged: the higher one
// under Compare stays. Either may be nil, and of equals a stays. It is
// idempotent, commutative and associative for every class, known or not,
// because it is the maximum of a total order.
func Join(a, b *Cell) *Cell {
	switch {
	case b == nil:
		return a
	case a == nil || Compare(a, b) < 0:
		return b
	}
	return a
}

// Compare orders the cells of an address by (Ord, O, N, Tomb, By, Born, Exp,
// hash, Body). Cells that are equal in it are the same cell.
//
// A remove from a set carries the Ver of what it removes: it ties with it down
// to N and wins by Tomb; two such removes differ in By. A tie below By needs a
// bug or a cloned machine, and even then everybody takes the same side.
func Compare(a, b *Cell) int {
	if c := cmp.Compare(a.OrdT(), b.OrdT()); c != 0 {
		return c
	}
	if c := a.Ver.Dot().Compare(b.Ver.Dot()); c != 0 {
		return c
	}
	return compareTied(a, b)
}

func compareTied(a, b *Cell) int {
	if a.Tomb != b.Tomb {
		if a.Tomb {
			return 1
		}
		return -1
	}
	if c := a.ByDot().Compare(b.ByDot()); c != 0 {
		return c
	}
	if c := cmp.Compare(a.BornT(), b.BornT()); c != 0 {
		return c
	}
	if c := cmp.Compare(a.ExpMS(), b.ExpMS()); c != 0 {
		return c
	}
	if c := bytes.Compare(a.hash[:], b.hash[:]); c != 0 {
		return c
	}
	return bytes.Compare(a.Body, b.Body)
}
