package engine

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/tree"
	"github.com/starlingkv/starling/internal/wire"
)

// pair is two reconcilers without anything around them.
type pair struct {
	t     *testing.T
	trees [2]tree.Tree[*cell.Stored]
	outs  [2]*outbox
	recs  [2]*reconciler
	ahead []piece // what the first side was shown before, if anything
	legs  int
	sizes []int
}

func newPair(t *testing.T, a, b []*cell.Cell) *pair {
	p := &pair{t: t}
	cfg := Config{}.withDefaults()
	for i, cells := range [][]*cell.Cell{a, b} {
		ed := p.trees[i].Edit()
		for _, c := range cells {
			ed.Put(c.Keep())
		}
		p.trees[i] = ed.Tree()
		p.outs[i] = &outbox{}
		p.recs[i] = newReconciler(&treeHalf{measured: measured[*cell.Stored]{tree: p.trees[i]}, out: p.outs[i], futile: &futilePairs{}}, cfg, side(i))
	}
	return p
}

// run reconciles and returns what each side has sent, by address.
func (p *pair) run() [2]map[cell.Addr]int {
	p.t.Helper()
	theirs := p.recs[1].sum("", "")
	leg, at := p.recs[0].first(theirs), 1
	if p.ahead != nil {
		*p.outs[0] = outbox{}
		leg = p.recs[0].follow(p.ahead)
	}
	for quiet := 0; quiet < 2; at = 1 - at {
		if silent(leg) {
			quiet++
		} else {
			quiet = 0
		}
		p.legs++
		p.wantWhole(leg)
		var err error
		if leg, err = p.recs[at].answer(leg); err != nil {
			p.t.Fatal(err)
		}
		if p.legs > 10_000 {
			p.t.Fatal("no end")
		}
	}
	var sent [2]map[cell.Addr]int
	for i, o := range p.outs {
		sent[i] = map[cell.Addr]int{}
		for m := o.next(); m != nil; m = o.next() {
			if cs, ok := m.(*wire.Cells); ok {
				for _, c := range cs.Cells {
					sent[i][c.Addr]++
				}
			}
		}
	}
	return sent
}

// wantWhole fails unless a leg is a frame that the wire takes as it is.
func (p *pair) wantWhole(leg []wire.Range) {
	p.t.Helper()
	codec := wire.New(cell.NewHasher("t"))
	b, err := codec.Append(nil, wire.Frame{Header: wire.Header{Origin: 1, Stream: true}, Msg: &wire.Ranges{Ranges: leg}})
	if err != nil {
		p.t.Fatal(err)
	}
	p.sizes = append(p.sizes, len(b))
	if _, err := codec.Parse(b); err != nil {
		p.t.Fatal(err)
	}
}

func cellAt(key string, at uint64, body string) *cell.Cell {
	c := cell.New(cell.Spec{Addr: cell.At(key, "r"), Ver: cell.Ver{T: hlc.Time(at), O: 9, N: at}, Body: []byte(body)})
	h := cell.NewHasher("t")
	h.Seal(c)
	return c
}

// difference is two sides that hold some of the same, and what each must send.
type difference struct {
	sides [2][]*cell.Cell
	want  [2][]cell.Addr
}

func randomDifference(rnd *rand.Rand, round int) (d difference) {
	size := []int{0, 1, 5, 40, 300, 3000}[rnd.IntN(6)]
	odds := []int{1, 2, 4, 30, 1000}[rnd.IntN(5)]
	n := uint64(1)
	for i := range size {
		key := fmt.Sprintf("%x/%d", rnd.IntN(1<<12), i)
		if round%3 == 0 && i%7 == 0 {
			key = fmt.Sprintf("one/long/prefix/that/all/share/%08d", i)
		}
		n++
		low, high := cellAt(key, n, "a"), cellAt(key, n+1, "b")
		n++
		a, b := low, low
		switch rnd.IntN(odds + 4) {
		case 0:
			a = high
		case 1:
			b = high
		case 2:
			a = nil
		case 3:
			b = nil
		}
		if a != nil {
			d.sides[0] = append(d.sides[0], a)
		}
		if b != nil {
			d.sides[1] = append(d.sides[1], b)
		}
		if a == high || b == nil {
			d.want[0] = append(d.want[0], low.Addr)
		} else if b == high || a == nil {
			d.want[1] = append(d.want[1], low.Addr)
		}
	}
	slices.Sort(d.want[0])
	slices.Sort(d.want[1])
	return d
}

