package tree

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// thing is an item that counts how often it is looked at.
type thing struct {
	key  string
	agg  Agg
	seen *int
}

func (t *thing) Key() string { *t.seen++; return t.key }
func (t *thing) Agg() Agg    { *t.seen++; return t.agg }

// maker makes things with random aggregates.
type maker struct {
	rnd  *rand.Rand
	rev  uint64
	seen int
}

func newMaker(seed uint64) *maker { return &maker{rnd: rand.New(rand.NewPCG(seed, 1))} }

func (m *maker) thing(key string) *thing {
	m.rev++
	a := Agg{Count: 1, FP: [2]uint64{m.rnd.Uint64(), m.rnd.Uint64()}, MaxRev: m.rev, Top: m.rnd.Uint64N(1000)}
	if m.rnd.IntN(3) > 0 {
		a.Live, a.FPLive = 1, a.FP
	}
	if m.rnd.IntN(4) == 0 {
		a.MinExp = 1 + m.rnd.Int64N(1000)
	}
	if m.rnd.IntN(5) == 0 {
		a.MaxRev = m.rnd.Uint64N(m.rev) // restored from elsewhere
	}
	return &thing{key, a, &m.seen}
}

// key is one of n keys of different lengths.
func (m *maker) key(n int) string { return keyOf(m.rnd.IntN(n)) }

// keyOf makes keys of which many share more than the eight bytes that a search
// looks at first, and some differ in zeros at their end only.
func keyOf(i int) string {
	n := i / 2
	middle := [...]string{"", "x", "the-same-in-many", "the-same-in-more-than-a-node-knows-of-its-keys"}[n%4]
	return fmt.Sprintf("%x/%s%d%s", n%7, middle, n, strings.Repeat("\x00", i%2))
}

// model is what a tree should be: a map, sorted when asked.
type model map[string]*thing

func (m model) in(lo, hi string) []*thing {
	var out []*thing
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k >= lo && (hi == "" || k < hi) {
			out = append(out, m[k])
		}
	}
	return out
}

func aggregate(things []*thing) Agg {
	var a Agg
	for _, t := range things {
		a.Count += t.agg.Count
		a.Live += t.agg.Live
		for i := range a.FP {
			a.FP[i] += t.agg.FP[i]
			a.FPLive[i] += t.agg.FPLive[i]
		}
		a.MaxRev, a.Top = max(a.MaxRev, t.agg.MaxRev), max(a.Top, t.agg.Top)
		if x := t.agg.MinExp; x != 0 && (a.MinExp == 0 || x < a.MinExp) {
			a.MinExp = x
		}
	}
	return a
}

// check compares a tree with its model in all that one can ask of it.
func check(t *testing.T, tr Tree[*thing], m model, rnd *rand.Rand) {
	t.Helper()
	all := m.in("", "")
	if got := slices.Collect(tr.All()); !slices.Equal(got, all) {
		t.Fatalf("All: got %d items, want %d, or others", len(got), len(all))
	}
	if got := tr.Len(); got != len(all) {
		t.Fatalf("Len: got %d, want %d", got, len(all))
	}
	checkShape(t, tr)
	for range 3 {
		lo, hi := keyOf(rnd.IntN(400)), keyOf(rnd.IntN(400))
		switch rnd.IntN(6) {
		case 0:
			lo = ""
		case 1:
			hi = ""
		}
		checkRange(t, tr, m, lo, hi)
		checkPoint(t, tr, m, lo)
	}
	at := rnd.Int64N(1000)
	expired := slices.DeleteFunc(slices.Clone(all), func(x *thing) bool { return x.agg.MinExp == 0 || x.agg.MinExp >= at })
	if got := slices.Collect(tr.ExpiredBefore(at)); !slices.Equal(got, expired) {
		t.Fatalf("ExpiredBefore(%d): got %d items, want %d, or others", at, len(got), len(expired))
	}
	above := slices.DeleteFunc(slices.Clone(all), func(x *thing) bool { return x.agg.Top <= uint64(at) })
	if got := slices.Collect(tr.Above("", "", uint64(at))); !slices.Equal(got, above) {
		t.Fatalf("Above(%d): got %d items, want %d, or others", at, len(got), len(above))
	}
	rev := rnd.Uint64N(1 + tr.Agg().MaxRev)
	since := slices.DeleteFunc(slices.Clone(all), func(x *thing) bool { return x.agg.MaxRev <= rev })
	if got := slices.Collect(tr.Since(rev)); !slices.Equal(got, since) {
		t.Fatalf("Since(%d): got %d items, want %d, or others", rev, len(got), len(since))
	}
}

