package crdt

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/starlingkv/starling/kv"
)

const classMax = 'x'

// Max is the highest number that anybody has seen, the value of a key of the
// kind Maxima: a high-water mark. The zero Max is that of no numbers and ready.
//
// A Max belongs to whoever got it and is not safe for concurrent use.
type Max struct {
	kind *maxKind // nil: it was made, not read
	high int64
	some bool // high is a number that was seen
}

// Observe takes a number into account.
func (m *Max) Observe(n int64) {
	if !m.some || n > m.high {
		m.high, m.some = n, true
	}
}

// Value is the highest number, and whether there is any.
func (m *Max) Value() (high int64, ok bool) { return m.high, m.some }

// Clone returns a copy that goes its own way.
func (m *Max) Clone() *Max { c := *m; return &c }

// MarshalJSON is the Max as a number, null if there is none.
func (m *Max) MarshalJSON() ([]byte, error) {
	if !m.some {
		return []byte("null"), nil
	}
	return json.Marshal(m.high)
}

func (m *Max) untouched() bool { return m.kind == nil && !m.some }

// Maxima is the kind of Max values. A Max that was not made from what was read
// sets the value, also to a lower one.
func Maxima() Merging { return maxima }

var maxima = &maxKind{}

type maxKind struct{}

func (*maxKind) ID() string      { return "max" }
func (*maxKind) Codec() kv.Codec { return maxCodec{} }
func (*maxKind) Class() byte     { return classMax }
func (*maxKind) sealed()         {}

// View is part of Merging.
func (k *maxKind) View(cells Cells, key string) (any, error) {
	m, at := &Max{kind: k}, placeOf(k, cells, key)
	for s := range cells.Live(at.prefix, above(at.prefix)) {
		if err := check(k, s); err != nil {
			return nil, err
		}
		n, err := openMark(s.Body)
		if err != nil {
			return nil, err
		}
		m.Observe(n)
	}
	if !m.some {
		return nil, at.foreign()
	}
	return m, nil
}

// openMark reads the body of a cell: a varint.
func openMark(b []byte) (int64, error) {
	n, size := binary.Varint(b)
	if size <= 0 || size != len(b) {
		return 0, fmt.Errorf("%w: a maximum of %d bytes", kv.ErrDecode, len(b))
	}
	return n, nil
}

// Plan is part of Merging.
func (k *maxKind) Plan(in Intent) (Plan, error) {
	out, ok := in.Out.(*Max)
	if !ok || out == nil {
		return Plan{}, unfit(k, out, in.Out)
	}
	next, some := out.Value()
	if !some {
		return Plan{}, fmt.Errorf("%w: a maximum of no numbers", kv.ErrType)
	}
	at := placeOf(k, in.Read, in.Key)
	present := &Max{}
	switch v, err := k.View(in.Read, in.Key); {
	case err != nil:
		return Plan{}, err
	case v != nil:
		present = v.(*Max)
	}
	own := appendOrigin(at.prefix, in.Self)
	p := Plan{Watched: []string{string(own)}}
	if high, has := present.Value(); has && high == next && !renewed(in, own) {
		return Plan{}, nil
	} else if has && high > next {
		p = k.lower(at, string(own), next)
	}
	p.Edits = append(p.Edits, Edit{Addr: own, Codec: k.ID(), Body: binary.AppendVarint(nil, next)})
	return p, nil
}

// lower removes the marks of others that stand above the next value.
func (k *maxKind) lower(at place, own string, next int64) Plan {
	p := Plan{Watched: []string{at.prefix}}
	for s := range at.cells.Live(at.prefix, above(at.prefix)) {
		if n, err := openMark(s.Body); string(s.Addr) != own && err == nil && n > next {
			p.Edits = append(p.Edits, Edit{Addr: s.Addr, Tomb: true, Observed: true})
		}
	}
	return p
}

// maxCodec is a Max as one value: a decimal number.
type maxCodec struct{}

// CodecID is part of kv.Codec.
func (maxCodec) CodecID() string { return maxima.ID() }

// Encode is part of kv.Codec.
func (maxCodec) Encode(v any) ([]byte, error) {
	m, ok := v.(*Max)
	if !ok || m == nil {
		return nil, unfit(maxima, m, v)
	}
	if !m.some {
		return nil, fmt.Errorf("%w: a maximum of no numbers", kv.ErrType)
	}
	return m.MarshalJSON()
}

// Decode is part of kv.Codec.
func (maxCodec) Decode(b []byte) (any, error) {
	n, err := openNumber(b)
	return &Max{high: n, some: true}, err
}
