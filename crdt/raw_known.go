package crdt

import (
	"fmt"

	"github.com/starlingkv/starling/kv"
)

// RawOf is RawKind for those that have the kind: it takes and gives what the
// codec of the kind reads and writes of one field, however many parts that has,
// and refuses what it does not read. The values are those of RawKind; those of a
// kind of MergeableOf are its own. Not ok: its values do not merge.
func RawOf(kind Kind) (raw Merging, ok bool) {
	if k, is := kind.(interface{ raw() Merging }); is {
		return k.raw(), true
	}
	if k, is := kind.(Merging); is && k.Class() == classMerge {
		return k, true
	}
	return RawKind(kind.ID())
}

func (k *mapKind[V]) raw() Merging {
	return MapOf[Parts](knownCodec[V]{partsCodec{k.codec.CodecID()}, k})
}

// knownCodec is the codec of Parts where that of their values is at hand: a field
// is one part, what that codec writes of it. Parts that do not join are left as
// they are.
type knownCodec[V any] struct {
	partsCodec
	k *mapKind[V]
}

// Decode is part of kv.Codec.
func (c knownCodec[V]) Decode(b []byte) (any, error) {
	got, err := c.partsCodec.Decode(b)
	if err != nil {
		return nil, err
	}
	if p := got.(Parts); len(p) > 1 {
		if _, err := c.join(p); err != nil {
			return nil, err
		}
		return p, nil
	}
	_, err = c.k.decode(got.(Parts)[0])
	return got, err
}

// Parts is part of Parted.
func (c knownCodec[V]) Parts(p Parts) ([][]byte, error) {
	if len(p) != 1 {
		return c.partsCodec.Parts(p)
	}
	v, err := c.k.decode(p[0])
	if err != nil {
		return nil, err
	}
	return c.k.parts(v)
}

// Join is part of Parted.
func (c knownCodec[V]) Join(parts [][]byte) (Parts, error) {
	if c.k.parted == nil {
		return Parts{parts[0]}, nil
	}
	if b, err := c.join(parts); err == nil {
		return Parts{b}, nil
	}
	return c.partsCodec.Join(parts)
}

// join is what the codec writes of a value of several parts.
func (c knownCodec[V]) join(parts [][]byte) (b []byte, err error) {
	if c.k.parted == nil || len(parts) > maxParts {
		return nil, fmt.Errorf("%w: codec %s has no %d parts", kv.ErrDecode, c.id, len(parts))
	}
	all := make([][]byte, maxParts)
	copy(all, parts)
	err = guarded(kv.ErrDecode, "codec "+c.id, func() error {
		v, err := c.k.parted.Join(all)
		if err != nil {
			return fmt.Errorf("%w: %w", kv.ErrDecode, err)
		}
		b, err = kv.EncodeWith(c.k.codec, v)
		return err
	})
	return b, err
}
