package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/starlingkv/starling/internal/cell"
)

// raw builds frames that Append would not: a type and the bytes of a body.
func raw(typ Type, body ...byte) []byte {
	b := []byte{magic, Version, byte(typ), flagStream}
	b = binary.BigEndian.AppendUint64(b, uint64(o1))
	b = binary.BigEndian.AppendUint64(b, uint64(t1))
	return resum(append(append(b, body...), 0, 0, 0, 0))
}

// resum gives a frame the checksum of what it holds now.
func resum(b []byte) []byte {
	n := len(b) - crcLen
	binary.BigEndian.PutUint32(b[n:], crc32.Checksum(b[:n], castagnoli))
	return b
}

func join(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case rune:
			b = append(b, byte(p))
		case int:
			b = append(b, byte(p))
		case uint64:
			b = binary.BigEndian.AppendUint64(b, p)
		case string:
			b = append(b, p...)
		case []byte:
			b = append(b, p...)
		default:
			panic("join: what is this?")
		}
	}
	return b
}

func str(s string) []byte { return append(binary.AppendUvarint(nil, uint64(len(s))), s...) }

// tables is a table of one origin and no codec.
var tables = join(1, uint64(o2), 0)

// rec is a CellRec of a register at an address without its optional fields.
func rec(flags int, addr string, class byte, optional ...any) []byte {
	return join(flags, int(class), 0, 0, str(addr), uint64(t1), 0, 1, join(optional...), 0)
}

// deltaOf is a DELTA of one record.
func deltaOf(rec []byte) []byte {
	return raw(TypeDelta, join(tables, 1, uint64(1), uint64(2), 1, rec)...)
}

// refusal is a frame that must not pass, and why.
type refusal struct {
	name string
	b    []byte
	want error
}

// goodDelta is the frame that others are broken from.
func goodDelta() []byte { return deltaOf(rec(0, "k\x00r", 'r')) }

// max64 is the largest number.
var max64 = binary.AppendUvarint(nil, math.MaxUint64)

func TestParseRefuses(t *testing.T) {
	if _, err := testCodec.Parse(goodDelta()); err != nil {
		t.Fatalf("the frame that the others are broken from: %v", err)
	}
	for _, tt := range slices.Concat(
		refusedFrames(), refusedTables(), refusedPlaces(),
		refusedOptions(), refusedGossip(), refusedSession(),
	) {
		f, err := testCodec.Parse(tt.b)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: got %+v, %v; want %v", tt.name, f.Msg, err, tt.want)
		} else if got, want := Reason(err), tt.want.(*Error).reason; got != want {
			t.Errorf("%s: counted as %q, want %q", tt.name, got, want)
		}
	}
}

// refusedFrames breaks what is around the body.
func refusedFrames() []refusal {
	good := goodDelta()
	patch := func(at int, v byte) []byte {
		b := bytes.Clone(good)
		b[at] = v
		return resum(b)
	}
	return []refusal{
		{"nothing", nil, ErrShort},
		{"short", good[:minHead+crcLen-1], ErrShort},
		{"long", make([]byte, MaxFrame+1), ErrTooLarge},
		{"magic", patch(0, 0x0a), ErrMagic},
		{"version", patch(1, 2), ErrVersion},
		{"zstd flag", patch(3, flagStream|1), ErrFlags},
		{"group flag", patch(3, flagStream|2), ErrFlags},
		{"high flag", patch(3, flagStream|0x80), ErrFlags},
		{"sender 0", resum(append(append(append([]byte(nil), good[:4]...), make([]byte, 8)...), good[12:]...)), ErrOrigin},
		{"trailing", raw(TypeInSync, join(uint64(1), 0)...), ErrTrailing},
		{"ends", raw(TypeInSync, 1, 2, 3), ErrEnds},
		{"long varint", raw(TypeShown, 0x80, 0x00), ErrVarint},
		{"wide varint", raw(TypeShown, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02), ErrVarint},
		{"cut varint", raw(TypeShown, 0x80), ErrEnds},
	}
}

// refusedTables breaks the tables.
func refusedTables() []refusal {
	return []refusal{
		{"table count", raw(TypeDelta, max64...), ErrCount},
		{"codec count", raw(TypeDelta, join(0, max64)...), ErrCount},
		{"codec empty", raw(TypeDelta, join(0, 1, 0, 0)...), ErrCodec},
		{"codec control", raw(TypeDelta, join(0, 1, str("\n"), 0)...), ErrCodec},
		{"codec long", raw(TypeDelta, join(0, 1, str(strings.Repeat("c", 256)), 0)...), ErrCodec},
		{"group count", raw(TypeDelta, join(tables, max64)...), ErrCount},
		{"cell count", raw(TypeDelta, join(tables, 1, uint64(1), uint64(2), max64)...), ErrCount},
	}
}

