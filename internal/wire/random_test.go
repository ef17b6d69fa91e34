package wire

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
)

// gen draws messages of every type, the extremes often.
type gen struct{ *rand.Rand }

func (g gen) bit() bool { return g.IntN(2) == 0 }

func (g gen) number() uint64 { return g.Uint64()>>g.IntN(64) | 1 }

func (g gen) some(most int) int { return g.IntN(most + 1) }

func (g gen) origin() cell.Origin {
	if g.IntN(8) == 0 {
		return cell.Origin(g.number())
	}
	return cell.Origin(1 + g.IntN(20))
}

func (g gen) dot() cell.Dot { return cell.Dot{O: g.origin(), N: g.number()} }

func (g gen) ver() cell.Ver {
	return cell.Ver{T: hlc.Time(g.number()), O: g.origin(), N: g.number()}
}

func (g gen) bytes(most int) []byte {
	b := make([]byte, g.some(most))
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return keep(b)
}

func (g gen) key() string {
	const letters = "ab/é鍵-9"
	var sb strings.Builder
	for range 1 + g.IntN(12) {
		r := []rune(letters)
		sb.WriteRune(r[g.IntN(len(r))])
	}
	if g.IntN(50) == 0 {
		return strings.Repeat("k", MaxKey)
	}
	return sb.String()
}

func (g gen) addr() cell.Addr {
	class := byte(1 + g.IntN(255))
	switch g.IntN(6) {
	case 0:
		return cell.FloorOf(g.key())
	case 1:
		return cell.At(g.key(), string(class)+string(g.bytes(MaxSub-2)))
	default:
		return cell.At(g.key(), "r")
	}
}

func (g gen) runs(most int) []cell.Run {
	var out []cell.Run
	for range g.some(most) {
		n := g.number() >> 1
		out = append(out, cell.Run{O: g.origin(), From: n + 1, Len: g.number() >> 1})
	}
	for i := range out {
		out[i].Len = max(1, out[i].Len)
	}
	return out
}

func (g gen) spec() cell.Spec {
	s := cell.Spec{Addr: g.addr(), Ver: g.ver(), Tomb: g.bit(), Body: g.bytes(40)}
	s.Tomb = s.Tomb || s.Addr.IsFloor()
	s.Codec = []string{"", "string", "json", strings.Repeat("c", MaxCodecID), "µ"}[g.IntN(5)]
	if g.IntN(3) == 0 {
		s.Ord, s.Born, s.Exp = hlc.Time(g.number()), hlc.Time(g.number()), int64(g.number()>>1)
	}
	if g.IntN(3) == 0 {
		s.By, s.Prev, s.PrevCut = g.dot(), g.runs(MaxPrev), g.bit()
	}
	if g.IntN(3) == 0 {
		value := g.bytes(100)
		s.Ext = append([]byte{byte(g.Uint32()), byte(g.Uint32()), byte(len(value))}, value...)
	}
	return s
}

func (g gen) cells(most int) []*cell.Cell {
	var out []*cell.Cell
	for range g.some(most) {
		out = append(out, sealed(g.spec()))
	}
	return out
}

func (g gen) span() Span { return Span{Lo: g.Uint64(), Hi: g.Uint64()} }

func (g gen) sum() Sum { return Sum{Count: g.Uint64(), FP: [2]uint64{g.Uint64(), g.Uint64()}} }

func (g gen) frame() Frame {
	f := Frame{Header: Header{Origin: g.origin(), Now: hlc.Time(g.Uint64()), Stream: g.bit()}}
	if !f.Stream {
		f.Seq = g.number()
	}
	if g.bit() {
		f.Msg = g.gossip()
	} else {
		f.Msg = g.session()
	}
	return f
}

func (g gen) gossip() Msg {
	switch g.IntN(8) {
	case 0:
		m := &Delta{}
		for range g.some(3) {
			m.Groups = append(m.Groups, Group{Span: g.span(), Cells: g.cells(5)})
		}
		return m
	case 1:
		span := g.span()
		return &Have{Span: &span, Runs: g.runs(40)}
	case 2:
		return &Want{Runs: g.runs(40)}
	case 3:
		m := &Advert{Span: g.span()}
		for range g.some(4) {
			s := g.spec()
			s.Body = nil
			m.Ads = append(m.Ads, Ad{Cell: cell.New(s), Len: g.Uint64N(MaxValue + 1), Hash: [32]byte{1, byte(g.Uint32())}})
		}
		return m
	case 4:
		m := &Fetch{}
		for range g.some(5) {
			m.Items = append(m.Items, AddrVer{Addr: g.addr(), Ver: g.ver()})
		}
		return m
	case 5:
		b := g.bytes(60)
		offset := g.Uint64N(MaxValue - 60)
		return &Body{AddrVer: AddrVer{Addr: g.addr(), Ver: g.ver()}, Total: offset + uint64(len(b)), Offset: offset, Bytes: b}
	case 6:
		kind := []Type{TypeHello, TypeDiffer, TypeOpen}[g.IntN(3)]
		return &Hello{Kind: kind, Sid: g.Uint64(), Flags: HelloFlags(g.IntN(4)), H: hlc.Time(g.Uint64()), Tree: g.sum(), Ctx: g.sum()}
	default:
		return &InSync{Sid: g.Uint64()}
	}
}