func TestRangesFindExactlyWhatDiffers(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for round := range 150 {
		d := randomDifference(rnd, round)
		p := newPair(t, d.sides[0], d.sides[1])
		p.wantExactly(p.run(), d)
	}
}

// wantExactly fails unless each side has sent what it had to, once.
func (p *pair) wantExactly(sent [2]map[cell.Addr]int, d difference) {
	p.t.Helper()
	for i := range sent {
		var got []cell.Addr
		for a, times := range sent[i] {
			if got = append(got, a); times != 1 {
				p.t.Errorf("%q was sent %d times", a, times)
			}
		}
		if slices.Sort(got); !slices.Equal(got, d.want[i]) {
			p.t.Fatalf("of %d cells side %d sent %d, want %d", len(d.sides[i]), i, len(got), len(d.want[i]))
		}
	}
}

func TestRangesOfAHugeDifferenceFitFrames(t *testing.T) {
	var a, b []*cell.Cell
	for i := range 60_000 {
		c := cellAt(fmt.Sprintf("%08d", i), uint64(3*i+1), "x")
		switch {
		case i%2 == 0:
			a, b = append(a, c), append(b, c)
		case i%4 == 1:
			a = append(a, c)
		default:
			b = append(b, c)
		}
	}
	p := newPair(t, a, b)
	sent := p.run()
	if len(sent[0]) != 15_000 || len(sent[1]) != 15_000 {
		t.Errorf("sent %d and %d, want 15000 each", len(sent[0]), len(sent[1]))
	}
	if most := slices.Max(p.sizes); most > wire.MaxFrame*3/4 || most < 100<<10 {
		t.Errorf("the largest leg has %d bytes", most)
	}
}

func TestSessionOf100000CellsIsCheap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 8))
	var a, b []*cell.Cell
	for i := range 100_000 {
		c := cellAt(fmt.Sprintf("ring/ingester-%06d", i), uint64(i+1)<<20, "0123456789012345678901234567890")
		a = append(a, c)
		if i%1000 == rnd.IntN(1000)/1000 {
			c = cellAt(c.Addr.Key(), uint64(i+1)<<20+7, "new")
		}
		b = append(b, c)
	}
	p := newPair(t, a, b)
	sent := p.run()
	total := 0
	for _, s := range p.sizes {
		total += s
	}
	if len(sent[1]) != 100 || total > 100_000 {
		t.Errorf("%d cells found with %d bytes of ranges, want 100 with at most 100000", len(sent[1]), total)
	}
	// Parts, parts of parts, lists, and what they find; the last says that no more comes.
	if len(p.sizes) > 5 {
		t.Errorf("legs of %v bytes, want 5", p.sizes)
	}
}

func TestHostileRangesEnd(t *testing.T) {
	var cells []*cell.Cell
	for i := range 5000 {
		cells = append(cells, cellAt(fmt.Sprintf("%08d", i), uint64(i+1), "x"))
	}
	// A peer that answers every leg with lies of every mode never makes this
	// side say more than it can hold, and is given up in the end.
	rnd := rand.New(rand.NewPCG(4, 4))
	for range 10 {
		p := newPair(t, cells[:2000], nil)
		r := p.recs[0]
		leg := r.first(sum{count: 4711})
		for i := range 30 {
			if _, err := r.answer(lies(rnd, leg)); err != nil {
				break
			}
			if len(r.open) > 5000 {
				t.Fatalf("leg %d: %d ranges are open", i, len(r.open))
			}
			for m := p.outs[0].next(); m != nil; m = p.outs[0].next() {
				_ = m
			}
		}
	}
	p := newPair(t, cells[:100], nil)
	liar := []wire.Range{{Mode: wire.ModeFP, Count: 10_000}}
	var err error
	for i := 0; err == nil; i++ {
		if _, err = p.recs[0].answer(liar); i > maxLegs {
			t.Fatal("a peer that never agrees is never given up")
		}
		p.recs[0].open = nil
	}
}

// lies are ranges that have nothing to do with what was asked.
func lies(rnd *rand.Rand, leg []wire.Range) []wire.Range {
	var out []wire.Range
	for i, g := range leg {
		if g.Upper == "" || i > 40 {
			break
		}
		g.Mode = wire.Mode(rnd.IntN(4))
		g.Count = rnd.Uint64() >> rnd.IntN(64)
		binary.BigEndian.PutUint64(g.FP[:], rnd.Uint64())
		g.Items, g.Want = nil, nil
		for range rnd.IntN(20) {
			g.Items = append(g.Items, wire.Item{AddrHash: rnd.Uint64(), Ver: cell.Ver{T: 1, O: 1, N: 1}})
			g.Want = append(g.Want, rnd.Uint64())
		}
		out = append(out, g)
	}
	return append(out, wire.Range{Mode: wire.Mode(rnd.IntN(4)), Count: rnd.Uint64N(100_000)})
}

