package web

import (
	"errors"
	"fmt"
	"sync"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

// Bounds on what a request can make the node remember: a codec is a client, for ever.
const (
	maxCodecs  = 256
	maxCodecID = 64
)

// rawCodec passes the bytes of any codec through.
type rawCodec struct{ id string }

// CodecID is part of kv.Codec.
func (c rawCodec) CodecID() string { return c.id }

// Encode is part of kv.Codec.
func (c rawCodec) Encode(v any) ([]byte, error) {
	b, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("%w: bytes are wanted, not %T", kv.ErrType, v)
	}
	return b, nil
}

// Decode is part of kv.Codec.
func (c rawCodec) Decode(b []byte) (any, error) {
	if b == nil {
		return []byte{}, nil
	}
	return b, nil
}

// clients keeps one client per codec id that was written with.
type clients struct {
	open  func(codec kv.Codec) kv.Client
	kinds map[string]crdt.Merging // that are known, by their codec

	mu sync.Mutex // guards by
	by map[string]typed
}

// typed is a client for values of one codec id.
type typed struct {
	store
	codec kv.Codec // reads what a request brings: of crdt.RawOf or RawKind if the values merge, else a rawCodec
}

// of returns the client of the codec id.
func (c *clients) of(id string) (typed, error) {
	if err := checkCodec(id); err != nil {
		return typed{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := c.by[id]; ok {
		return s, nil
	}
	if len(c.by) >= maxCodecs {
		return typed{}, newProblem(busy, fmt.Sprintf("this node has seen %d codecs already", maxCodecs))
	}
	var codec kv.Codec = rawCodec{id: id}
	if kind, known := c.kinds[id]; known {
		codec = kind.Codec()
	} else if kind, merges := crdt.RawKind(id); merges {
		codec = kind.Codec()
	}
	s, err := asStore(c.open(codec))
	if err != nil {
		return typed{}, err
	}
	if c.by == nil {
		c.by = make(map[string]typed)
	}
	c.by[id] = typed{s, codec}
	return c.by[id], nil
}

// known are kinds by the codec of their values.
func known(kinds []crdt.Kind) map[string]crdt.Merging {
	by := make(map[string]crdt.Merging)
	for _, kind := range kinds {
		if raw, merges := crdt.RawOf(kind); merges {
			by[kind.ID()] = raw
		}
	}
	return by
}

func asStore(c kv.Client) (store, error) {
	s, ok := c.(store)
	if !ok {
		return nil, fmt.Errorf("%w: the client has no versions or no events", kv.ErrUnsupported)
	}
	return s, nil
}

// value is what a request brings, as the client takes it.
func (t typed) value(body []byte) (any, error) {
	if _, plain := t.codec.(rawCodec); plain {
		return body, nil
	}
	v, err := kv.DecodeWith(t.codec, crdt.Illegible(body))
	switch {
	case errors.Is(err, kv.ErrUnsupported):
		return nil, newProblem(unsupported, err.Error())
	case err != nil:
		return nil, newProblem(badRequest, fmt.Sprintf("this is no value of %s: %v", t.codec.CodecID(), err))
	}
	return v, nil
}

// checkCodec takes what stands in a header as it is: printable ASCII without a blank.
func checkCodec(id string) error {
	if id == "" || len(id) > maxCodecID {
		return newProblem(badRequest, fmt.Sprintf("Starling-Codec: an id is 1 to %d bytes", maxCodecID))
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return newProblem(badRequest, "Starling-Codec: an id is printable ASCII without blanks")
		}
	}
	return nil
}

// bytesOf returns the stored bytes of an entry, decoded or not; those of a value that merges in a form to be read.
func bytesOf(e kv.Entry) []byte {
	b := bytesIn(e)
	if merges(e.Codec) {
		return crdt.Legible(b)
	}
	return b
}

// bytesIn returns the stored bytes of an entry, decoded or not.
func bytesIn(e kv.Entry) []byte {
	switch v := e.Value.(type) {
	case []byte:
		return v
	case kv.Raw:
		return v
	}
	return nil
}