// refusedPlaces breaks where a cell stands and which write it is.
func refusedPlaces() []refusal {
	return []refusal{
		{"no separator", deltaOf(rec(0, "kr", 'r')), ErrAddr},
		{"no key", deltaOf(rec(0, "\x00r", 'r')), ErrAddr},
		{"no address", deltaOf(rec(0, "", 'r')), ErrAddr},
		{"control", deltaOf(rec(0, "a\x1fb\x00r", 'r')), ErrAddr},
		{"delete character", deltaOf(rec(0, "a\x7fb\x00r", 'r')), ErrAddr},
		{"C1 control", deltaOf(rec(0, "a\u0085b\x00r", 'r')), ErrAddr},
		{"not UTF-8", deltaOf(rec(0, "a\xff\x00r", 'r')), ErrAddr},
		{"long key", deltaOf(rec(0, strings.Repeat("k", MaxKey+1)+"\x00r", 'r')), ErrAddr},
		{"long sub", deltaOf(rec(0, "k\x00r"+strings.Repeat("s", MaxSub), 'r')), ErrAddr},
		{"long address", deltaOf(rec(0, "k\x00r"+strings.Repeat("s", MaxAddr), 'r')), ErrAddr},
		{"other class", deltaOf(rec(0, "k\x00r", 'm')), ErrClass},
		{"class 0", deltaOf(rec(recTomb, "k\x00\x00", 0)), ErrClass},
		{"live floor", deltaOf(rec(0, "k\x00", 0)), ErrClass},
		{"floor with class", deltaOf(rec(recTomb, "k\x00", 'r')), ErrClass},
		{"shared first", deltaOf(join(0, 'r', 0, 1, str("\x00r"), uint64(t1), 0, 1, 0)), ErrCount},
		{"codec number", deltaOf(join(0, 'r', 1, 0, str("k\x00r"), uint64(t1), 0, 1, 0)), ErrCodec},
		{"T 0", deltaOf(join(0, 'r', 0, 0, str("k\x00r"), uint64(0), 0, 1, 0)), ErrVer},
		{"N 0", deltaOf(join(0, 'r', 0, 0, str("k\x00r"), uint64(t1), 0, 0, 0)), ErrVer},
		{"origin number", deltaOf(join(0, 'r', 0, 0, str("k\x00r"), uint64(t1), 1, 1, 0)), ErrOrigin},
		{"origin 0", raw(TypeDelta, join(1, uint64(0), 0, 1, uint64(1), uint64(2), 1, rec(0, "k\x00r", 'r'))...), ErrOrigin},
		{"body over the end", deltaOf(join(0, 'r', 0, 0, str("k\x00r"), uint64(t1), 0, 1, 9)), ErrEnds},
		{"body over the limit", deltaOf(join(0, 'r', 0, 0, str("k\x00r"), uint64(t1), 0, 1, max64)), ErrValue},
	}
}

// refusedOptions breaks the optional fields of a CellRec.
func refusedOptions() []refusal {
	return []refusal{
		{"Ord 0", deltaOf(rec(recOrd, "k\x00r", 'r', uint64(0))), ErrField},
		{"Ord is T", deltaOf(rec(recOrd, "k\x00r", 'r', uint64(t1))), ErrField},
		{"By N 0", deltaOf(rec(recBy, "k\x00r", 'r', 0, 0)), ErrVer},
		{"By is the dot", deltaOf(rec(recBy, "k\x00r", 'r', 0, 1)), ErrField},
		{"Born 0", deltaOf(rec(recBorn, "k\x00r", 'r', uint64(0))), ErrField},
		{"Born is T", deltaOf(rec(recBorn, "k\x00r", 'r', uint64(t1))), ErrField},
		{"Born is Ord", deltaOf(rec(recOrd|recBorn, "k\x00r", 'r', uint64(t2), uint64(t2))), ErrField},
		{"Exp 0", deltaOf(rec(recExp, "k\x00r", 'r', uint64(0))), ErrField},
		{"Exp negative", deltaOf(rec(recExp, "k\x00r", 'r', uint64(1<<63))), ErrField},
		{"Prev none", deltaOf(rec(recPrev, "k\x00r", 'r', 0, "xxxx")), ErrRuns},
		{"Prev 17", deltaOf(rec(recPrev, "k\x00r", 'r', 17, strings.Repeat("\x00\x01\x01", 17))), ErrRuns},
		{"Prev from 0", deltaOf(rec(recPrev, "k\x00r", 'r', 1, 0, 0, 1)), ErrRuns},
		{"Prev len 0", deltaOf(rec(recPrev, "k\x00r", 'r', 1, 0, 1, 0)), ErrRuns},
		{"Prev overflow", deltaOf(rec(recPrev, "k\x00r", 'r', 1, 0, 2, max64)), ErrRuns},
		{"ext empty", deltaOf(rec(recExt, "k\x00r", 'r', 0)), ErrExt},
		{"ext half tag", deltaOf(rec(recExt, "k\x00r", 'r', str("\x00\x02"))), ErrExt},
		{"ext long tag", deltaOf(rec(recExt, "k\x00r", 'r', str("\x00\x02\x05abcd"))), ErrExt},
		{"ext over the limit", deltaOf(rec(recExt, "k\x00r", 'r', str(strings.Repeat("\x00", MaxExt+1)))), ErrExt},
	}
}

