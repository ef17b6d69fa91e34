package crdt

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/kv"
)

const (
	classMap  = 'm'
	maxParts  = 4
	firstPart = "\x00\x00" // behind the name of a field
)

// Parted is a codec that splits a value into parts which travel by themselves:
// what changes often first, such as a heartbeat, then what is large and seldom
// changes. Of a write only the parts whose bytes changed are sent.
//
// There are 1 to 4 parts, always as many. A nil part other than the first is not
// kept. Join gets what is there: a part may be nil, or older than another, if
// its cell has not come yet. Both take and return bytes that nobody writes into.
type Parted[V any] interface {
	kv.Codec
	Parts(v V) ([][]byte, error)
	Join(parts [][]byte) (V, error)
}

// MapOf is the kind of Maps of values of type V, as the codec encodes one of
// them; a codec that is Parted splits each into cells of its own. Writes of
// different fields never meet, and of two writes of a field the newer wins, part
// by part.
func MapOf[V any](codec kv.Codec) Merging {
	if codec == nil {
		panic("crdt: nil codec")
	}
	k := &mapKind[V]{id: "map." + codec.CodecID(), codec: codec}
	k.parted, _ = codec.(Parted[V])
	return k
}

type mapKind[V any] struct {
	id     string
	codec  kv.Codec
	parted Parted[V] // nil: a value is one part
}

func (k *mapKind[V]) ID() string      { return k.id }
func (k *mapKind[V]) Codec() kv.Codec { return mapCodec[V]{k} }
func (k *mapKind[V]) Class() byte     { return classMap }
func (k *mapKind[V]) sealed()         {}

// fieldOf is the field of a cell, by what stands behind the class.
func fieldOf(sub string) string { return sub[:max(len(sub)-len(firstPart), 0)] }

// View is part of Merging. Fields decode when they are asked for.
func (k *mapKind[V]) View(cells Cells, key string) (any, error) {
	at := placeOf(k, cells, key)
	s := at.first(at.prefix)
	for s != nil && !strings.HasSuffix(string(s.Addr), firstPart) {
		s = at.first(string(s.Addr) + "\x00") // a part whose first is gone
	}
	if s == nil {
		return nil, at.foreign()
	}
	own := place{cells, string(s.Addr)[:len(at.prefix)]} // what the search was made of need not stay
	return &Map[V]{kind: k, at: own}, check(k, s)
}

// count is the number of fields. Where fields have one part the tree knows.
func (k *mapKind[V]) count(at place) int {
	if k.parted == nil {
		return int(at.cells.AggOf(at.prefix, above(at.prefix)).Live)
	}
	n := 0
	for s := range at.cells.Live(at.prefix, above(at.prefix)) {
		if strings.HasSuffix(string(s.Addr), firstPart) {
			n++
		}
	}
	return n
}

// memo is the decoded value of a field, left at the cell of its first part.
type memo[V any] struct {
	kind  *mapKind[V]
	parts [maxParts]*cell.Cell
	value V
}

// value decodes a field of which the first part is there.
func (k *mapKind[V]) value(found fieldParts) (V, error) {
	var parts [maxParts]*cell.Cell
	for i, p := range found {
		if p != nil {
			parts[i] = p.Cell
		}
	}
	s := found[0]
	if m, ok := s.Memo().(*memo[V]); ok && m.kind == k && m.parts == parts {
		return m.value, nil
	}
	if err := check(k, s); err != nil {
		var none V
		return none, err
	}
	v, err := k.join(parts)
	if err == nil {
		s.SetMemo(&memo[V]{kind: k, parts: parts, value: v})
	}
	return v, err
}

// fieldParts is the visible parts of a field, nil where there is none.
type fieldParts [maxParts]*cell.Stored

// find finds the parts of a field that its kind has, given the address of the
// first.
func (k *mapKind[V]) find(cells Cells, at string) (parts fieldParts) {
	if k.parted != nil {
		return partsOf(cells, at)
	}
	if s, _ := cells.Get(at); s != nil && s.Visible() {
		parts[0] = s
	}
	return parts
}

// partsOf finds all parts of a field, given the address of the first. They stand
// together, so one look finds them all, unless others have put more there than
// there can be.
func partsOf(cells Cells, at string) (parts fieldParts) {
	var room [maxParts + 1]*cell.Stored
	last := len(at) - 1
	some := cells.TakeAlike(at, last, room[:0])
	if len(some) == len(room) {
		for i := range parts {
			if p, _ := cells.Get(at[:last] + string(rune(i))); p != nil && p.Visible() {
				parts[i] = p
			}
		}
		return parts
	}
	for _, p := range some {
		if len(p.Addr) == len(at) && p.Addr[last] < maxParts && p.Visible() {
			parts[p.Addr[last]] = p
		}
	}
	return parts
}

func (k *mapKind[V]) join(parts [maxParts]*cell.Cell) (v V, err error) {
	if k.parted == nil {
		return k.decode(parts[0].Body)
	}
	bodies := make([][]byte, maxParts)
	for i, p := range parts {
		if p != nil {
			bodies[i] = p.Body[:len(p.Body):len(p.Body)]
		}
	}
	err = guarded(kv.ErrDecode, "codec "+k.codec.CodecID(), func() (err error) {
		if v, err = k.parted.Join(bodies); err != nil {
			return fmt.Errorf("%w: %w", kv.ErrDecode, err)
		}
		return nil
	})
	return v, err
}

