package crdt

import (
	"fmt"
	"strings"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/tree"
	"github.com/starlingkv/starling/kv"
)

// Cells is one version of all cells of a node.
type Cells = tree.Tree[*cell.Stored]

// Merging is a Kind whose values are read and written cell by cell, so that
// both cost what is looked at and what has changed.
type Merging interface {
	Kind

	// View is the value of a key, nil if it has none: kv.ErrType if the key belongs
	// to another kind, kv.ErrDecode if the value must be looked at and does not
	// decode.
	View(cells Cells, key string) (any, error)

	// Plan is what to write so that the key comes to hold what the intent says.
	Plan(in Intent) (Plan, error)
}

// Intent is what a writer wants a key to hold, and what it has seen of it.
type Intent struct {
	Read Cells
	Key  string
	Out  any
	Self cell.Origin // who writes
	Term Term
	Scope
}

// Scope is how much of a value that was made from what was read is written.
type Scope uint8

const (
	// Changes is what its writer has touched. A value that was made otherwise is
	// always written whole.
	Changes Scope = iota
	// All is the whole value.
	All
)

// Term is for how long a write is meant.
type Term uint8

const (
	// Sparing writes what differs, and nothing where a value is as it was.
	Sparing Term = iota
	// Lasting writes what differs and what would have expired.
	Lasting
	// Leased is a write with a time to live: all that the writer has touched
	// begins it anew, changed or not.
	Leased
)

// renews reports whether a cell that says what it should is written again.
func (t Term) renews(s *cell.Stored) bool {
	return t == Leased || t == Lasting && s.ExpMS() != 0
}

// Plan is what to write.
type Plan struct {
	Edits []Edit
	// Watched begins the addresses that must stand as they were read when the
	// edits are written: those of the fields or elements that are written.
	Watched []string
}

// Edit is one cell to be written.
type Edit struct {
	Addr     cell.Addr
	Codec    string
	Body     []byte
	Tomb     bool
	Observed bool     // the tombstone of what stands there, and of nothing later
	Born     hlc.Time // of a counter
	Place    hlc.Time // of a value that brings its own order
}

// place is where the value of a key stands in one version of the cells.
type place struct {
	cells  Cells
	prefix string // key 00 class: the beginning of its addresses
}

func placeOf(k Kind, cells Cells, key string) place {
	return place{cells, key + "\x00" + string(rune(k.Class()))}
}

// same reports that both are one key in one version.
func (p place) same(q place) bool { return p.prefix == q.prefix && p.cells.Same(q.cells) }

// first returns the first visible cell at or above an address of the key.
func (p place) first(from string) *cell.Stored {
	s, ok := p.cells.FirstLive(from)
	if !ok || !strings.HasPrefix(string(s.Addr), p.prefix) {
		return nil
	}
	return s
}

// sub is what stands behind the class in the address of a cell of the key.
func (p place) sub(s *cell.Stored) string { return string(s.Addr)[len(p.prefix):] }

// foreign tells of a key that has no value of its own kind whether it has one of
// another.
func (p place) foreign() error {
	floor := p.prefix[:len(p.prefix)-1]
	for _, from := range []string{floor, above(p.prefix)} { // below and above its own class
		s, ok := p.cells.FirstLive(from)
		if ok && strings.HasPrefix(string(s.Addr), floor) && !strings.HasPrefix(string(s.Addr), p.prefix) {
			return fmt.Errorf("%w: the key holds %q of class %q", kv.ErrType, s.Codec, s.Class)
		}
	}
	return nil
}

// check tells whether a cell is of the kind.
func check(k Kind, s *cell.Stored) error {
	if s.Codec != k.ID() {
		return fmt.Errorf("%w: the key holds %q, not %q", kv.ErrType, s.Codec, k.ID())
	}
	return nil
}

// above is the least address above all that begin with a prefix, which does not
// end in ff.
func above(prefix string) string {
	last := len(prefix) - 1
	return prefix[:last] + string([]byte{prefix[last] + 1})
}

// unfit is the error of a value of another type than that of the kind.
func unfit(k Kind, want, got any) error {
	return fmt.Errorf("%w: %s takes %T, not %T", kv.ErrType, k.ID(), want, got)
}

// guarded turns a panic of code that is not ours into an error.
func guarded(sentinel error, what string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %s panicked: %v", sentinel, what, p)
		}
	}()
	return f()
}
