package crdt

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/embed"
	"github.com/starlingkv/starling/kv"
)

// rawMerged is a value of a MergeableOf whose type is not known: its pieces, or
// what its codec wrote. It can be looked at, and kept whole by a store that knows
// nothing of cells; a node does not write it, since nobody here knows how it
// merges.
type rawMerged struct {
	pieces map[string]Piece
	whole  []byte
}

// errReadOnly is why.
var errReadOnly = fmt.Errorf("%w: how these values merge is only known to the programs that write them", kv.ErrUnsupported)

// Merge is part of Mergeable.
func (m *rawMerged) Merge(*rawMerged, bool) (*rawMerged, error) { return nil, errReadOnly }

// MergeContent is part of Mergeable.
func (m *rawMerged) MergeContent() []string { return slices.Sorted(maps.Keys(m.pieces)) }

// RemoveTombstones is part of Mergeable.
func (m *rawMerged) RemoveTombstones(time.Time) (total, removed int) { return 0, 0 }

// Clone is part of Mergeable.
func (m *rawMerged) Clone() *rawMerged { return &rawMerged{maps.Clone(m.pieces), m.whole} }

// rawShape only joins.
type rawShape struct{}

// Split is part of Shape.
func (rawShape) Split(*rawMerged) (map[string]Piece, error) { return nil, errReadOnly }

// Join is part of Shape.
func (rawShape) Join(pieces map[string]Piece) (*rawMerged, error) {
	return &rawMerged{pieces: maps.Clone(pieces)}, nil
}

// rawMergedCodec writes the pieces as an object by name, each with its hot part
// and its cold one, if it has one, and a whole value as it is.
type rawMergedCodec struct{ id string }

// CodecID is part of kv.Codec.
func (c rawMergedCodec) CodecID() string { return c.id }

// Encode is part of kv.Codec.
func (c rawMergedCodec) Encode(v any) ([]byte, error) {
	m, ok := v.(*rawMerged)
	if !ok {
		return nil, errReadOnly
	}
	if m.whole != nil {
		return m.whole, nil
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range m.MergeContent() {
		if i > 0 {
			b.WriteByte(',')
		}
		p := m.pieces[name]
		quoted, err := embed.AppendName(nil, name)
		if err != nil {
			return nil, err
		}
		b.Write(quoted)
		b.WriteByte(':')
		parts := Parts{p.Hot}
		if p.Cold != nil {
			parts = append(parts, p.Cold)
		}
		b.Write(embed.Append(nil, parts.JSON()))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Decode is part of kv.Codec.
func (c rawMergedCodec) Decode(b []byte) (any, error) {
	return &rawMerged{whole: append([]byte{}, b...)}, nil
}
