package cell

import (
	"sync"
	"testing"

	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/tree"
)

// TestTreeIsOne: whoever asks a version for its tree, and when, gets the same
// one, which later versions do not change.
func TestTreeIsOne(t *testing.T) {
	e := Context{}.Edit()
	var before []Context
	var aggs []tree.Agg
	for n := range uint64(20) {
		e.Add(Dot{Origin(n%10 + 1), n + 1}, hlc.Make(int64(n), 0))
		c := e.Context()
		if before = append(before, c); n%2 == 0 {
			aggs = append(aggs, c.Tree().Agg())
		} else {
			aggs = append(aggs, tree.Agg{})
		}
	}
	for n, c := range before {
		trees := make([]tree.Tree[*Entry], 8)
		var all sync.WaitGroup
		start := make(chan struct{})
		for i := range trees {
			all.Go(func() { <-start; trees[i] = c.Tree() })
		}
		close(start)
		all.Wait()
		for _, tr := range trees {
			if !tr.Same(c.Tree()) || n%2 == 0 && tr.Agg() != aggs[n] {
				t.Fatalf("version %d has two trees", n)
			}
		}
		if got := c.Spans(); got != n+1 {
			t.Errorf("version %d: %d spans, want %d", n, got, n+1)
		}
	}
}

// TestEditGoesOn: an editor of a version that nobody has asked for its tree knows
// what waits beside it.
func TestEditGoesOn(t *testing.T) {
	e := Context{}.Edit()
	e.Add(Dot{1, 1}, 5)
	e = e.Context().Edit()
	e.Add(Dot{1, 2}, 6)
	e.Add(Dot{2, 1}, 4)
	c := e.Context()
	if spans, ok := c.Seen(1); !ok || len(spans) != 1 || spans[0] != (Span{1, 2}) {
		t.Errorf("got %v", spans)
	}
	if spans, ok := e.Seen(3); ok || spans != nil {
		t.Errorf("got %v of an origin that is not known", spans)
	}
	if en, _ := c.Entry(1); en.LastT != 6 || c.Len() != 2 {
		t.Errorf("got %v of %d", en.LastT, c.Len())
	}
}

// TestOneDotIsCheap: a version with one dot more costs itself and its numbers,
// not a hash and the nodes of a tree.
func TestOneDotIsCheap(t *testing.T) {
	e := Context{}.Edit()
	for o := range Origin(1000) {
		e.Add(Dot{o, 1}, 1)
	}
	e.Context()
	n := uint64(1)
	if got := testing.AllocsPerRun(200, func() {
		n++
		e.Add(Dot{7, n}, hlc.Time(n))
		e.Context()
	}); got > 2 {
		t.Errorf("%v allocations, want at most 2", got)
	}
}

func BenchmarkOneDot(b *testing.B) {
	e := Context{}.Edit()
	for o := range Origin(64) {
		e.Add(Dot{o, 1}, 1)
	}
	b.ReportAllocs()
	for n := uint64(2); b.Loop(); n++ {
		e.Add(Dot{7, n}, hlc.Time(n))
		e.Context()
	}
}
