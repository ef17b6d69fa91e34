package crdt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/starlingkv/starling/kv"
)

// rawMerged is a value of a MergeableOf whose type is not known: its pieces. It
// can be looked at and not written, since nobody here knows how it merges.
type rawMerged struct{ pieces map[string]Piece }

// errReadOnly is why.
var errReadOnly = fmt.Errorf("%w: how these values merge is only known to the programs that write them", kv.ErrUnsupported)

// Merge is part of Mergeable.
func (m *rawMerged) Merge(*rawMerged, bool) (*rawMerged, error) { return nil, errReadOnly }

// MergeContent is part of Mergeable.
func (m *rawMerged) MergeContent() []string { return slices.Sorted(maps.Keys(m.pieces)) }

// RemoveTombstones is part of Mergeable.
func (m *rawMerged) RemoveTombstones(time.Time) (total, removed int) { return 0, 0 }

// Clone is part of Mergeable.
func (m *rawMerged) Clone() *rawMerged { return &rawMerged{maps.Clone(m.pieces)} }

// rawShape only joins.
type rawShape struct{}

// Split is part of Shape.
func (rawShape) Split(*rawMerged) (map[string]Piece, error) { return nil, errReadOnly }

// Join is part of Shape.
func (rawShape) Join(pieces map[string]Piece) (*rawMerged, error) {
	return &rawMerged{maps.Clone(pieces)}, nil
}

// rawMergedCodec writes the pieces as an object by name, each with its hot part
// and its cold one, if it has one.
type rawMergedCodec struct{ id string }

// CodecID is part of kv.Codec.
func (c rawMergedCodec) CodecID() string { return c.id }

// Encode is part of kv.Codec.
func (c rawMergedCodec) Encode(v any) ([]byte, error) {
	m, ok := v.(*rawMerged)
	if !ok {
		return nil, errReadOnly
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range m.MergeContent() {
		if i > 0 {
			b.WriteByte(',')
		}
		p := m.pieces[name]
		quoted, err := appendName(nil, name)
		if err != nil {
			return nil, err
		}
		b.Write(quoted)
		b.WriteByte(':')
		parts := Parts{p.Hot}
		if p.Cold != nil {
			parts = append(parts, p.Cold)
		}
		b.Write(appendEmbedded(nil, parts.JSON()))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Decode is part of kv.Codec.
func (c rawMergedCodec) Decode(b []byte) (any, error) {
	if !json.Valid(b) {
		return nil, fmt.Errorf("codec %s: no JSON", c.id)
	}
	return nil, errReadOnly
}
