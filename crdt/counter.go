package crdt

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/kv"
)

const classCounter = 'c'

// Counter is a number that goes up and down, the value of a key of the kind
// Counters. What is added on different members at the same time all counts. The
// zero Counter is zero and ready. Sums wrap around past 64 bits.
//
// A Counter belongs to whoever got it and is not safe for concurrent use.
type Counter struct {
	kind  *counterKind // nil: it was made, not read
	at    place
	read  int64
	added int64
}

// Add adds n, which may be negative.
func (c *Counter) Add(n int64) { c.added += n }

// Value is the present value.
func (c *Counter) Value() int64 { return c.read + c.added }

// Clone returns a copy that goes its own way.
func (c *Counter) Clone() *Counter { d := *c; return &d }

// MarshalJSON is the Counter as a number.
func (c *Counter) MarshalJSON() ([]byte, error) { return json.Marshal(c.Value()) }

func (c *Counter) untouched() bool { return c.added == 0 }

// Counters is the kind of Counters.
//
// A Delete takes everything away that was counted so far, also what its author
// had not seen: whoever counts on before having heard of it loses what he added
// since the key began. A member starts anew when it has heard of it.
func Counters() Merging { return counters }

var counters = &counterKind{}

type counterKind struct{}

func (*counterKind) ID() string      { return "counter" }
func (*counterKind) Codec() kv.Codec { return counterCodec{} }
func (*counterKind) Class() byte     { return classCounter }
func (*counterKind) sealed()         {}

// View is part of Merging.
func (k *counterKind) View(cells Cells, key string) (any, error) {
	at := placeOf(k, cells, key)
	sum, n, err := k.sum(at)
	switch {
	case err != nil:
		return nil, err
	case n == 0:
		return nil, at.foreign()
	}
	return &Counter{kind: k, at: at, read: sum}, nil
}

// sum adds the cells up, of which there are n.
func (k *counterKind) sum(at place) (sum int64, n int, err error) {
	for s := range at.cells.Live(at.prefix, above(at.prefix)) {
		if err := check(k, s); err != nil {
			return 0, 0, err
		}
		t, err := openTally(s.Body)
		if err != nil {
			return 0, 0, err
		}
		sum, n = sum+t.value(), n+1
	}
	return sum, n, nil
}

// tally is what one origin has counted: the body of its cell, two uvarints.
type tally struct{ up, down uint64 }

func (t tally) value() int64 { return int64(t.up - t.down) }

func (t tally) add(n int64) tally {
	if n < 0 {
		return tally{t.up, t.down + uint64(-n)}
	}
	return tally{t.up + uint64(n), t.down}
}

func (t tally) body() []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, t.up), t.down)
}

func openTally(b []byte) (tally, error) {
	up, n := binary.Uvarint(b)
	if n <= 0 {
		return tally{}, fmt.Errorf("%w: a counter of %d bytes", kv.ErrDecode, len(b))
	}
	down, m := binary.Uvarint(b[n:])
	if m <= 0 || n+m != len(b) {
		return tally{}, fmt.Errorf("%w: a counter of %d bytes", kv.ErrDecode, len(b))
	}
	return tally{up, down}, nil
}

// Plan is part of Merging. A Counter that was not made from what was read sets
// the value: the difference is added.
func (k *counterKind) Plan(in Intent) (Plan, error) {
	out, ok := in.Out.(*Counter)
	if !ok || out == nil {
		return Plan{}, unfit(k, out, in.Out)
	}
	at := placeOf(k, in.Read, in.Key)
	added, fresh := out.added, false
	if out.kind == nil || !out.at.same(at) {
		sum, n, err := k.sum(at)
		if err != nil {
			return Plan{}, err
		}
		added, fresh = out.Value()-sum, n == 0
	}
	own := appendOrigin(at.prefix, in.Self)
	if added == 0 && !fresh && !renewed(in, own) {
		return Plan{}, nil
	}
	had, born, err := ownTally(in.Read, own)
	if err != nil {
		return Plan{}, err
	}
	return Plan{
		Edits:   []Edit{{Addr: own, Codec: k.ID(), Body: had.add(added).body(), Born: born}},
		Watched: []string{string(own)},
	}, nil
}

// renewed reports whether the writer's own cell is written though it says what
// it should.
func renewed(in Intent, own cell.Addr) bool {
	s, _ := in.Read.Get(string(own))
	return in.Term == Leased || s != nil && s.Visible() && in.Term.renews(s)
}

// ownTally is what the writer has counted so far, and since when. After a
// delete, or an expiry, it has counted nothing.
func ownTally(cells Cells, own cell.Addr) (tally, hlc.Time, error) {
	s, _ := cells.Get(string(own))
	if s == nil || !s.Visible() {
		return tally{}, 0, nil
	}
	born := s.BornT()
	if born == 0 {
		born = s.OrdT()
	}
	t, err := openTally(s.Body)
	return t, born, err
}

// counterCodec is a Counter as one value: a decimal number.
type counterCodec struct{}

// CodecID is part of kv.Codec.
func (counterCodec) CodecID() string { return counters.ID() }

// Encode is part of kv.Codec.
func (counterCodec) Encode(v any) ([]byte, error) {
	c, ok := v.(*Counter)
	if !ok || c == nil {
		return nil, unfit(counters, c, v)
	}
	return c.MarshalJSON()
}

// Decode is part of kv.Codec.
func (counterCodec) Decode(b []byte) (any, error) {
	n, err := openNumber(b)
	return &Counter{added: n}, err
}

// openNumber reads a decimal number and nothing else.
func openNumber(b []byte) (int64, error) {
	var n *int64
	if err := json.Unmarshal(b, &n); err != nil {
		return 0, err
	}
	if n == nil {
		return 0, fmt.Errorf("%w: null is no number", kv.ErrDecode)
	}
	return *n, nil
}
