package crdt

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/starlingkv/starling/kv"
)

// RawKind is the kind of an id for those that know nothing of its values: tools,
// pages, HTTP. It reads and writes the same cells, and the same whole values, as
// the kind that bears the id, and gives fields and elements as the bytes that
// its codec made: the values are *Map[Parts], *Set[string], *Counter and *Max.
// What merges by a Merge of its own can only be looked at. Not ok: no kind of
// values that merge has such an id.
func RawKind(id string) (kind Merging, ok bool) {
	for prefix, of := range map[string]func(inner string) Merging{
		"map.":   func(inner string) Merging { return MapOf[Parts](partsCodec{inner}) },
		"set.":   func(inner string) Merging { return SetOf[string](elementCodec{inner}) },
		"merge.": func(inner string) Merging { return MergeableOf[*rawMerged](rawMergedCodec{inner}, rawShape{}) },
	} {
		if inner, found := strings.CutPrefix(id, prefix); found && inner != "" {
			return of(inner), true
		}
	}
	for _, kind := range []Merging{Counters(), Maxima()} {
		if kind.ID() == id {
			return kind, true
		}
	}
	return nil, false
}

// KindOf is the kind whose whole values a codec writes, if it is one of values
// that merge.
func KindOf(codec kv.Codec) (kind Merging, ok bool) {
	if c, is := codec.(interface{ merging() Merging }); is {
		return c.merging(), true
	}
	return nil, false
}

func (c mapCodec[V]) merging() Merging   { return c.k }
func (c setCodec[E]) merging() Merging   { return c.k }
func (counterCodec) merging() Merging    { return counters }
func (maxCodec) merging() Merging        { return maxima }
func (c mergeCodec[M]) merging() Merging { return c.k }

// Parts is the value of a field whose codec is not known: its parts, of which
// all but the first may be nil. They are shared.
type Parts [][]byte

// Marks of a field of several parts where it stands in JSON, and of a part that
// is no JSON.
const (
	partsMark = `$parts`
	bytesMark = `$bytes`
)

// JSON is the field as it stands in a whole value: its one part as it is, else
// an object that lists the parts.
func (p Parts) JSON() []byte {
	if len(p) == 1 && !bytes.Contains(p[0], []byte(partsMark)) {
		return p[0]
	}
	b := []byte(`{"` + partsMark + `":[`)
	for i, part := range p {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendPart(b, part)
	}
	return append(b, "]}"...)
}

// appendPart appends a part: null if there is none, as it is if that is JSON
// without a mark of ours in it, else in base64.
func appendPart(b, part []byte) []byte {
	switch {
	case part == nil:
		return append(b, "null"...)
	case json.Valid(part) && !bytes.ContainsAny(part, "$") && !bytes.Equal(part, []byte("null")) && len(bytes.TrimSpace(part)) == len(part):
		return append(b, part...)
	}
	b = append(b, `{"`+bytesMark+`":"`...)
	b = base64.StdEncoding.AppendEncode(b, part)
	return append(b, `"}`...)
}

// openPart is what appendPart was given.
func openPart(raw json.RawMessage) ([]byte, error) {
	if bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	if !bytes.Contains(raw, []byte(bytesMark)) {
		return raw, nil
	}
	var w struct {
		Bytes *[]byte `json:"$bytes"`
	}
	if err := json.Unmarshal(raw, &w); err != nil || w.Bytes == nil {
		return nil, fmt.Errorf("a part with %s that is no base64", bytesMark)
	}
	return *w.Bytes, nil
}

// partsCodec is the codec of Parts. It is Parted: what it does not know it
// leaves as it is.
type partsCodec struct{ id string }

// CodecID is part of kv.Codec.
func (c partsCodec) CodecID() string { return c.id }

// Encode is part of kv.Codec.
func (c partsCodec) Encode(v any) ([]byte, error) {
	p, ok := v.(Parts)
	if !ok {
		return nil, fmt.Errorf("%w: %s takes %T, not %T", kv.ErrType, c.id, p, v)
	}
	return p.JSON(), nil
}

// Decode is part of kv.Codec.
func (c partsCodec) Decode(b []byte) (any, error) {
	if !bytes.Contains(b, []byte(partsMark)) {
		return Parts{b}, nil
	}
	var several struct {
		Parts []json.RawMessage `json:"$parts"`
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&several); err != nil || len(several.Parts) == 0 {
		return Parts{b}, nil // a value in which the mark stands somewhere
	}
	p := make(Parts, len(several.Parts))
	for i, raw := range several.Parts {
		var err error
		if p[i], err = openPart(raw); err != nil {
			return nil, err
		}
	}
	if len(p) > maxParts || p[0] == nil {
		return nil, fmt.Errorf("%s: 1 to %d, of which the first is there", partsMark, maxParts)
	}
	return p, nil
}

// Parts is part of Parted.
func (partsCodec) Parts(p Parts) ([][]byte, error) {
	if len(p) == 0 || p[0] == nil {
		return nil, errors.New("a field without a first part")
	}
	return p, nil
}

// Join is part of Parted.
func (partsCodec) Join(parts [][]byte) (Parts, error) {
	for len(parts) > 1 && parts[len(parts)-1] == nil {
		parts = parts[:len(parts)-1]
	}
	return parts, nil
}

// elementCodec is the codec of elements as the bytes that another made.
type elementCodec struct{ id string }

// CodecID is part of kv.Codec.
func (c elementCodec) CodecID() string { return c.id }

// Encode is part of kv.Codec.
func (c elementCodec) Encode(v any) ([]byte, error) { return kv.String.Encode(v) }

// Decode is part of kv.Codec.
func (c elementCodec) Decode(b []byte) (any, error) { return kv.String.Decode(b) }
