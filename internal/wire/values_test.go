package wire

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
)

// The values behind the golden frames. They are as frozen as the frames.

const (
	o1 = cell.Origin(0x1111111111111111)
	o2 = cell.Origin(0x2222222222222222)
	o3 = cell.Origin(0x3333333333333333)

	t1 = hlc.Time(0x0199_0000_0000_0001)
	t2 = hlc.Time(0x0199_0000_0005_0000)
	t3 = hlc.Time(0x0199_0001_0000_0002)
)

var (
	testHasher = cell.NewHasher("golden")
	testCodec  = New(testHasher)
)

// sealed makes a whole cell.
func sealed(s cell.Spec) *cell.Cell {
	c := cell.New(s)
	testHasher.Seal(c)
	return c
}

// register is the plainest cell there is.
func register(key, body string) cell.Spec {
	return cell.Spec{
		Addr: cell.At(key, "r"), Codec: "string",
		Ver: cell.Ver{T: t1, O: o1, N: 7}, Body: keep([]byte(body)),
	}
}

// combination is the cell whose CellRec has exactly these flags.
func combination(flags byte) cell.Spec {
	s := register("combo", "body")
	if flags&recTomb != 0 {
		s.Tomb, s.Codec, s.Body = true, "", nil
	}
	if flags&recPrev != 0 {
		s.Prev = []cell.Run{{O: o3, From: 9, Len: 1}, {O: o1, From: 1, Len: 6}}
	}
	if flags&recExp != 0 {
		s.Exp = 1_757_000_000_123
	}
	if flags&recOrd != 0 {
		s.Ord = t2
	}
	if flags&recBy != 0 {
		s.By = cell.Dot{O: o2, N: 300}
	}
	if flags&recBorn != 0 {
		s.Born = t3
	}
	s.PrevCut = flags&recPrevCut != 0
	if flags&recExt != 0 {
		s.Ext = []byte{0x00, 0x02, 0x04, 't', 'e', 'x', 't', 0x7e, 0x02, 0xaa, 0xbb}
	}
	return s
}

// golden is one value with its name and what it shows.
type golden struct {
	name, about string
	frame       Frame
}

func packet(m Msg) Frame {
	return Frame{Header: Header{Origin: o1, Now: t3, Seq: 300}, Msg: m}
}

func onStream(m Msg) Frame {
	return Frame{Header: Header{Origin: o2, Now: t3, Stream: true}, Msg: m}
}

func delta(span Span, cells ...*cell.Cell) Frame {
	return packet(&Delta{Groups: []Group{{Span: span, Cells: cells}}})
}

// goldenFrames are the frames of testdata/v1/frames.txt.
func goldenFrames() []golden {
	return slices.Concat(goldenGossip(), goldenRepair(), goldenSession())
}

// goldenAhead are the frames of testdata/v1/ahead.txt: RANGES in packets.
func goldenAhead() []golden {
	fp := func(b byte) [12]byte { return [12]byte{b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, b} }
	return []golden{
		{"ahead-first", "fingerprints from the lowest key on, and SKIP to the end", packet(&Ranges{Ranges: []Range{
			{Mode: ModeFP, Upper: "tenants/a", Count: 390, FP: fp(1)},
			{Mode: ModeFP, Upper: "tenants/c", Count: 391, FP: fp(2)},
			{Mode: ModeSkip},
		}})},
		{"ahead-last", "SKIP to where they begin, and fingerprints to the end", packet(&Ranges{Ranges: []Range{
			{Mode: ModeSkip, Upper: "tenants/c"},
			{Mode: ModeFP, Count: 390, FP: fp(3)},
		}})},
	}
}