// refusedGossip breaks packets.
func refusedGossip() []refusal {
	return []refusal{
		{"have flag", raw(TypeHave, 0, 2, 0), ErrFlags},
		{"have count", raw(TypeHave, join(0, 0, max64)...), ErrCount},
		{"have empty run", raw(TypeHave, join(1, uint64(o1), 0, 1, 0, 1, 0)...), ErrRuns},
		{"advert count", raw(TypeAdvert, join(0, 0, uint64(1), uint64(2), max64)...), ErrCount},
		{"advert length", raw(TypeAdvert, join(tables, uint64(1), uint64(2), 1, 0, 'r', 0, 0, str("k\x00r"), uint64(t1), 0, 1, max64, make([]byte, 32))...), ErrValue},
		{"fetch count", raw(TypeFetch, max64...), ErrCount},
		{"fetch origin 0", raw(TypeFetch, join(1, str("k\x00r"), uint64(t1), uint64(0), 1)...), ErrOrigin},
		{"body beyond total", raw(TypeBody, join(str("k\x00r"), uint64(t1), uint64(o1), 1, 3, 2, str("ab"))...), ErrValue},
		{"body total", raw(TypeBody, join(str("k\x00r"), uint64(t1), uint64(o1), 1, max64, 0, 0)...), ErrValue},
		{"hello flag", raw(TypeHello, join(uint64(1), 4, uint64(1), 0, uint64(0), uint64(0), 0, uint64(0), uint64(0))...), ErrFlags},
		{"err text", raw(TypeErr, join(1, str("\xff"))...), ErrText},
		{"err long", raw(TypeErr, join(1, str(strings.Repeat("e", MaxText+1)))...), ErrText},
	}
}

// refusedSession breaks sessions.
func refusedSession() []refusal {
	return []refusal{
		{"phase", raw(TypeRanges, 2, 0, 1, toEnd), ErrMode},
		{"mode", raw(TypeRanges, 0, 0, 1, toEnd|4), ErrMode},
		{"no ranges", raw(TypeRanges, 0, 0, 0), ErrBounds},
		{"range count", raw(TypeRanges, join(0, 0, max64)...), ErrCount},
		{"not to the end", raw(TypeRanges, join(0, 0, 1, 0, 0, str("a"))...), ErrBounds},
		{"end in the middle", raw(TypeRanges, 0, 0, 2, toEnd, toEnd), ErrBounds},
		{"bounds equal", raw(TypeRanges, join(0, 0, 3, 0, 0, str("a"), 0, 1, 0, toEnd)...), ErrBounds},
		{"bounds fall", raw(TypeRanges, join(0, 0, 3, 0, 0, str("b"), 0, 0, str("a"), toEnd)...), ErrBounds},
		{"bound long", raw(TypeRanges, join(0, 0, 2, 0, 0, str(strings.Repeat("b", MaxAddr+1)), toEnd)...), ErrAddr},
		{"bound empty", raw(TypeRanges, 0, 0, 2, 0, 0, 0, toEnd), ErrBounds},
		{"list count", raw(TypeRanges, join(0, 0, 1, toEnd|int(ModeList), max64)...), ErrCount},
		{"want count", raw(TypeRanges, join(0, 0, 1, toEnd|int(ModeWant), max64)...), ErrCount},
		{"cells count", raw(TypeCells, join(0, 0, max64)...), ErrCount},
		{"deferred count", raw(TypeCells, join(0, 0, 0, max64)...), ErrCount},
		{"deferred index", raw(TypeCells, join(tables, 1, 1, 1, 5, rec(0, "k\x00r", 'r'))...), ErrCount},
		{"deferred twice", raw(TypeCells, join(tables, 2, 2, 0, 5, 0, 5, rec(0, "k\x00r", 'r'), rec(0, "k\x00r", 'r'))...), ErrCount},
		{"deferred length", raw(TypeCells, join(tables, 1, 1, 0, max64, rec(0, "k\x00r", 'r'))...), ErrValue},
		{"purge count", raw(TypePurge, join(0, max64)...), ErrCount},
		{"purge address", raw(TypePurge, join(1, uint64(o1), 1, str("krx"), 0, 1)...), ErrAddr},
		{"accepted", raw(TypeAccepted, 2, 0), ErrMode},
		{"ctx count", raw(TypeCtx, max64...), ErrCount},
		{"ctx too short for two", raw(TypeCtx, join(2, uint64(o1), uint64(1), 1, 0, 1)...), ErrCount},
		{"ctx origin", raw(TypeCtx, join(1, uint64(0), uint64(1), 1, 0, 1)...), ErrOrigin},
		{"ctx no span", raw(TypeCtx, join(1, uint64(o1), uint64(1), 0, 0, 0)...), ErrRuns},
		{"ctx span count", raw(TypeCtx, join(1, uint64(o1), uint64(1), max64)...), ErrCount},
		{"ctx touching", raw(TypeCtx, join(1, uint64(o1), uint64(1), 2, 0, 1, 0, 1)...), ErrRuns},
		{"ctx empty span", raw(TypeCtx, join(1, uint64(o1), uint64(1), 1, 0, 0)...), ErrRuns},
		{"ctx gap overflow", raw(TypeCtx, join(1, uint64(o1), uint64(1), 1, max64, 1)...), ErrRuns},
		{"ctx len overflow", raw(TypeCtx, join(1, uint64(o1), uint64(1), 1, 1, max64)...), ErrRuns},
	}
}