func TestTwoAddressesWithOneHashAreSentByBoth(t *testing.T) {
	c1, c2 := cellAt("a", 1, "1"), cellAt("b", 2, "2")
	p := newPair(t, []*cell.Cell{c1, c2}, nil)
	h := p.recs[0].half.(*treeHalf)
	it := itemOf(c1)
	twice := []wire.Item{it, {AddrHash: it.AddrHash, CellHash: 77, Ver: c2.Ver}}
	g := h.compared("", "", twice)
	if g.Mode != wire.ModeWant || !slices.Contains(g.Want, it.AddrHash) {
		t.Errorf("answered with %+v, want the hash asked for", g)
	}
	if m, ok := p.outs[0].next().(*wire.Cells); !ok || len(m.Cells) != 2 {
		t.Error("a cell whose hash is not unique was not sent")
	}
}

func TestSeparator(t *testing.T) {
	for _, c := range [][3]string{{"a", "b", "b"}, {"abc", "abd", "abd"}, {"ab", "abxyz", "abx"}, {"", "x", "x"}, {"k1\x00r", "k2\x00r", "k2"}} {
		if got := tree.Separator(c[0], c[1]); got != c[2] || got <= c[0] || got > c[1] {
			t.Errorf("separator(%q, %q) = %q, want %q", c[0], c[1], got, c[2])
		}
	}
}

// BenchmarkRangesOf100000 is all the comparing of 100 differences in 100,000
// cells, both sides together, without the wire.
func BenchmarkRangesOf100000(b *testing.B) {
	var cells, other []*cell.Cell
	for i := range 100_000 {
		c := cellAt(fmt.Sprintf("ring/ingester-%06d", i), uint64(i+1)<<20, "0123456789012345678901234567890")
		cells = append(cells, c)
		if i%1000 == 0 {
			c = cellAt(c.Addr.Key(), uint64(i+1)<<20+7, "new")
		}
		other = append(other, c)
	}
	p := newPair(nil, cells, other)
	for b.Loop() {
		leg, at := p.recs[0].first(p.recs[1].sum("", "")), 1
		for !silent(leg) {
			leg, _ = p.recs[at].answer(leg)
			at = 1 - at
		}
		p.recs[0].level, p.recs[1].level, p.recs[0].legs, p.recs[1].legs = 0, -1, 0, 0
		*p.outs[0], *p.outs[1] = outbox{}, outbox{}
	}
}

func TestListsAreCutWhereNothingIsSplitAnyMore(t *testing.T) {
	var cells []*cell.Cell
	for i := range 60_000 {
		cells = append(cells, cellAt(fmt.Sprintf("%08d", i), uint64(i+1), "x"))
	}
	p := newPair(t, cells, nil)
	r := p.recs[0]
	r.level = maxLevel
	listed, in := 0, []wire.Range{{Mode: wire.ModeFP, Count: 50_000}}
	for legs := 0; ; legs++ {
		leg, err := r.answer(in)
		if err != nil {
			t.Fatal(err)
		}
		p.wantWhole(leg)
		for _, g := range leg {
			if len(g.Items) > 2*listChunk {
				t.Errorf("a list of %d items", len(g.Items))
			}
			listed += len(g.Items)
		}
		if silent(leg) {
			break
		}
		in = []wire.Range{{Mode: wire.ModeSkip}}
	}
	if listed != len(cells) || slices.Max(p.sizes) > wire.MaxFrame*3/4 {
		t.Errorf("listed %d of %d, largest leg %d bytes", listed, len(cells), slices.Max(p.sizes))
	}
}

func TestOverlappingRangesAreRefused(t *testing.T) {
	var cells []*cell.Cell
	for i := range 60_000 {
		cells = append(cells, cellAt(fmt.Sprintf("%08d", i), uint64(i+1), "x"))
	}
	r := newPair(t, cells, nil).recs[0]
	r.level = maxLevel
	if _, err := r.answer([]wire.Range{{Mode: wire.ModeFP, Count: 50_000}}); err != nil || len(r.open) == 0 {
		t.Fatalf("err %v, %d open", err, len(r.open))
	}
	if _, err := r.answer([]wire.Range{{Mode: wire.ModeFP, Count: 50_000}}); err == nil {
		t.Error("ranges that overlap what is open were taken")
	}
}
