package crdt

import (
	"errors"
	"fmt"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/kv"
)

// memo is a decoded value of a field, left at one of its cells: at that of the
// first part the whole value, at another the value as far as the parts but the
// first are concerned.
type memo[V any] struct {
	kind  *mapKind[V]
	parts [maxParts]*cell.Cell
	value V
}

// memoAt is the memo of some parts that was left at a cell, or nil.
func (k *mapKind[V]) memoAt(c *cell.Cell, parts [maxParts]*cell.Cell) *memo[V] {
	if m, ok := c.Memo().(*memo[V]); ok && m.kind == k && m.parts == parts {
		return m
	}
	return nil
}

// value decodes a field of which the first part is there.
func (k *mapKind[V]) value(found fieldParts) (V, error) {
	s, parts := found[0], found.cells()
	if m := k.memoAt(s.Cell, parts); m != nil {
		return m.value, nil
	}
	if err := check(k, s); err != nil {
		var none V
		return none, err
	}
	v, err := k.open(found)
	if err == nil {
		s.SetMemo(&memo[V]{kind: k, parts: parts, value: v})
	}
	return v, err
}

// open decodes a field that was not read as it is. If it was before its first
// part came, what was decoded of the others waits at the last of them.
func (k *mapKind[V]) open(found fieldParts) (V, error) {
	cold, last := found.cells(), (*cell.Cell)(nil)
	cold[0] = nil
	for _, p := range cold {
		if p != nil {
			last = p
		}
	}
	if k.hot == nil || last == nil {
		return k.join(found)
	}
	if m := k.memoAt(last, cold); m != nil {
		return k.withHot(m.value, found[0].Body)
	}
	v, err := k.join(found)
	if err == nil {
		last.SetMemo(&memo[V]{kind: k, parts: cold, value: v})
	}
	return v, err
}

func (k *mapKind[V]) withHot(old V, hot []byte) (v V, err error) {
	err = k.decoding(func() (err error) {
		v, err = k.hot.WithHot(old, hot[:len(hot):len(hot)])
		return err
	})
	return v, err
}

// fieldParts is the visible parts of a field, nil where there is none.
type fieldParts [maxParts]*cell.Stored

func (f fieldParts) cells() (cells [maxParts]*cell.Cell) {
	for i, s := range f {
		if s != nil {
			cells[i] = s.Cell
		}
	}
	return cells
}

// bodies is the bytes of all parts, nil where there is none. Nobody can append to
// what is stored.
func (f fieldParts) bodies() [][]byte {
	bodies := make([][]byte, maxParts)
	for i, s := range f {
		switch {
		case s == nil:
		case s.Body == nil:
			bodies[i] = []byte{} // it is there
		default:
			bodies[i] = s.Body[:len(s.Body):len(s.Body)]
		}
	}
	return bodies
}

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

func (k *mapKind[V]) join(parts fieldParts) (v V, err error) {
	if k.parted == nil {
		return k.decode(parts[0].Body)
	}
	bodies := parts.bodies()
	err = k.decoding(func() (err error) {
		v, err = k.parted.Join(bodies)
		return err
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

// partsOver encodes the value of a field that is to stand where others do. Who
// changes a value has read it, as a rule: then it is known what stands there.
func (k *mapKind[V]) partsOver(old fieldParts, v V) ([][]byte, error) {
	if k.hot == nil || old[0] == nil {
		return k.parts(v)
	}
	was := k.memoAt(old[0].Cell, old.cells())
	if was == nil {
		return k.parts(v)
	}
	var hot []byte
	same := false
	err := k.encoding(func() (err error) {
		if same = k.hot.SameCold(was.value, v); same {
			hot, err = k.hot.Hot(v)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case !same:
		return k.parts(v)
	}
	parts := old.bodies()
	parts[0] = hot
	return parts, nil
}

// parts encodes the value of a field.
func (k *mapKind[V]) parts(v V) (parts [][]byte, err error) {
	if k.parted == nil {
		b, err := kv.EncodeWith(k.codec, v)
		return [][]byte{b}, err
	}
	err = k.encoding(func() (err error) {
		parts, err = k.parted.Parts(v)
		return err
	})
	if err == nil && (len(parts) == 0 || len(parts) > maxParts) {
		err = fmt.Errorf("%w: codec %s makes %d parts, not 1 to %d", kv.ErrType, k.codec.CodecID(), len(parts), maxParts)
	}
	return parts, err
}

// encoding runs code of the codec that encodes.
func (k *mapKind[V]) encoding(f func() error) error {
	return guarded(kv.ErrType, k.name, func() error {
		err := f()
		if err != nil && !errors.Is(err, kv.ErrType) {
			err = fmt.Errorf("%w: %w", kv.ErrType, err)
		}
		return err
	})
}

// decoding runs code of the codec that decodes.
func (k *mapKind[V]) decoding(f func() error) error {
	return guarded(kv.ErrDecode, k.name, func() error {
		if err := f(); err != nil {
			return fmt.Errorf("%w: %w", kv.ErrDecode, err)
		}
		return nil
	})
}