func checkRange(t *testing.T, tr Tree[*thing], m model, lo, hi string) {
	t.Helper()
	want := m.in(lo, hi)
	if got := slices.Collect(tr.Range(lo, hi)); !slices.Equal(got, want) {
		t.Fatalf("Range(%q, %q): got %d items, want %d, or others", lo, hi, len(got), len(want))
	}
	for _, room := range []int{0, 1, 4, 100} {
		if got := tr.Take(lo, hi, make([]*thing, 0, room)); !slices.Equal(got, want[:min(room, len(want))]) {
			t.Fatalf("Take(%q, %q) of %d: got %d items of %d, or others", lo, hi, room, len(got), len(want))
		}
	}
	checkAlike(t, tr, m, lo)
	if got, want := tr.AggOf(lo, hi), aggregate(want); got != want {
		t.Fatalf("AggOf(%q, %q): got %+v, want %+v", lo, hi, got, want)
	}
}

func checkAlike(t *testing.T, tr Tree[*thing], m model, lo string) {
	t.Helper()
	from := m.in(lo, "")
	for _, size := range []int{len(lo) / 3, max(len(lo)-1, 0), len(lo)} {
		want := slices.DeleteFunc(slices.Clone(from), func(x *thing) bool { return !strings.HasPrefix(x.key, lo[:size]) })
		for _, room := range []int{0, 1, 4, 100} {
			if got := tr.TakeAlike(lo, size, make([]*thing, 0, room)); !slices.Equal(got, want[:min(room, len(want))]) {
				t.Fatalf("TakeAlike(%q, %d) of %d: got %d items of %d, or others", lo, size, room, len(got), len(want))
			}
		}
	}
}

func checkPoint(t *testing.T, tr Tree[*thing], m model, key string) {
	t.Helper()
	want, has := m[key]
	if got, ok := tr.Get(key); got != want || ok != has {
		t.Fatalf("Get(%q): got %v, %v, want %v, %v", key, got, ok, want, has)
	}
	below := 0
	if key != "" {
		below = len(m.in("", key))
	}
	if got := tr.Rank(key); got != below {
		t.Fatalf("Rank(%q): got %d, want %d", key, got, below)
	}
	sum := aggregate(nil)
	if key != "" {
		sum = aggregate(m.in("", key))
	}
	if got := tr.Below(key); got != sum.Sum() {
		t.Fatalf("Below(%q): got %+v, want %+v", key, got, sum.Sum())
	}
	if has && tr.At(below) != want {
		t.Fatalf("At(%d) is not %q", below, key)
	}
}

// checkShape visits the whole tree: every node is filled as it should be, all
// leaves are equally deep, separators part, and every aggregate is the one
// found from scratch.
func checkShape(t *testing.T, tr Tree[*thing]) {
	t.Helper()
	if tr.root == nil {
		return
	}
	if n := tr.root; n.fill() < 1 || n.inner != nil && n.fill() < 2 {
		t.Fatalf("root has only %d entries", n.fill())
	}
	depth := -1
	var visit func(n *node[*thing], level int, lo, hi string) []*thing
	visit = func(n *node[*thing], level int, lo, hi string) (below []*thing) {
		if n.fill() > n.most() || n != tr.root && n.fill() < n.least() {
			t.Fatalf("a node has %d entries", n.fill())
		}
		if in := n.inner; in == nil {
			if depth >= 0 && depth != level {
				t.Fatalf("leaves at levels %d and %d", depth, level)
			}
			depth = level
			below = slices.Clone(n.leaf.items)
			checkIndex(t, n.leaf.stem, n.leaf.marks, keysOf(below))
		} else {
			if n.leaf != nil || len(in.seps) != len(in.kids)-1 {
				t.Fatalf("an inner node has %d kids, %d separators", len(in.kids), len(in.seps))
			}
			checkIndex(t, in.stem, in.marks[:len(in.seps)], in.seps)
			bounds := slices.Concat([]string{lo}, in.seps, []string{hi})
			for i, k := range in.kids {
				below = append(below, visit(k, level+1, bounds[i], bounds[i+1])...)
			}
		}
		for _, x := range below {
			if x.key < lo || hi != "" && x.key >= hi {
				t.Fatalf("%q stands in [%q, %q)", x.key, lo, hi)
			}
		}
		if want := aggregate(below); n.agg != want {
			t.Fatalf("aggregate of a node: got %+v, want %+v", n.agg, want)
		}
		return below
	}
	visit(tr.root, 0, "", "")
}

func keysOf(things []*thing) (keys []string) {
	for _, x := range things {
		keys = append(keys, x.key)
	}
	return keys
}

// checkIndex holds marks and a stem to the keys that they are of.
func checkIndex(t *testing.T, s stem, marks []uint64, keys []string) {
	t.Helper()
	if len(marks) != len(keys) {
		t.Fatalf("%d marks of %d keys", len(marks), len(keys))
	}
	for i, key := range keys {
		if len(key) < s.size || key[:s.size] != keys[0][:s.size] || marks[i] != mark(key[s.size:]) {
			t.Fatalf("%q, of which %d bytes should be as in %q, is filed as %x", key, s.size, keys[0], marks[i])
		}
		if s.short() && string(s.head[:s.size]) != key[:s.size] {
			t.Fatalf("%q begins with %q by its node", key, s.head[:s.size])
		}
	}
}
