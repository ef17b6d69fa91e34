package crdt

import (
	"iter"
	"maps"
	"slices"
)

// edits is what has become of fields, by their names. Nearly all writers touch
// one, so the first needs no map. A nil edits is empty.
type edits[V any] struct {
	field string
	edit  edit[V]
	more  map[string]edit[V] // of other fields
}

// edit is what has become of one field or element.
type edit[V any] struct {
	value V
	how   fate
}

// fate is whether something is there.
type fate uint8

const (
	present fate = iota
	gone
)

// with adds what has become of a field, and returns the edits it is in.
func (s *edits[V]) with(field string, e edit[V]) *edits[V] {
	switch {
	case s == nil:
		return &edits[V]{field: field, edit: e}
	case s.field == field:
		s.edit = e
		return s
	case s.more == nil:
		s.more = make(map[string]edit[V])
	}
	s.more[field] = e
	return s
}

// of is what has become of a field, if anything has.
func (s *edits[V]) of(field string) (e edit[V], touched bool) {
	switch {
	case s == nil:
		return e, false
	case s.field == field:
		return s.edit, true
	}
	e, touched = s.more[field]
	return e, touched
}

func (s *edits[V]) len() int {
	if s == nil {
		return 0
	}
	return 1 + len(s.more)
}

// all yields the edits in no order.
func (s *edits[V]) all() iter.Seq2[string, edit[V]] {
	return func(yield func(string, edit[V]) bool) {
		if s == nil || !yield(s.field, s.edit) {
			return
		}
		for field, e := range s.more {
			if !yield(field, e) {
				return
			}
		}
	}
}

// fields is the names, in order.
func (s *edits[V]) fields() []string {
	if s == nil {
		return nil
	}
	names := append(make([]string, 0, s.len()), s.field)
	names = slices.AppendSeq(names, maps.Keys(s.more))
	slices.Sort(names)
	return names
}

func (s *edits[V]) clone() *edits[V] {
	if s == nil {
		return nil
	}
	return &edits[V]{field: s.field, edit: s.edit, more: maps.Clone(s.more)}
}
