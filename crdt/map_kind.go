package crdt

import (
	"bytes"
	"fmt"
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

// HotParted is a Parted codec that takes the first part by itself, too. Then a
// write that changes no other part encodes no other, and reading what it wrote
// decodes no other: a heartbeat costs what it changes.
//
// It goes by the values themselves, so that whoever writes into what is shared
// may find his change neither stored nor gone.
type HotParted[V any] interface {
	Parted[V]

	// Hot is the first of the parts of a value.
	Hot(v V) ([]byte, error)

	// SameCold reports that two values have the same parts but for the first.
	// Where that would take long to find out, false will do.
	SameCold(a, b V) bool

	// WithHot is what Join makes of a first part and the other parts of v, which
	// stays as it is.
	WithHot(v V, hot []byte) (V, error)
}

// MapOf is the kind of Maps of values of type V, as the codec encodes one of
// them; a codec that is Parted splits each into cells of its own. Writes of
// different fields never meet, and of two writes of a field the newer wins, part
// by part.
func MapOf[V any](codec kv.Codec) Merging {
	if codec == nil {
		panic("crdt: nil codec")
	}
	k := &mapKind[V]{id: "map." + codec.CodecID(), name: "codec " + codec.CodecID(), codec: codec}
	k.parted, _ = codec.(Parted[V])
	k.hot, _ = codec.(HotParted[V])
	return k
}

type mapKind[V any] struct {
	id     string
	name   string // of the codec, in errors
	codec  kv.Codec
	parted Parted[V]    // nil: a value is one part
	hot    HotParted[V] // nil: its parts come all together
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
	for _, field := range changes.fields() {
		e, _ := changes.of(field)
		if err := p.field(field, e); err != nil {
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
func (p *mapPlan[V]) replacing(out *Map[V]) (changes *edits[V]) {
	old := Map[V]{kind: p.k, at: p.at}
	for s := range old.viewed() {
		changes = changes.with(fieldOf(p.at.sub(s)), edit[V]{how: gone})
	}
	for field, v := range out.All() {
		changes = changes.with(field, edit[V]{value: v})
	}
	return changes
}

// field plans what becomes of one field.
func (p *mapPlan[V]) field(field string, e edit[V]) error {
	if err := kv.CheckKey(field); err != nil {
		return fmt.Errorf("field %q: %w", field, err)
	}
	at := p.at.prefix + field + firstPart
	old := partsOf(p.at.cells, at)
	var parts [][]byte
	if e.how == present {
		var err error
		if parts, err = p.k.partsOver(old, e.value); err != nil {
			return fmt.Errorf("field %q: %w", field, err)
		}
	}
	before := len(p.Edits)
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
