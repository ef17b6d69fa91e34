package cell

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/tree"
)

// naive is a context as a set of dots.
type naive struct {
	dots  map[Dot]bool
	lastT map[Origin]hlc.Time
}

func newNaive() naive { return naive{map[Dot]bool{}, map[Origin]hlc.Time{}} }

func (n naive) clone() naive { return naive{maps.Clone(n.dots), maps.Clone(n.lastT)} }

func (n naive) add(r Run, t hlc.Time) {
	for i := range r.Len {
		n.dots[Dot{r.O, r.From + i}] = true
	}
	if r.Len > 0 {
		n.lastT[r.O] = max(n.lastT[r.O], t)
	}
}

func (n naive) touch(o Origin, t hlc.Time) {
	if _, ok := n.lastT[o]; ok {
		n.lastT[o] = max(n.lastT[o], t)
	}
}

func (n naive) drop(o Origin) {
	delete(n.lastT, o)
	maps.DeleteFunc(n.dots, func(d Dot, _ bool) bool { return d.O == o })
}

func (n naive) merge(other naive) {
	maps.Copy(n.dots, other.dots)
	for o, t := range other.lastT {
		n.lastT[o] = max(n.lastT[o], t)
	}
}

// context is the one that n should be, made from nothing, number by number.
func (n naive) context() Context {
	e := Context{}.Edit()
	spans := map[Origin][]Span{}
	for d := range n.dots {
		spans[d.O] = append(spans[d.O], Span{d.N, 1})
	}
	for o, t := range n.lastT {
		e.Merge(NewEntry(o, t, spans[o]))
	}
	return e.Context()
}

// Few numbers make spans meet, more origins than drafts make drafts go.
const (
	someOrigins = 14
	someNumbers = 40
)

func randomRun(rnd *rand.Rand) Run {
	r := Run{Origin(rnd.Uint64N(someOrigins)), rnd.Uint64N(someNumbers), rnd.Uint64N(4)}
	if rnd.IntN(3) > 0 {
		r.Len = 1
	}
	return r
}

// Law L9: the interval sets of a context are the naive set, through any
// sequence of changes; equal sets have equal fingerprints.
func TestLaw9(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 1))
	for range 300 {
		c, want := Context{}, newNaive()
		for range 12 {
			old, oldWant := c, want.clone()
			e := c.Edit()
			for range 1 + rnd.IntN(40) {
				change(rnd, e, want)
				r := randomRun(rnd)
				if d := (Dot{r.O, r.From}); e.Has(d) != want.dots[d] {
					t.Fatalf("Has(%v) of the editor: got %v", d, !want.dots[d])
				}
			}
			c = e.Context()
			checkContext(t, c, want)
			checkContext(t, old, oldWant)
		}
	}
}

// change makes one random change to both.
func change(rnd *rand.Rand, e *ContextEditor, n naive) {
	r, at := randomRun(rnd), hlc.Make(rnd.Int64N(1000), 0)
	switch k := rnd.IntN(20); {
	case k < 8:
		e.Add(Dot{r.O, r.From}, at)
		n.add(Run{r.O, r.From, 1}, at)
	case k < 14:
		e.AddRun(r, at)
		n.add(r, at)
	case k < 16:
		e.Touch(r.O, at)
		n.touch(r.O, at)
	case k < 19:
		other := newNaive()
		for range 5 {
			s := randomRun(rnd)
			s.O = r.O
			other.add(s, at)
		}
		for entry := range other.context().Tree().All() {
			e.Merge(entry)
		}
		n.merge(other)
	default:
		e.Drop(r.O)
		n.drop(r.O)
	}
}

func checkContext(t *testing.T, c Context, want naive) {
	t.Helper()
	if c.Len() != len(want.lastT) {
		t.Fatalf("Len: got %d, want %d", c.Len(), len(want.lastT))
	}
	for o := range Origin(someOrigins) {
		entry, ok := c.Entry(o)
		if lastT, known := want.lastT[o]; ok != known || ok && entry.LastT != lastT {
			t.Fatalf("entry of %v: got %v, want known %v at %v", o, entry, known, lastT)
		}
		for n := range uint64(someNumbers + 5) {
			if d := (Dot{o, n}); c.Has(d) != want.dots[d] {
				t.Fatalf("Has(%v): got %v", d, !want.dots[d])
			}
		}
	}
	spans := 0
	for entry := range c.Tree().All() {
		spans += len(entry.Spans)
		for i := 1; i < len(entry.Spans); i++ {
			if !entry.Spans[i-1].before(entry.Spans[i]) {
				t.Fatalf("spans are not normal: %v", entry.Spans)
			}
		}
	}
	if c.Spans() != spans {
		t.Fatalf("Spans: got %d, want %d", c.Spans(), spans)
	}
	if anew := want.context(); c.Tree().Agg() != anew.Tree().Agg() {
		t.Fatalf("aggregate: got %+v, want %+v", c.Tree().Agg(), anew.Tree().Agg())
	}
	before := int64(500)
	stale := slices.Collect(c.StaleBefore(before))
	for entry := range c.Tree().All() {
		if slices.Contains(stale, entry) != (entry.LastT < hlc.Make(before, 0)) {
			t.Fatalf("StaleBefore(%d) is wrong about %v", before, entry.LastT)
		}
	}
}