// decode decodes the whole value of a field.
func (k *mapKind[V]) decode(b []byte) (v V, err error) {
	got, err := kv.DecodeWith(k.codec, b)
	if err != nil {
		return v, err
	}
	v, ok := got.(V)
	if !ok {
		return v, fmt.Errorf("%w: codec %s decodes to a %T, not a %T", kv.ErrDecode, k.codec.CodecID(), got, v)
	}
	return v, nil
}

// parts encodes the value of a field.
func (k *mapKind[V]) parts(v V) (parts [][]byte, err error) {
	if k.parted == nil {
		b, err := kv.EncodeWith(k.codec, v)
		return [][]byte{b}, err
	}
	err = guarded(kv.ErrType, "codec "+k.codec.CodecID(), func() (err error) {
		if parts, err = k.parted.Parts(v); err != nil && !errors.Is(err, kv.ErrType) {
			err = fmt.Errorf("%w: %w", kv.ErrType, err)
		}
		return err
	})
	if err == nil && (len(parts) == 0 || len(parts) > maxParts) {
		err = fmt.Errorf("%w: codec %s makes %d parts, not 1 to %d", kv.ErrType, k.codec.CodecID(), len(parts), maxParts)
	}
	return parts, err
}

// Plan is part of Merging. A Map that was not made from what was read replaces
// it: fields that it does not have are removed.
func (k *mapKind[V]) Plan(in Intent) (Plan, error) {
	out, ok := in.Out.(*Map[V])
	if !ok || out == nil {
		return Plan{}, unfit(k, out, in.Out)
	}
	p := mapPlan[V]{k: k, at: placeOf(k, in.Read, in.Key), term: in.Term}
	changes := out.fresh
	if in.Scope == All || out.kind != k || !out.at.same(p.at) {
		changes = p.replacing(out)
	}
	if err := out.Err(); err != nil {
		return Plan{}, err
	}
	if len(changes) == 1 { // a heartbeat
		for field, e := range changes {
			err := p.field(field, e) // it makes the Plan: a return may look at that first
			return p.Plan, err
		}
	}
	for _, field := range slices.Sorted(maps.Keys(changes)) {
		if err := p.field(field, changes[field]); err != nil {
			return Plan{}, err
		}
	}
	return p.Plan, nil
}

// mapPlan is a Plan in the making.
type mapPlan[V any] struct {
	Plan
	k    *mapKind[V]
	at   place
	term Term
}

// replacing is what makes a Map of the present cells.
func (p *mapPlan[V]) replacing(out *Map[V]) map[string]edit[V] {
	changes := make(map[string]edit[V])
	old := Map[V]{kind: p.k, at: p.at}
	for s := range old.viewed() {
		changes[fieldOf(p.at.sub(s))] = edit[V]{how: gone}
	}
	for field, v := range out.All() {
		changes[field] = edit[V]{value: v}
	}
	return changes
}

// field plans what becomes of one field.
func (p *mapPlan[V]) field(field string, e edit[V]) error {
	if err := kv.CheckKey(field); err != nil {
		return fmt.Errorf("field %q: %w", field, err)
	}
	at := p.at.prefix + field + firstPart
	var parts [][]byte
	if e.how == present {
		var err error
		if parts, err = p.k.parts(e.value); err != nil {
			return fmt.Errorf("field %q: %w", field, err)
		}
	}
	before := len(p.Edits)
	old := partsOf(p.at.cells, at)
	if p.due(old, parts) {
		p.parts(at, old, parts)
	}
	if len(p.Edits) > before {
		p.Watched = append(p.Watched, at[:len(at)-1])
	}
	return nil
}

// due reports whether a field must be written.
func (p *mapPlan[V]) due(old fieldParts, next [][]byte) bool {
	for i, s := range old {
		kept := i < len(next) && (i == 0 || next[i] != nil)
		switch {
		case (s != nil) != kept:
			return true
		case s != nil && (!bytes.Equal(s.Body, next[i]) || p.term.renews(s)):
			return true
		}
	}
	return false
}

// parts plans the parts of a field that must be written. All parts of a field
// expire together or not at all: a write with a time to live renews each, and
// one without makes those last that would have gone.
func (p *mapPlan[V]) parts(first string, old fieldParts, next [][]byte) {
	for i, s := range old {
		at := cell.Addr(first)
		switch {
		case s != nil:
			at = s.Addr
		case i > 0:
			at = cell.Addr(first[:len(first)-1] + string(rune(i)))
		}
		switch {
		case i >= len(next) || next[i] == nil && i > 0:
			if s != nil {
				p.Edits = append(p.Edits, Edit{Addr: at, Tomb: true})
			}
		case s == nil || p.term == Leased || s.ExpMS() != 0 || !bytes.Equal(s.Body, next[i]):
			p.Edits = append(p.Edits, Edit{Addr: at, Codec: p.k.id, Body: next[i]})
		}
	}
}
