package crdt

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Set is elements of one type, the value of a key of the kind SetOf. Adds win: a
// Remove takes away what its caller has seen, and an element that another member
// adds at the same time stays. A Set that was read is a view of one moment; what
// is added or removed in it is its own until it is stored. The zero Set is empty
// and ready.
//
// A Set belongs to whoever got it and is not safe for concurrent use.
type Set[E comparable] struct {
	kind  *setKind[E] // nil: it was made, not read
	at    place
	fresh map[E]fate // what was added or removed since
	err   error
}

// Add puts an element in. An Add of what is in already is stored too: it is what
// a remove elsewhere has not seen.
func (s *Set[E]) Add(e E) { s.touch(e, present) }

// Remove takes an element out.
func (s *Set[E]) Remove(e E) { s.touch(e, gone) }

func (s *Set[E]) touch(e E, how fate) {
	if s.fresh == nil {
		s.fresh = make(map[E]fate)
	}
	s.fresh[e] = how
}

// Has reports whether an element is in.
func (s *Set[E]) Has(e E) bool {
	if how, touched := s.fresh[e]; touched {
		return how == present
	}
	return s.reads(e)
}

// reads reports whether the view has an element.
func (s *Set[E]) reads(e E) bool {
	if s.kind == nil {
		return false
	}
	name, err := s.kind.encode(e)
	if err != nil {
		s.fail(err)
		return false
	}
	stem := s.at.prefix + name + "\x00"
	c := s.at.first(stem)
	return c != nil && strings.HasPrefix(string(c.Addr), stem)
}

// Len is the number of elements. It visits them.
func (s *Set[E]) Len() int {
	n := 0
	for range s.viewed() {
		n++
	}
	for e, how := range s.fresh {
		switch was := s.reads(e); {
		case was && how == gone:
			n--
		case !was && how == present:
			n++
		}
	}
	return n
}

// All ranges over the elements: those that were read in the order of their
// encoding, then those added since, in no order. Elements that do not decode are
// left out; Err tells.
func (s *Set[E]) All() iter.Seq[E] {
	return func(yield func(E) bool) {
		added := maps.Clone(s.fresh)
		for name := range s.viewed() {
			e, err := s.kind.decode(name)
			if err != nil {
				s.fail(err)
				continue
			}
			delete(added, e)
			if how := s.fresh[e]; how != gone && !yield(e) {
				return
			}
		}
		for e, how := range added {
			if how == present && !yield(e) {
				return
			}
		}
	}
}

// viewed ranges over the encoded elements of the view.
func (s *Set[E]) viewed() iter.Seq[string] {
	return func(yield func(string) bool) {
		if s.kind == nil {
			return
		}
		last, told := "", false
		for c := range s.at.cells.Live(s.at.prefix, above(s.at.prefix)) {
			name, ok := elementOf(s.at.sub(c))
			if !ok || told && name == last {
				continue
			}
			if last, told = name, true; !yield(name) {
				return
			}
		}
	}
}

// Clone returns a copy that goes its own way.
func (s *Set[E]) Clone() *Set[E] {
	c := *s
	c.fresh = maps.Clone(s.fresh)
	return &c
}

// Err returns why an element did not decode or encode, the first of them, or
// nil. A Set with an Err is not stored.
func (s *Set[E]) Err() error { return s.err }

func (s *Set[E]) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

func (s *Set[E]) untouched() bool { return len(s.fresh) == 0 }

// names lists the encoded elements in order.
func (s *Set[E]) names(k *setKind[E]) ([]string, error) {
	var out []string
	for e := range s.All() {
		name, err := k.encode(e)
		if err != nil {
			return nil, fmt.Errorf("element %v: %w", e, err)
		}
		out = append(out, name)
	}
	if s.err != nil {
		return nil, s.err
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
