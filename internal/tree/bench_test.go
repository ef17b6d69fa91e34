package tree

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// plain is an item as cheap as can be.
type plain struct {
	key string
	fp  uint64
}

func (p *plain) Key() string { return p.key }
func (p *plain) Agg() Agg    { return Agg{Count: 1, FP: [2]uint64{p.fp, p.fp}} }

func newPlain(i int, fp uint64) *plain { return &plain{fmt.Sprintf("registry/key-%08d", i), fp} }

const benchItems = 100_000

func benchTree() (Tree[*plain], []*plain) {
	items := make([]*plain, benchItems)
	e := Tree[*plain]{}.Edit()
	for i, at := range rand.New(rand.NewPCG(1, 1)).Perm(benchItems) {
		items[i] = newPlain(at, uint64(at))
		e.Put(items[i])
	}
	return e.Tree(), items
}

func BenchmarkGet(b *testing.B) {
	tr, items := benchTree()
	i := 0
	for b.Loop() {
		if _, ok := tr.Get(items[i%benchItems].key); !ok {
			b.Fatal("not found")
		}
		i++
	}
}

// BenchmarkGetOfAMap is the limit that a Get is measured by.
func BenchmarkGetOfAMap(b *testing.B) {
	_, items := benchTree()
	m := map[string]*plain{}
	for _, x := range items {
		m[x.key] = x
	}
	i := 0
	for b.Loop() {
		if m[items[i%benchItems].key] == nil {
			b.Fatal("not found")
		}
		i++
	}
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

func BenchmarkAggOf(b *testing.B) {
	tr, items := benchTree()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		tr.AggOf(items[i%benchItems].key, "registry/key-9")
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
		if n.leaf() {
			leaves++
		}
		for _, k := range n.kids {
			count(k)
		}
	}
	count(e.Tree().root)
	if most := 10_000 / (maxFill * 3 / 4); leaves > most {
		t.Errorf("%d leaves for 10,000 items in rising order, want at most %d", leaves, most)
	}
}

// TestPutAllocates: a Put copies each node on its path once, in one piece.
func TestPutAllocates(t *testing.T) {
	tr, items := benchTree()
	levels := 1
	for n := tr.root; !n.leaf(); n = n.kids[0] {
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