func goldenGossip() []golden {
	whole := Span{Lo: 5, Hi: 4}
	plain := sealed(register("a/b", "hello"))
	floor := sealed(cell.Spec{
		Addr: cell.FloorOf("a/b"), Tomb: true, Ver: cell.Ver{T: t2, O: o2, N: 1},
		Prev: []cell.Run{{O: o1, From: 7, Len: 1}},
	})
	ver := cell.Ver{T: t1, O: o2, N: 300}
	return []golden{
		{"delta-one", "one register for the whole ring (lo-1 as in (lo, hi])", delta(whole, plain)},
		{"delta-empty-range", "the receiver serves nobody: lo equals hi", delta(Span{Lo: 9, Hi: 9}, plain)},
		{"delta-floor", "the delete of a key: class 0, no codec, Prev names what it removed", delta(whole, floor)},
		{"delta-front-coding", "addresses share what they can with the one before, from group to group too", packet(&Delta{Groups: []Group{
			{Span: Span{Lo: 1, Hi: 2}, Cells: []*cell.Cell{sealed(register("ring/ingester-1", "x")), sealed(register("ring/ingester-12", "y"))}},
			{Span: Span{Lo: 3, Hi: 3}, Cells: []*cell.Cell{sealed(register("ring/ingester-12", "z")), sealed(register("s", ""))}},
		}})},
		{"delta-unknown-class", "a class and an ext tag that version 1 does not know; Sub holds 00 and ff", delta(whole, sealed(cell.Spec{
			Addr: cell.At("k", "Zf\x00\xff"), Codec: "future", Ver: ver, Body: []byte{0, 255},
			Ext: []byte{0x80, 0xee, 0x03, 1, 2, 3},
		}))},
		{"delta-utf8", "a key outside ASCII and two codecs", delta(whole, sealed(register("schlüssel/鍵", "v")), plain,
			sealed(cell.Spec{Addr: cell.At("z", "r"), Codec: "json:conf", Ver: ver, Body: []byte("{}")}))},
		{"delta-none", "no groups", packet(&Delta{})},
	}
}

func goldenRepair() []golden {
	whole := Span{Lo: 5, Hi: 4}
	ad := register("big", "")
	ad.Body = nil
	runs := []cell.Run{{O: o1, From: 1, Len: 5}, {O: o2, From: 1 << 40, Len: 1}, {O: o1, From: 9, Len: 2}}
	ver := cell.Ver{T: t1, O: o2, N: 300}
	sum := Sum{Count: 1000, FP: [2]uint64{0x0123456789abcdef, 0xfedcba9876543210}}
	ctx := Sum{Count: 3, FP: [2]uint64{1, 2}}
	var hash [32]byte
	copy(hash[:], "0123456789abcdefghijklmnopqrstuv")
	hello := Hello{Kind: TypeHello, Sid: 0xfeed, Flags: HelloJoin, H: t1, Tree: sum, Ctx: ctx}
	differ, open := hello, hello
	differ.Kind, differ.Flags = TypeDiffer, 0
	open.Kind, open.Flags = TypeOpen, HelloProbe
	return []golden{
		{"have-random", "a random digest has no range", packet(&Have{Runs: runs})},
		{"have-part", "a part check has the part's range", packet(&Have{Span: &Span{Lo: 1, Hi: 1 << 63}, Runs: runs[:1]})},
		{"want", "the range echoed", packet(&Want{Span: &Span{Lo: 1, Hi: 1 << 63}, Runs: runs[1:]})},
		{"want-random", "no range to echo", packet(&Want{Runs: runs[:1]})},
		{"advert", "a body of 1 MiB that is to be fetched", packet(&Advert{Span: whole, Ads: []Ad{{Cell: cell.New(ad), Len: 1 << 20, Hash: hash}}})},
		{"fetch", "two bodies are asked for", onStream(&Fetch{Items: []AddrVer{{Addr: cell.At("big", "r"), Ver: ver}, {Addr: cell.At("b", "m\x00f"), Ver: ver}}})},
		{"body", "the second chunk of a body", onStream(&Body{AddrVer: AddrVer{Addr: cell.At("big", "r"), Ver: ver}, Total: 10, Offset: 6, Bytes: []byte("wxyz")})},
		{"hello", "a joiner's HELLO", packet(&hello)},
		{"differ", "the answer of one that differs", packet(&differ)},
		{"open", "the stream of a probe", onStream(&open)},
		{"insync", "the answer of one that is equal", packet(&InSync{Sid: 0xfeed})},
		{"busy", "come back in half a second", packet(&Busy{RetryMS: 500})},
		{"err", "the pin is gone", onStream(&Err{Code: CodePin, Text: "no pin for this session"})},
		{"err-unknown", "a code of a later version", packet(&Err{Code: 200})},
	}
}

