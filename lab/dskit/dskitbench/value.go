package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/dskit/kv/codec"
	"github.com/grafana/dskit/kv/memberlist"
)

// register is bytes of which the newest write wins: the least that dskit asks of
// a value. A write counts one up from what it replaces.
type register struct {
	value []byte // never written into
	tick  uint64
}

var (
	_ memberlist.Mergeable = (*register)(nil)
	_ codec.Codec          = registerCodec{}

	content  = []string{"value"}
	errShort = errors.New("register without a tick")
)

func (r *register) Merge(other memberlist.Mergeable, _ bool) (memberlist.Mergeable, error) {
	o, ok := other.(*register)
	switch {
	case !ok:
		return nil, fmt.Errorf("merge of a register with %T", other)
	case o == nil || o.tick <= r.tick:
		return nil, nil
	}
	*r = *o
	return o, nil
}

func (r *register) MergeContent() []string                          { return content }
func (r *register) RemoveTombstones(time.Time) (total, removed int) { return 0, 0 }

func (r *register) Clone() memberlist.Mergeable {
	c := *r
	return &c
}

// registerCodec is compressed by snappy, as dskit's codec of protocol buffers is.
type registerCodec struct{}

func (registerCodec) CodecID() string { return "benchRegister" }

func (registerCodec) Encode(v any) ([]byte, error) {
	r := v.(*register)
	b := binary.AppendUvarint(make([]byte, 0, len(r.value)+binary.MaxVarintLen64), r.tick)
	return snappy.Encode(nil, append(b, r.value...)), nil
}

func (registerCodec) Decode(b []byte) (any, error) {
	b, err := snappy.Decode(nil, b)
	if err != nil {
		return nil, err
	}
	tick, n := binary.Uvarint(b)
	if n <= 0 {
		return nil, errShort
	}
	return &register{value: b[n:], tick: tick}, nil
}
