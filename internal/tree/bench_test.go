package tree

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
)

// plain is an item as cheap as can be.
type plain struct {
	key string
	fp  uint64
}

func (p *plain) Key() string { return p.key }
func (p *plain) Agg() Agg    { return Agg{Count: 1, FP: [2]uint64{p.fp, p.fp}} }

func newPlain(i int, fp uint64) *plain { return &plain{fmt.Sprintf("tenants/%07d\x00r", i), fp} }

const benchItems = 100_000

func benchTree() (Tree[*plain], []*plain) { return scattered(benchItems) }

// scattered is a tree of items that came in no order, and they in another.
func scattered(n int) (Tree[*plain], []*plain) {
	items := make([]*plain, n)
	e, rnd := Tree[*plain]{}.Edit(), rand.New(rand.NewPCG(1, 1))
	for i, at := range rnd.Perm(n) {
		items[i] = newPlain(at, uint64(at))
		e.Put(items[i])
	}
	rnd.Shuffle(n, func(i, j int) { items[i], items[j] = items[j], items[i] })
	return e.Tree(), items
}

// bothSizes runs a benchmark with trees of 100,000 and of 1,000,000 items.
func bothSizes(b *testing.B, one func(b *testing.B, tr Tree[*plain], items []*plain)) {
	for _, n := range []int{benchItems, 10 * benchItems} {
		b.Run(fmt.Sprintf("items=%d", n), func(b *testing.B) {
			tr, items := scattered(n)
			b.ResetTimer()
			one(b, tr, items)
		})
	}
}

func BenchmarkGet(b *testing.B) {
	bothSizes(b, func(b *testing.B, tr Tree[*plain], items []*plain) {
		for i := 0; b.Loop(); i++ {
			if _, ok := tr.Get(items[i%len(items)].key); !ok {
				b.Fatal("not found")
			}
		}
	})
}

// BenchmarkTake is how a client reads a key: the range that its cells are in.
func BenchmarkTake(b *testing.B) {
	bothSizes(b, func(b *testing.B, tr Tree[*plain], items []*plain) {
		room := make([]*plain, 0, 4)
		for i := 0; b.Loop(); i++ {
			key := items[i%len(items)].key
			if len(tr.Take(key[:len(key)-1], key[:len(key)-1]+"\xff", room)) != 1 {
				b.Fatal("not found")
			}
		}
	})
}

// BenchmarkGetOfAMap is the limit that a Get is measured by.
func BenchmarkGetOfAMap(b *testing.B) {
	bothSizes(b, func(b *testing.B, _ Tree[*plain], items []*plain) {
		m := map[string]*plain{}
		for _, x := range items {
			m[x.key] = x
		}
		b.ResetTimer()
		for i := 0; b.Loop(); i++ {
			if m[items[i%len(items)].key] == nil {
				b.Fatal("not found")
			}
		}
	})
}

func BenchmarkPut(b *testing.B) {
	for _, batch := range []int{1, 256} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			tr, items := benchTree()
			i := 0
			e := tr.Edit()
			b.ReportAllocs()
			for b.Loop() {
				x := items[i%benchItems]
				e.Put(&plain{x.key, uint64(i)})
				if i++; i%batch == 0 {
					e.Tree()
				}
			}
		})
	}
}

func BenchmarkDiffOfOne(b *testing.B) {
	tr, items := benchTree()
	e := tr.Edit()
	e.Put(&plain{items[0].key, 1})
	next := e.Tree()
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for range Diff(tr, next, "", "") {
			n++
		}
		if n != 1 {
			b.Fatalf("%d differences", n)
		}
	}
}

// TestDiffAllocatesNothing where both trees have one shape.
func TestDiffAllocatesNothing(t *testing.T) {
	tr, items := scattered(2_000)
	e := tr.Edit()
	e.Put(&plain{items[0].key, 1})
	next, lo, hi, n := e.Tree(), items[0].key, items[0].key+"\x00", 0
	got := testing.AllocsPerRun(100, func() {
		for range Diff(tr, next, lo, hi) {
			n++
		}
	})
	if got > 0 || n != 101 {
		t.Errorf("a difference of one allocates %v times, and was found %d times of 101", got, n)
	}
}

func BenchmarkAggOf(b *testing.B) {
	tr, items := benchTree()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		tr.AggOf(items[i%benchItems].key, "tenants/09")
		i++
	}
}

// TestRisingKeysFillNodes: who comes in order leaves no half empty nodes behind.
func TestRisingKeysFillNodes(t *testing.T) {
	e := Tree[*plain]{}.Edit()
	for i := range 10_000 {
		e.Put(newPlain(i, 1))
	}
	leaves := 0
	var count func(n *node[*plain])
	count = func(n *node[*plain]) {
		if n.inner == nil {
			leaves++
			return
		}
		for _, k := range n.inner.kids {
			count(k)
		}
	}
	count(e.Tree().root)
	if most := 10_000/(maxLeaf*3/4) + 1; leaves > most {
		t.Errorf("%d leaves for 10,000 items in rising order, want at most %d", leaves, most)
	}
}

// TestPutAllocates: a Put copies each node on its path once, in one piece.
func TestPutAllocates(t *testing.T) {
	tr, items := benchTree()
	levels := 1
	for n := tr.root; n.inner != nil; n = n.inner.kids[0] {
		levels++
	}
	i := 0
	e := tr.Edit()
	got := testing.AllocsPerRun(1000, func() {
		e.Put(items[i*7919%benchItems])
		e.Tree()
		i++
	})
	if want := float64(levels + 1); got > want { // and its owner
		t.Errorf("a Put into %d levels allocates %v times, want %v", levels, got, want)
	}
}

// TestNodesFillTheirMemory: the allocator has these sizes, among few others. What
// a node is larger by than one of them costs up to the next.
func TestNodesFillTheirMemory(t *testing.T) {
	for _, x := range []struct {
		node any
		most uintptr
	}{
		{smallLeaf[*plain]{}, 256},
		{midLeaf[*plain]{}, 416},
		{fullLeaf[*plain]{}, 512},
		{smallInner[*plain]{}, 224},
		{midInner[*plain]{}, 320},
		{fullInner[*plain]{}, 384},
		{parts{}, 320},
	} {
		typ := reflect.TypeOf(x.node)
		if got := typ.Size(); got > x.most || got <= x.most-32 {
			t.Errorf("%v has %d bytes, want at most %d, and nearly that", typ, got, x.most)
		}
	}
}