// L9, the laws of the union: contexts merged in any order and grouping are one.
func TestContextUnion(t *testing.T) {
	rnd := rand.New(rand.NewPCG(10, 1))
	random := func() Context {
		e, n := Context{}.Edit(), newNaive()
		for range 30 {
			change(rnd, e, n)
		}
		return e.Context()
	}
	union := func(a, b Context) Context {
		e := a.Edit()
		for entry := range b.Tree().All() {
			e.Merge(entry)
		}
		return e.Context()
	}
	agg := func(c Context) tree.Agg { return c.Tree().Agg() }
	for range 1000 {
		a, b, c := random(), random(), random()
		if agg(union(a, a)) != agg(a) {
			t.Fatal("not idempotent")
		}
		if agg(union(a, b)) != agg(union(b, a)) {
			t.Fatal("not commutative")
		}
		if agg(union(union(a, b), c)) != agg(union(a, union(b, c))) {
			t.Fatal("not associative")
		}
	}
}

// What changes nothing makes no new version: sessions and watches see the same
// nodes.
func TestNoChangeKeepsTheVersion(t *testing.T) {
	e := Context{}.Edit()
	e.AddRun(Run{1, 5, 10}, hlc.Make(7, 0))
	c := e.Context()
	e = c.Edit()
	entry, _ := c.Entry(1)
	e.Merge(entry)
	e.Add(Dot{1, 6}, hlc.Make(6, 0))
	e.Touch(1, hlc.Make(7, 0))
	e.Touch(2, hlc.Make(9, 0))
	e.AddRun(Run{3, 1, 0}, hlc.Make(9, 0))
	e.Drop(4)
	if !e.Context().Tree().Same(c.Tree()) {
		t.Error("a new version without a change")
	}
	e.Touch(1, hlc.Make(8, 0))
	if e.Context().Tree().Same(c.Tree()) {
		t.Error("a later LastT was lost")
	}
}

// A batch copies the spans of an origin once, and keeps few entries open.
func TestBatchOfDotsIsCheap(t *testing.T) {
	e := Context{}.Edit()
	for n := range uint64(1000) {
		e.Add(Dot{1, 2 * n}, 1)
	}
	c := e.Context()
	allocs := testing.AllocsPerRun(20, func() {
		e := c.Edit()
		for n := range uint64(200) {
			e.Add(Dot{1, 2*n + 1}, 1)
		}
	})
	if allocs > 10 {
		t.Errorf("200 dots of one origin cost %v allocations", allocs)
	}
	for o := range Origin(100) {
		e.Add(Dot{o, 1}, 1)
		if len(e.drafts) > maxDrafts {
			t.Fatalf("%d entries are open", len(e.drafts))
		}
	}
}

func TestSpansAtTheEndOfTheNumbers(t *testing.T) {
	const end = math.MaxUint64
	e := NewEntry(1, 1, []Span{{end, 5}, {3, 0}, {end - 2, 1}, {0, 1}, {end - 1, end}})
	if want := []Span{{0, 1}, {end - 2, 3}}; !slices.Equal(e.Spans, want) {
		t.Errorf("got %v, want %v", e.Spans, want)
	}
	if !e.Has(end) || e.Has(1) {
		t.Error("wrong numbers")
	}
	all := NewEntry(1, 1, []Span{{1, end}, {0, 3}})
	if want := []Span{{0, end}}; !slices.Equal(all.Spans, want) || !all.Has(0) || !all.Has(77) {
		t.Errorf("got %v, want %v", all.Spans, want)
	}
}

func BenchmarkContextAdd(b *testing.B) {
	for name, batch := range map[string]int{"batch=1": 1, "batch=256": 256} {
		b.Run(name, func(b *testing.B) {
			e := Context{}.Edit()
			for o := range Origin(1000) {
				e.AddRun(Run{o << 40, 1, 100}, 1)
			}
			n := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				n++
				e.Add(Dot{Origin(n/256%1000) << 40, 101 + n}, hlc.Time(n))
				if n%uint64(batch) == 0 {
					e.Context()
				}
			}
		})
	}
}

func BenchmarkContextHas(b *testing.B) {
	e := Context{}.Edit()
	for o := range Origin(1000) {
		e.AddRun(Run{o << 40, 1, 100}, 1)
	}
	c := e.Context()
	n := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		n++
		if !c.Has(Dot{Origin(n%1000) << 40, 1 + n%100}) {
			b.Fatal("not there")
		}
	}
}
