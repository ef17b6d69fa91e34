package wire

import (
	"bytes"
	"encoding/binary"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
)

// reader takes a body apart. The first error stays and empties the rest, so
// that callers check once per loop: every method returns zeros after it.
type reader struct {
	tools  *tools
	b      []byte
	err    error
	ids    *interned
	dict   []byte // the raw origins of the table
	codecs table[string]
	prev   string // the address or bound before, for front coding
	shared int    // bytes that front coding has unfolded in this frame
}

// tools is what one frame after the other is read with.
type tools struct {
	cell.Sealer
	one [1]cell.Run // the Prev of the cell before, if it was one run: cell.New has copied it
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

// take returns the next n bytes, which still belong to the packet.
func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.fail(ErrEnds)
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// keep copies what outlives the packet; nothing stays nil.
func keep(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return bytes.Clone(b)
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail(ErrEnds)
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) u64() uint64 {
	if len(r.b) < 8 {
		r.fail(ErrEnds)
		return 0
	}
	v := binary.BigEndian.Uint64(r.b)
	r.b = r.b[8:]
	return v
}

// uv reads a varint. Only the shortest form of a number is one, so that equal
// values have equal bytes.
func (r *reader) uv() uint64 {
	v, n := binary.Uvarint(r.b)
	switch {
	case n == 0:
		r.fail(ErrEnds)
	case n < 0 || n > 1 && r.b[n-1] == 0:
		r.fail(ErrVarint)
	default:
		r.b = r.b[n:]
		return v
	}
	return 0
}

// count reads how many things of at least size bytes follow. A count that the
// bytes left cannot hold is refused here, before anything is made for it.
func (r *reader) count(size int) int {
	n := r.uv()
	if n > uint64(len(r.b)/size) {
		r.fail(ErrCount)
		return 0
	}
	return int(n)
}

// text reads a length of at most limit and the bytes, which still belong to
// the packet; a longer one is the error over.
func (r *reader) text(limit int, over error) []byte {
	n := r.uv()
	if n > uint64(limit) {
		r.fail(over)
		return nil
	}
	return r.take(int(n))
}

// value reads a length of a body that is elsewhere.
func (r *reader) value() uint64 {
	n := r.uv()
	if n > MaxValue {
		r.fail(ErrValue)
		return 0
	}
	return n
}

// end fails if bytes are left.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.err = ErrTrailing
	}
	return r.err
}

// origins reads the table of origins: uv n, n x origin 8.
func (r *reader) origins() {
	r.dict = r.take(r.count(8) * 8)
}

// codecTable reads the codec ids: uv n, n x string.
func (r *reader) codecTable() {
	n := r.count(2)
	r.codecs.room(n)
	for range n {
		id := r.text(MaxCodecID, ErrCodec)
		if r.err == nil && (len(id) == 0 || !isText(id)) {
			r.fail(ErrCodec)
		}
		if r.err != nil {
			return
		}
		r.codecs.add(r.ids.get(id))
	}
}

// origin reads an index of the table.
func (r *reader) origin() cell.Origin {
	i := r.uv()
	if r.err != nil {
		return 0
	}
	if i >= uint64(len(r.dict)/8) {
		r.fail(ErrOrigin)
		return 0
	}
	return r.nonzero(binary.BigEndian.Uint64(r.dict[i*8:]))
}

// origin8 reads an origin in full.
func (r *reader) origin8() cell.Origin { return r.nonzero(r.u64()) }

func (r *reader) nonzero(o uint64) cell.Origin {
	if o == 0 {
		r.fail(ErrOrigin)
	}
	return cell.Origin(o)
}

// codec reads an index of the codec table; 0 is no codec.
func (r *reader) codec() string {
	i := r.uv()
	switch {
	case i == 0:
		return ""
	case i > uint64(r.codecs.n):
		r.fail(ErrCodec)
		return ""
	}
	return r.codecs.at(int(i) - 1)
}

// ver reads T 8 | O# | N uv.
func (r *reader) ver() cell.Ver {
	return r.whole(cell.Ver{T: hlc.Time(r.u64()), O: r.origin(), N: r.uv()})
}

// ver8 reads T 8 | O 8 | N uv.
func (r *reader) ver8() cell.Ver {
	return r.whole(cell.Ver{T: hlc.Time(r.u64()), O: r.origin8(), N: r.uv()})
}

func (r *reader) whole(v cell.Ver) cell.Ver {
	if v.T == 0 || v.N == 0 {
		r.fail(ErrVer)
	}
	return v
}

// dot reads O# | N uv.
func (r *reader) dot() cell.Dot {
	d := cell.Dot{O: r.origin(), N: r.uv()}
	if d.N == 0 {
		r.fail(ErrVer)
	}
	return d
}

// runs reads n x (O#, from uv, len uv).
func (r *reader) runs(n int) []cell.Run {
	if n == 0 || r.err != nil {
		return nil
	}
	return r.runsInto(make([]cell.Run, n))
}

func (r *reader) runsInto(out []cell.Run) []cell.Run {
	for i := range out {
		run := cell.Run{O: r.origin(), From: r.uv(), Len: r.uv()}
		if run.From == 0 || run.Len == 0 || run.From+(run.Len-1) < run.From {
			r.fail(ErrRuns)
		}
		if r.err != nil {
			return nil
		}
		out[i] = run
	}
	return out
}

// unfold reads shared uv | suffix string, front coded against what was read
// before, and returns a string of its own.
func (r *reader) unfold() string {
	n := r.uv()
	if n > uint64(len(r.prev)) {
		r.fail(ErrCount)
		return ""
	}
	r.shared += int(n)
	if r.shared > MaxShared {
		r.fail(ErrTooLarge)
		return ""
	}
	suffix := r.text(MaxAddr-int(n), ErrAddr)
	if r.err != nil {
		return ""
	}
	if n == 0 {
		r.prev = string(suffix)
	} else {
		r.prev = r.prev[:n] + string(suffix)
	}
	return r.prev
}

// span reads lo 8 | hi 8.
func (r *reader) span() Span { return Span{Lo: r.u64(), Hi: r.u64()} }