func (g gen) session() Msg {
	switch g.IntN(9) {
	case 0:
		return g.ranges()
	case 1:
		m := &Cells{Cells: g.cells(6)}
		for i, c := range m.Cells {
			if g.IntN(3) == 0 {
				s := c.Spec()
				s.Body = nil
				m.Cells[i] = cell.New(s)
				m.Deferred = append(m.Deferred, Deferral{Index: i, Len: g.Uint64N(MaxValue + 1)})
			}
		}
		return m
	case 2:
		m := &Purge{}
		for range g.some(6) {
			m.Items = append(m.Items, AddrDot{Addr: g.addr(), Dot: g.dot()})
		}
		return m
	case 3:
		return &Shown{Sent: g.number()}
	case 4:
		return &Accepted{Yes: g.bit(), Refused: g.number()}
	case 5:
		m := &Ctx{}
		for range g.some(6) {
			m.Entries = append(m.Entries, entry(g.origin(), hlc.Time(g.Uint64()), g.spans()...))
		}
		return m
	case 6:
		return &Done{Changed: g.number(), Differing: g.number()}
	case 7:
		return &Busy{RetryMS: g.number()}
	default:
		return &Err{Code: ErrCode(g.Uint32()), Text: g.key()}
	}
}

func (g gen) spans() []cell.Span {
	next := uint64(1)
	var out []cell.Span
	for range 1 + g.IntN(10) {
		s := cell.Span{From: next + g.number()>>8, Len: g.number()>>8 + 1}
		out = append(out, s)
		next = s.From + s.Len + 1
	}
	return out
}

func (g gen) ranges() *Ranges {
	m := &Ranges{Phase: Phase(g.IntN(2))}
	upper := ""
	for range 1 + g.IntN(12) {
		upper += string(append(g.bytes(8), byte(1+g.IntN(255))))
		rg := Range{Mode: Mode(g.IntN(4)), Upper: upper}
		switch rg.Mode {
		case ModeFP:
			rg.Count, rg.FP[11] = g.number(), byte(g.Uint32())
		case ModeList:
			rg.Items = g.items(m.Phase)
		case ModeWant:
			for range g.some(5) {
				rg.Want = append(rg.Want, g.Uint64())
			}
		}
		m.Ranges = append(m.Ranges, rg)
	}
	m.Ranges[len(m.Ranges)-1].Upper = ""
	return m
}

func (g gen) items(p Phase) []Item {
	var out []Item
	for range g.some(5) {
		if p == PhaseCtx {
			out = append(out, Item{Origin: g.origin(), Hash: g.Uint64()})
		} else {
			out = append(out, Item{AddrHash: g.Uint64(), CellHash: g.Uint32(), Ver: g.ver()})
		}
	}
	return out
}

// TestRoundTrip is law L7: what is written is what is read.
func TestRoundTrip(t *testing.T) {
	g := gen{rand.New(rand.NewPCG(1, 7))}
	seen := make(map[Type]int)
	for i := range 30_000 {
		f := g.frame()
		b := mustAppend(t, f)
		if got := mustParse(t, b); !equal(got, f) {
			t.Fatalf("frame %d: %v\n got %+v\nwant %+v", i, f.Msg.Type(), got, f)
		}
		seen[f.Msg.Type()]++
	}
	for typ := range typeNames {
		if typ != TypeWant && seen[typ] == 0 {
			t.Errorf("no %v was drawn", typ)
		}
	}
}

// TestSizesBound checks the bounds by which frames are filled, and that they
// are near enough to be of use.
func TestSizesBound(t *testing.T) {
	g := gen{rand.New(rand.NewPCG(2, 7))}
	var sum, real int
	for range 30_000 {
		f := g.frame()
		n, ok := bound(f.Msg)
		if !ok {
			continue
		}
		b := mustAppend(t, f)
		if len(b) > n {
			t.Fatalf("%v has %d bytes, its bound is %d", f.Msg.Type(), len(b), n)
		}
		if _, chunk := f.Msg.(*Body); !chunk { // whose bound takes the longest address
			sum, real = sum+n, real+len(b)
		}
	}
	if float64(sum) > 1.3*float64(real) {
		t.Errorf("bounds say %d for %d bytes: too wide", sum, real)
	}
}

// bound adds up what size.go says of a message.
func bound(m Msg) (n int, ok bool) {
	var prev cell.Addr
	switch m := m.(type) {
	case *Delta:
		n = DeltaSize
		for _, g := range m.Groups {
			n += GroupSize
			for _, c := range g.Cells {
				n += CellSize(prev, c)
				prev = c.Addr
			}
		}
	case *Have:
		n = HaveSize + len(m.Runs)*RunSize
	case *Want:
		n = HaveSize + len(m.Runs)*RunSize
	case *Advert:
		n = AdvertSize
		for _, ad := range m.Ads {
			n += AdSize(prev, ad.Cell)
			prev = ad.Cell.Addr
		}
	case *Fetch:
		n = FetchSize
		for _, it := range m.Items {
			n += FetchItemSize(it.Addr)
		}
	case *Body:
		n = MaxFrame - MaxChunk + len(m.Bytes)
	case *Purge:
		n = PurgeSize
		for _, it := range m.Items {
			n += PurgeItemSize(it.Addr)
		}
	default:
		return boundSession(m)
	}
	return n, true
}

func boundSession(m Msg) (n int, ok bool) {
	switch m := m.(type) {
	case *Cells:
		n = CellsSize + len(m.Deferred)*DeferSize
		for _, c := range m.Cells {
			n += CellSize("", c)
		}
	case *Ctx:
		n = CtxSize
		for _, e := range m.Entries {
			n += EntrySize(e)
		}
	case *Ranges:
		n = RangesSize
		prev := ""
		for i := range m.Ranges {
			n += RangeSize(prev, &m.Ranges[i])
			prev = m.Ranges[i].Upper
		}
	default:
		return 0, false
	}
	return n, true
}