func goldenSession() []golden {
	item := func(n uint64) Item {
		return Item{AddrHash: n * 0x0101010101010101, CellHash: uint32(n), Ver: cell.Ver{T: t1, O: o1 + cell.Origin(n), N: n}}
	}
	fp := [12]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	ver := cell.Ver{T: t2, O: o2, N: 2}
	return []golden{
		{"ranges-tree", "all four modes in the tree phase", onStream(&Ranges{Phase: PhaseTree, Ranges: []Range{
			{Mode: ModeSkip, Upper: "a\x00r"},
			{Mode: ModeFP, Upper: "a/long/bound", Count: 1 << 20, FP: fp},
			{Mode: ModeList, Upper: "a/long/list", Items: []Item{item(1), item(2), item(1)}},
			{Mode: ModeWant, Upper: "b", Want: []uint64{1, 1 << 63}},
			{Mode: ModeFP, Count: 0},
		}})},
		{"ranges-ctx", "the context phase: a list of origins", onStream(&Ranges{Phase: PhaseCtx, Ranges: []Range{
			{Mode: ModeFP, Upper: "\x80\x00\x00\x00\x00\x00\x00\x00", Count: 12, FP: fp},
			{Mode: ModeList, Items: []Item{{Origin: o3, Hash: 0xabcdef}}},
		}})},
		{"ranges-whole", "one range over everything is equal", onStream(&Ranges{Ranges: []Range{{Mode: ModeSkip}}})},
		{"cells", "three cells, the second's body follows", onStream(&Cells{
			Cells: []*cell.Cell{
				sealed(register("k1", "v1")),
				cell.New(cell.Spec{Addr: cell.At("k2", "r"), Ver: ver}),
				sealed(combination(0xff)),
			},
			Deferred: []Deferral{{Index: 1, Len: MaxValue}},
		})},
		{"cells-none", "nothing to give", onStream(&Cells{})},
		{"purge", "two dots were replaced", onStream(&Purge{Items: []AddrDot{
			{Addr: cell.At("k1", "r"), Dot: cell.Dot{O: o1, N: 7}}, {Addr: cell.FloorOf("k2"), Dot: cell.Dot{O: o2, N: 1 << 33}},
		}})},
		{"shown", "all was shown", onStream(&Shown{Sent: 1234})},
		{"accepted-yes", "nothing was refused", onStream(&Accepted{Yes: true})},
		{"accepted-no", "three cells were refused", onStream(&Accepted{Refused: 3})},
		{"ctx", "one origin with three spans, one with a single dot far out", onStream(&Ctx{Entries: []*cell.Entry{
			entry(o1, t2, cell.Span{From: 1, Len: 9}, cell.Span{From: 11, Len: 1}, cell.Span{From: 300, Len: 70000}),
			entry(o2, t1, cell.Span{From: 1 << 40, Len: 1}),
		}})},
		{"done", "nine changed, two differ", onStream(&Done{Changed: 9, Differing: 2})},
	}
}

// goldenCells are the frames of testdata/v1/cells.txt: every combination of
// the flags of a CellRec.
func goldenCells() []golden {
	names := []string{"tomb", "prev", "exp", "ord", "by", "born", "prevcut", "ext"}
	var out []golden
	for flags := range 256 {
		var on []string
		for i, name := range names {
			if flags&(1<<i) != 0 {
				on = append(on, name)
			}
		}
		about := strings.Join(on, " ")
		if about == "" {
			about = "no flag"
		}
		out = append(out, golden{fmt.Sprintf("flags-%02x", flags), about, delta(Span{Lo: 1, Hi: 2}, sealed(combination(byte(flags))))})
	}
	return out
}

// atLimit is a frame on a stream of MaxFrame bytes and over more.
func atLimit(over int) Frame {
	f := onStream(&Body{AddrVer: AddrVer{Addr: cell.At("big", "r"), Ver: cell.Ver{T: t1, O: o1, N: 1}}, Total: MaxValue})
	body := f.Msg.(*Body)
	body.Bytes = bytes.Repeat([]byte{0}, MaxFrame/2)
	b, err := testCodec.Append(nil, f)
	if err != nil {
		panic(err)
	}
	body.Bytes = make([]byte, MaxFrame/2+MaxFrame-len(b)+over)
	for i := range body.Bytes {
		body.Bytes[i] = byte(i * 7)
	}
	return f
}

func entry(o cell.Origin, lastT hlc.Time, spans ...cell.Span) *cell.Entry {
	return cell.NewEntry(o, lastT, spans)
}

func equal(a, b Frame) bool { return reflect.DeepEqual(a, b) }
