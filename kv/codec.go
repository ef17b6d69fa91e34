package kv

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// Codec turns values into bytes and back. It is safe for concurrent use.
//
// CodecID names the format for ever: a store keeps it beside the value and refuses, with [ErrType], to read one format as
// another. Encode returns bytes that nobody writes into afterwards, the same bytes for equal values: CAS compares by
// them. A value that it does not take is an error, which stores turn into [ErrType]. Decode returns a fresh container
// and does not write into b, which may be shared; what it returns may refer to b. It never returns nil without an error.
type Codec interface {
	CodecID() string
	Encode(v any) ([]byte, error)
	Decode(b []byte) (any, error)
}

// Bytes is the codec of []byte values, stored as they are. A slice that was read is shared: do not write into it.
var Bytes Codec = bytesCodec{}

// String is the codec of string values, stored as they are.
var String Codec = stringCodec{}

type bytesCodec struct{}

func (bytesCodec) CodecID() string { return "bytes" }

func (bytesCodec) Encode(v any) ([]byte, error) {
	b, ok := v.([]byte)
	if !ok {
		return nil, unfit("[]byte", v)
	}
	// The caller goes on owning his slice; the store must not see him write into it.
	return append([]byte{}, b...), nil
}

// Decode caps the slice, so that an append of the caller cannot reach what stands behind it.
func (bytesCodec) Decode(b []byte) (any, error) {
	if b == nil {
		return []byte{}, nil
	}
	return b[:len(b):len(b)], nil
}

type stringCodec struct{}

func (stringCodec) CodecID() string { return "string" }

func (stringCodec) Encode(v any) ([]byte, error) {
	s, ok := v.(string)
	if !ok {
		return nil, unfit("string", v)
	}
	return []byte(s), nil
}

func (stringCodec) Decode(b []byte) (any, error) { return string(b), nil }

// Coded is an encoded value and the name of the codec that it is of.
type Coded struct {
	Codec string // empty: the store does not know; it is written as that of Bytes then
	Body  []byte // shared
}

// Any is the codec of [Coded] values: a client of it reads every key, whatever that was written with, and writes with the
// codec that the value names. It is for tools that copy, show and repair.
var Any Codec = anyCodec{}

type anyCodec struct{}

func (anyCodec) CodecID() string { return "any" }

func (anyCodec) Encode(v any) ([]byte, error) {
	c, ok := v.(Coded)
	if !ok {
		return nil, unfit("kv.Coded", v)
	}
	return c.Body, nil
}

// Decode knows no name: who has an entry takes the one that stands there.
func (anyCodec) Decode(b []byte) (any, error) { return Coded{Body: b[:len(b):len(b)]}, nil }

// JSON returns a codec that stores values of type T as JSON, under the name id. T may be a pointer; a JSON null, which
// would read as a nil value, is refused both ways.
func JSON[T any](id string) Codec { return jsonCodec[T]{id: id} }

type jsonCodec[T any] struct{ id string }

func (c jsonCodec[T]) CodecID() string { return c.id }

func (c jsonCodec[T]) Encode(v any) ([]byte, error) {
	t, ok := v.(T)
	if !ok {
		return nil, unfit(reflect.TypeFor[T]().String(), v)
	}
	b, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	if isNull(b) {
		return nil, fmt.Errorf("codec %s: a %T that encodes as null", c.id, v)
	}
	return b, nil
}

func (c jsonCodec[T]) Decode(b []byte) (any, error) {
	if isNull(b) {
		return nil, fmt.Errorf("codec %s: null", c.id)
	}
	var t T
	if err := json.Unmarshal(b, &t); err != nil {
		return nil, fmt.Errorf("codec %s: %w", c.id, err)
	}
	return t, nil
}

func isNull(b []byte) bool { return bytes.Equal(bytes.TrimSpace(b), []byte("null")) }

func unfit(want string, v any) error {
	return fmt.Errorf("%w: the codec takes %s, not %T", ErrType, want, v)
}

// EncodeWith encodes v; a [Raw] is encoded already. A codec that fails or panics is an error that wraps [ErrType], and its
// own error.
func EncodeWith(c Codec, v any) (b []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			b, err = nil, fmt.Errorf("%w: codec %s panicked on a %T: %v", ErrType, c.CodecID(), v, p)
		}
	}()
	if raw, ok := v.(Raw); ok {
		return raw, nil
	}
	b, err = c.Encode(v)
	if err != nil && !errors.Is(err, ErrType) {
		err = fmt.Errorf("%w: %w", ErrType, err)
	}
	return b, err
}

// DecodeWith decodes b. A codec that fails, panics or returns nil is an error that wraps [ErrDecode], and its own error.
func DecodeWith(c Codec, b []byte) (v any, err error) {
	defer func() {
		if p := recover(); p != nil {
			v, err = nil, fmt.Errorf("%w: codec %s panicked: %v", ErrDecode, c.CodecID(), p)
		}
	}()
	v, err = c.Decode(b)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrDecode, err)
	case v == nil:
		return nil, fmt.Errorf("%w: codec %s returned nil", ErrDecode, c.CodecID())
	}
	return v, nil
}
