package crdt

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/starlingkv/starling/internal/embed"
	"github.com/starlingkv/starling/kv"
)

// mapCodec is a Map as one value: a JSON object of its fields by name.
type mapCodec[V any] struct{ k *mapKind[V] }

// CodecID is part of kv.Codec.
func (c mapCodec[V]) CodecID() string { return c.k.id }

// Encode is part of kv.Codec.
func (c mapCodec[V]) Encode(v any) ([]byte, error) {
	m, ok := v.(*Map[V])
	if !ok || m == nil {
		return nil, unfit(c.k, m, v)
	}
	b := []byte{'{'}
	for field, v := range m.All() {
		if err := kv.CheckKey(field); err != nil {
			return nil, fmt.Errorf("field %q: %w", field, err)
		}
		body, err := kv.EncodeWith(c.k.codec, v)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", field, err)
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		if b, err = embed.AppendName(b, field); err != nil {
			return nil, err
		}
		b = embed.Append(append(b, ':'), body)
	}
	if err := m.Err(); err != nil {
		return nil, err
	}
	return append(b, '}'), nil
}

// Decode is part of kv.Codec.
func (c mapCodec[V]) Decode(b []byte) (any, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		return nil, err
	}
	if fields == nil {
		return nil, errors.New("null is no map")
	}
	m := &Map[V]{}
	for field, raw := range fields {
		if err := kv.CheckKey(field); err != nil {
			return nil, fmt.Errorf("field %q: %w", field, err)
		}
		body, err := embed.Open(raw)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", field, err)
		}
		v, err := c.k.decode(body)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", field, err)
		}
		m.Set(field, v)
	}
	return m, nil
}

// MarshalJSON is the Map as an object of its fields: as its codec writes them if
// it was read, else as encoding/json does.
func (m *Map[V]) MarshalJSON() ([]byte, error) {
	if m.kind != nil {
		return mapCodec[V]{m.kind}.Encode(m)
	}
	fields := make(map[string]V)
	for field, v := range m.All() {
		fields[field] = v
	}
	return json.Marshal(fields)
}
