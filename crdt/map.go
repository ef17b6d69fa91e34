package crdt

import (
	"iter"
	"strings"

	"github.com/starlingkv/starling/internal/cell"
)

// Map is named fields of one type, each written and merged by itself: the value
// of a key of the kind MapOf. A Map that was read is a view of one moment and
// costs the same however many fields there are; what is set in it is its own
// until it is stored. The zero Map is empty and ready.
//
// A Map belongs to whoever got it and is not safe for concurrent use. The
// values in it are shared: Set a field to change it.
type Map[V any] struct {
	kind  *mapKind[V] // nil: it was made, not read
	at    place
	fresh *edits[V] // what differs from the view
	err   error
}

// Get returns the value of a field and whether there is one. A field that does
// not decode is not there; Err tells.
func (m *Map[V]) Get(field string) (v V, ok bool) {
	if e, touched := m.fresh.of(field); touched {
		return e.value, e.how == present
	}
	if m.kind == nil {
		return v, false
	}
	return m.open(m.kind.find(m.at.cells, m.at.prefix+field+firstPart))
}

// open decodes a field, if its first part is there.
func (m *Map[V]) open(parts fieldParts) (v V, ok bool) {
	if parts[0] == nil {
		return v, false
	}
	v, err := m.kind.value(parts)
	if err != nil {
		m.fail(err)
		return v, false
	}
	return v, true
}

// Set gives a field a value. A field is named as a key is: see kv.CheckKey.
func (m *Map[V]) Set(field string, v V) { m.touch(field, edit[V]{value: v}) }

// Delete removes a field as it was read. A field that another member sets at the
// same time may stay.
func (m *Map[V]) Delete(field string) { m.touch(field, edit[V]{how: gone}) }

func (m *Map[V]) touch(field string, e edit[V]) {
	m.fresh = m.fresh.with(field, e)
}

// Len is the number of fields. It visits them, unless the codec has no parts.
func (m *Map[V]) Len() int {
	n := 0
	if m.kind != nil {
		n = m.kind.count(m.at)
	}
	for field, e := range m.fresh.all() {
		switch was := m.reads(field); {
		case was && e.how == gone:
			n--
		case !was && e.how == present:
			n++
		}
	}
	return n
}

// reads reports whether the view has a field, decodable or not.
func (m *Map[V]) reads(field string) bool {
	if m.kind == nil {
		return false
	}
	s, _ := m.at.cells.Get(m.at.prefix + field + firstPart)
	return s != nil && s.Visible()
}

// All ranges over the fields in the order of their names. What is set or deleted
// meanwhile may be told or not. Fields that do not decode are left out; Err
// tells.
func (m *Map[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		own := m.fresh.fields()
		for s := range m.viewed() {
			field := fieldOf(m.at.sub(s))
			for len(own) > 0 && own[0] < field {
				if !m.tell(own[0], yield) {
					return
				}
				own = own[1:]
			}
			if len(own) > 0 && own[0] == field {
				continue
			}
			if _, touched := m.fresh.of(field); touched {
				continue // since All began
			}
			if v, ok := m.open(m.kind.find(m.at.cells, string(s.Addr))); ok && !yield(field, v) {
				return
			}
		}
		for _, field := range own {
			if !m.tell(field, yield) {
				return
			}
		}
	}
}

func (m *Map[V]) tell(field string, yield func(string, V) bool) bool {
	e, _ := m.fresh.of(field)
	return e.how == gone || yield(field, e.value)
}

// viewed ranges over the first parts of the fields of the view.
func (m *Map[V]) viewed() iter.Seq[*cell.Stored] {
	return func(yield func(*cell.Stored) bool) {
		if m.kind == nil {
			return
		}
		for s := range m.at.cells.Live(m.at.prefix, above(m.at.prefix)) {
			if strings.HasSuffix(string(s.Addr), firstPart) && !yield(s) {
				return
			}
		}
	}
}

// Clone returns a copy that goes its own way.
func (m *Map[V]) Clone() *Map[V] {
	c := *m
	c.fresh = m.fresh.clone()
	return &c
}

// Err returns why a field that was asked for did not decode, the first of them,
// or nil. A Map with an Err is not stored.
func (m *Map[V]) Err() error { return m.err }

func (m *Map[V]) fail(err error) {
	if m.err == nil {
		m.err = err
	}
}

// untouched reports that nothing was set or deleted.
func (m *Map[V]) untouched() bool { return m.fresh == nil }
