package web

import (
	"fmt"
	"sync"

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
	open func(codec kv.Codec) kv.Client

	mu sync.Mutex // guards by
	by map[string]store
}

// of returns the client of the codec id.
func (c *clients) of(id string) (store, error) {
	if err := checkCodec(id); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := c.by[id]; ok {
		return s, nil
	}
	if len(c.by) >= maxCodecs {
		return nil, newProblem(busy, fmt.Sprintf("this node has seen %d codecs already", maxCodecs))
	}
	s, ok := c.open(rawCodec{id: id}).(store)
	if !ok {
		return nil, fmt.Errorf("%w: the client has no versions or no events", kv.ErrUnsupported)
	}
	if c.by == nil {
		c.by = make(map[string]store)
	}
	c.by[id] = s
	return s, nil
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

// bytesOf returns the stored bytes of an entry, decoded or not.
func bytesOf(e kv.Entry) []byte {
	switch v := e.Value.(type) {
	case []byte:
		return v
	case kv.Raw:
		return v
	}
	return nil
}
