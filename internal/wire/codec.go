// Package wire is the bytes of everything that members say to each other:
// frames in packets and streams, the greeting of a stream, and the metadata
// that membership carries. It is pure, and its bytes are for ever: the golden
// frames in testdata/v1 are never regenerated.
//
// A frame is
//
//	07 | version 01 | type | flags | origin 8 | clock 8 | [seq uv] | body | crc32c 4
//
// flags: b2 on a stream, and then no seq; all others are reserved. Fixed
// integers are big endian, uv is the shortest unsigned LEB128 varint, a string
// is uv length and bytes, O# is an index into the frame's table of origins.
// The layout of each body stands above the method that writes it. Parse checks
// every count against the bytes left before it makes anything.
package wire

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync/atomic"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Codec turns frames into bytes and back. It is safe for concurrent use.
type Codec struct {
	hasher cell.Hasher
	ids    interned
	tools  atomic.Pointer[tools] // of the Parse before, for the next one
}

// New returns a Codec whose parsed cells are sealed with h.
func New(h cell.Hasher) *Codec { return &Codec{hasher: h} }

// Append appends one frame to dst and returns the longer slice. On an error it
// returns dst as it was: ErrNoMsg, ErrTooLarge, or what makes the message one
// that Parse would refuse by its shape. What stands in the cells is not checked
// again: they came through a commit or through Parse.
func (c *Codec) Append(dst []byte, f Frame) ([]byte, error) {
	start := len(dst)
	if f.Msg == nil {
		return dst, ErrNoMsg
	}
	w := writer{b: dst}
	w.frameHead(f)
	if err := w.msg(f.Msg); err != nil {
		return dst, fmt.Errorf("%v: %w", f.Msg.Type(), err)
	}
	if n := len(w.b) - start + crcLen; n > MaxFrame {
		return dst, fmt.Errorf("%v: %w: %d bytes", f.Msg.Type(), ErrTooLarge, n)
	}
	return binary.BigEndian.AppendUint32(w.b, crc32.Checksum(w.b[start:], castagnoli)), nil
}

func (w *writer) frameHead(f Frame) {
	flags := byte(0)
	if f.Stream {
		flags |= flagStream
	}
	w.b = append(w.b, magic, Version, byte(f.Msg.Type()), flags)
	w.u64(uint64(f.Origin))
	w.u64(uint64(f.Now))
	if !f.Stream {
		w.uv(f.Seq)
	}
}

func (w *writer) msg(m Msg) error {
	switch m := m.(type) {
	case *Delta:
		w.delta(m)
	case *Have:
		w.digest(m.Span, m.Runs)
	case *Want:
		w.digest(m.Span, m.Runs)
	case *Advert:
		w.advert(m)
	case *Fetch:
		w.fetch(m)
	case *Body:
		w.body(m)
	case *Hello:
		return w.hello(m)
	case *InSync:
		w.u64(m.Sid)
	case *Busy:
		w.uv(m.RetryMS)
	case *Err:
		return w.refusal(m)
	default:
		return w.sessionMsg(m)
	}
	return nil
}

func (w *writer) sessionMsg(m Msg) error {
	switch m := m.(type) {
	case *Ranges:
		return w.ranges(m)
	case *Cells:
		return w.cells(m)
	case *Purge:
		w.purge(m)
	case *Shown:
		w.uv(m.Sent)
	case *Accepted:
		w.accepted(m)
	case *Ctx:
		w.ctx(m)
	case *Done:
		w.done(m)
	default:
		return ErrNoMsg
	}
	return nil
}

// Parse takes one frame apart. Nothing in the result points into b. A type of
// a later version gives a Frame without Msg and no error.
//
// A frame that is refused for a count has cost at most 8 bytes for each byte
// of b and 64 KiB. One that is accepted costs at most 16 for each byte, 48 if
// it is RANGES of the shortest bounds and nothing else, and in both cases 64
// KiB and what front coding unfolds, which is at most MaxShared.
func (c *Codec) Parse(b []byte) (Frame, error) {
	body, f, err := parseHead(b)
	if err != nil {
		return Frame{}, err
	}
	t := Type(b[2])
	r := reader{b: body, ids: &c.ids, tools: c.tools.Swap(nil)}
	if r.tools == nil {
		r.tools = &tools{Sealer: cell.Sealer{Hasher: &c.hasher}}
	}
	defer c.tools.Store(r.tools)
	if !f.Stream {
		f.Seq = r.uv()
	}
	known := true
	if f.Msg, known = r.msg(t); !known {
		return Frame{Header: f.Header}, r.err
	}
	if err := r.end(); err != nil {
		return Frame{}, fmt.Errorf("%v: %w", t, err)
	}
	return f, nil
}

// parseHead checks everything around the body and returns what is between the
// clock and the checksum.
func parseHead(b []byte) (body []byte, f Frame, err error) {
	switch {
	case len(b) < minHead+crcLen:
		return nil, f, ErrShort
	case len(b) > MaxFrame:
		return nil, f, ErrTooLarge
	case b[0] != magic:
		return nil, f, ErrMagic
	case b[1] != Version:
		return nil, f, ErrVersion
	}
	body, sum := b[:len(b)-crcLen], b[len(b)-crcLen:]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(sum) {
		return nil, f, ErrCRC
	}
	if b[3]&^flagStream != 0 {
		return nil, f, ErrFlags
	}
	f.Stream = b[3]&flagStream != 0
	f.Origin = cell.Origin(binary.BigEndian.Uint64(b[4:]))
	f.Now = hlc.Time(binary.BigEndian.Uint64(b[12:]))
	if f.Origin == 0 {
		return nil, f, ErrOrigin
	}
	return body[minHead:], f, nil
}

// msg reads the body of a type, and says whether the type is known.
func (r *reader) msg(t Type) (m Msg, known bool) {
	switch t {
	case TypeDelta:
		return r.delta(), true
	case TypeHave:
		span, runs := r.digest()
		return &Have{Span: span, Runs: runs}, true
	case TypeWant:
		span, runs := r.digest()
		return &Want{Span: span, Runs: runs}, true
	case TypeAdvert:
		return r.advert(), true
	case TypeFetch:
		return r.fetch(), true
	case TypeBody:
		return r.body(), true
	case TypeHello, TypeDiffer, TypeOpen:
		return r.hello(t), true
	case TypeInSync:
		return r.inSync(), true
	case TypeBusy:
		return r.busy(), true
	case TypeErr:
		return r.refusal(), true
	}
	return r.sessionMsg(t)
}

func (r *reader) sessionMsg(t Type) (m Msg, known bool) {
	switch t {
	case TypeRanges:
		return r.ranges(), true
	case TypeCells:
		return r.cellsMsg(), true
	case TypePurge:
		return r.purge(), true
	case TypeShown:
		return r.shown(), true
	case TypeAccepted:
		return r.accepted(), true
	case TypeCtx:
		return r.ctx(), true
	case TypeDone:
		return r.done(), true
	}
	return nil, false
}