func TestBodyErrorsAreErrBody(t *testing.T) {
	_, err := testCodec.Parse(raw(TypeShown, 0x80, 0x00))
	if !errors.Is(err, ErrBody) || !errors.Is(err, ErrVarint) {
		t.Errorf("got %v, want ErrVarint and ErrBody", err)
	}
	if _, err = testCodec.Parse(nil); errors.Is(err, ErrBody) {
		t.Errorf("a frame without a head is no error of a body: %v", err)
	}
	if got := Reason(errors.New("x")); got != "other" {
		t.Errorf("reason of a foreign error: %q", got)
	}
}

func TestParseUnknownType(t *testing.T) {
	b := raw(0x7f, 1, 2, 3)
	f, err := testCodec.Parse(b)
	if err != nil || f.Msg != nil || f.Origin != o1 || f.Now != t1 || !f.Stream {
		t.Errorf("got %+v, %v; want the header without a message", f, err)
	}
	b[minHead] ^= 1
	if _, err := testCodec.Parse(b); !errors.Is(err, ErrCRC) {
		t.Errorf("got %v, want ErrCRC", err)
	}
}

// otherMsg is a message that has no bytes.
type otherMsg struct{}

func (otherMsg) Type() Type { return TypeDelta }

func TestAppendRefuses(t *testing.T) {
	skip := Range{Mode: ModeSkip}
	for _, tt := range []struct {
		name string
		m    Msg
		want error
	}{
		{"nothing", nil, ErrNoMsg},
		{"unknown", otherMsg{}, ErrNoMsg},
		{"hello of no kind", &Hello{}, ErrNoMsg},
		{"too large", atLimit(1).Msg, ErrTooLarge},
		{"deferred out of order", &Cells{Cells: []*cell.Cell{sealed(register("k", ""))}, Deferred: []Deferral{{Index: 1}}}, ErrCount},
		{"no end", &Ranges{Ranges: []Range{{Upper: "a"}}}, ErrBounds},
		{"end in the middle", &Ranges{Ranges: []Range{skip, skip}}, ErrBounds},
		{"falling", &Ranges{Ranges: []Range{{Upper: "b"}, {Upper: "a"}, skip}}, ErrBounds},
		{"no ranges", &Ranges{}, ErrBounds},
		{"mode", &Ranges{Ranges: []Range{{Mode: 4}}}, ErrMode},
		{"phase", &Ranges{Phase: 2, Ranges: []Range{skip}}, ErrMode},
		{"long text", &Err{Text: strings.Repeat("e", MaxText+1)}, ErrText},
	} {
		b := []byte("before")
		got, err := testCodec.Append(b, onStream(tt.m))
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
		if string(got) != "before" {
			t.Errorf("%s: returned %q, want what was there before", tt.name, got)
		}
	}
}

// TestParseKeepsNothing overwrites the packet after parsing it.
func TestParseKeepsNothing(t *testing.T) {
	for _, g := range append(goldenFrames(), goldenCells()...) {
		b := mustAppend(t, g.frame)
		f := mustParse(t, b)
		clear(b)
		if !equal(f, g.frame) {
			t.Errorf("%s: the frame changed with the packet", g.name)
		}
	}
}
