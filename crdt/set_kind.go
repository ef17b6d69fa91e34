package crdt

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/embed"
	"github.com/starlingkv/starling/kv"
)

const (
	classSet = 'e'
	// originLen is 00 and the origin, behind the element in an address.
	originLen = 1 + 8
)

// SetOf is the kind of Sets of elements of type E, as the codec encodes them: to
// at most 1024 bytes without a zero byte.
func SetOf[E comparable](codec kv.Codec) Merging {
	if codec == nil {
		panic("crdt: nil codec")
	}
	return &setKind[E]{id: "set." + codec.CodecID(), codec: codec}
}

type setKind[E comparable] struct {
	id    string
	codec kv.Codec
}

func (k *setKind[E]) ID() string      { return k.id }
func (k *setKind[E]) Codec() kv.Codec { return setCodec[E]{k} }
func (k *setKind[E]) Class() byte     { return classSet }
func (k *setKind[E]) sealed()         {}

// elementOf is the encoded element of a cell, by what stands behind the class.
func elementOf(sub string) (string, bool) {
	at := len(sub) - originLen
	if at < 0 || sub[at] != 0 {
		return "", false
	}
	return sub[:at], true
}

// named is the encoded element of a cell.
func (p place) named(s *cell.Stored) string {
	name, _ := elementOf(p.sub(s))
	return name
}

// appendOrigin is an origin at the end of an address.
func appendOrigin(stem string, o cell.Origin) cell.Addr {
	return cell.Addr(binary.BigEndian.AppendUint64([]byte(stem), uint64(o)))
}

func (k *setKind[E]) encode(e E) (string, error) {
	b, err := kv.EncodeWith(k.codec, e)
	switch {
	case err != nil:
		return "", err
	case len(b) > kv.MaxKey:
		return "", fmt.Errorf("%w: an element of %d bytes, at most %d", kv.ErrTooLarge, len(b), kv.MaxKey)
	case strings.IndexByte(string(b), 0) >= 0:
		return "", fmt.Errorf("%w: an element with a zero byte", kv.ErrType)
	}
	return string(b), nil
}

func (k *setKind[E]) decode(name string) (e E, err error) {
	got, err := kv.DecodeWith(k.codec, []byte(name))
	if err != nil {
		return e, err
	}
	e, ok := got.(E)
	if !ok {
		return e, fmt.Errorf("%w: codec %s decodes to a %T, not a %T", kv.ErrDecode, k.codec.CodecID(), got, e)
	}
	return e, nil
}

// View is part of Merging.
func (k *setKind[E]) View(cells Cells, key string) (any, error) {
	s := &Set[E]{kind: k, at: placeOf(k, cells, key)}
	first := s.at.first(s.at.prefix)
	if first == nil {
		return nil, s.at.foreign()
	}
	return s, check(k, first)
}

// Plan is part of Merging. A Set that was not made from what was read replaces
// it: elements that it does not have are removed.
func (k *setKind[E]) Plan(in Intent) (Plan, error) {
	out, ok := in.Out.(*Set[E])
	if !ok || out == nil {
		return Plan{}, unfit(k, out, in.Out)
	}
	p := setPlan{id: k.id, at: placeOf(k, in.Read, in.Key), in: in}
	if out.err != nil {
		return Plan{}, out.err
	}
	if in.Scope == All || out.kind != k || !out.at.same(p.at) {
		next, err := out.names(k)
		if err == nil {
			old := &Set[E]{kind: k, at: p.at}
			p.apply(p.replacing(old.viewed(), next))
		}
		return p.Plan, err
	}
	changes := make(map[string]fate, len(out.fresh))
	for e, how := range out.fresh {
		name, err := k.encode(e)
		if err != nil {
			return Plan{}, fmt.Errorf("element %v: %w", e, err)
		}
		changes[name] = how
	}
	p.apply(changes)
	return p.Plan, nil
}

// setPlan is a Plan in the making.
type setPlan struct {
	Plan
	id string
	at place
	in Intent
}

// replacing is what makes the next elements of the present ones.
func (p *setPlan) replacing(old iter.Seq[string], next []string) map[string]fate {
	changes := make(map[string]fate)
	for name := range old {
		changes[name] = gone
	}
	for _, name := range next {
		changes[name] = present
		if s := p.at.first(p.at.prefix + name + "\x00"); s == nil || p.at.named(s) != name || p.in.Term.renews(s) {
			continue
		}
		delete(changes, name) // it is in, and stays
	}
	return changes
}

// apply plans what becomes of some elements.
func (p *setPlan) apply(changes map[string]fate) {
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		stem := p.at.prefix + name + "\x00"
		before := len(p.Edits)
		if changes[name] == present {
			p.Edits = append(p.Edits, Edit{Addr: appendOrigin(stem, p.in.Self), Codec: p.id})
		} else {
			for s := range p.at.cells.Live(stem, above(stem)) {
				if got, ok := elementOf(p.at.sub(s)); ok && got == name {
					p.Edits = append(p.Edits, Edit{Addr: s.Addr, Tomb: true, Observed: true})
				}
			}
		}
		if len(p.Edits) > before {
			p.Watched = append(p.Watched, stem)
		}
	}
}

// setCodec is a Set as one value: a JSON array of its elements, in the order of
// their encoding.
type setCodec[E comparable] struct{ k *setKind[E] }

// CodecID is part of kv.Codec.
func (c setCodec[E]) CodecID() string { return c.k.id }

// Encode is part of kv.Codec.
func (c setCodec[E]) Encode(v any) ([]byte, error) {
	s, ok := v.(*Set[E])
	if !ok || s == nil {
		return nil, unfit(c.k, s, v)
	}
	names, err := s.names(c.k)
	if err != nil {
		return nil, err
	}
	b := []byte{'['}
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = embed.Append(b, []byte(name))
	}
	return append(b, ']'), nil
}

// Decode is part of kv.Codec.
func (c setCodec[E]) Decode(b []byte) (any, error) {
	var elements []json.RawMessage
	if err := json.Unmarshal(b, &elements); err != nil {
		return nil, err
	}
	if elements == nil {
		return nil, errors.New("null is no set")
	}
	s := &Set[E]{}
	for _, raw := range elements {
		name, err := embed.Open(raw)
		if err != nil {
			return nil, err
		}
		e, err := c.k.decode(string(name))
		if err != nil {
			return nil, err
		}
		s.Add(e)
	}
	return s, nil
}

// MarshalJSON is the Set as an array of its elements.
func (s *Set[E]) MarshalJSON() ([]byte, error) {
	if s.kind != nil {
		return setCodec[E]{s.kind}.Encode(s)
	}
	elements := []E{}
	for e := range s.All() {
		elements = append(elements, e)
	}
	return json.Marshal(elements)
}
