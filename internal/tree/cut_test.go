package tree

import (
	"slices"
	"testing"
)

// TestCutIsDeletingOneByOne cuts ranges out of trees of all heights, alone and
// among other changes, and looks at the old version afterwards.
func TestCutIsDeletingOneByOne(t *testing.T) {
	for seed := range uint64(48) {
		m := newMaker(seed)
		keys := []int{5, 40, 400, 4000}[seed%4]
		v := version{model: model{}}
		e := v.tree.Edit()
		for range keys {
			x := m.thing(m.key(keys))
			e.Put(x)
			v.model[x.key] = x
		}
		v.tree = e.Tree()
		for range 8 {
			lo, hi := m.key(keys), m.key(keys)
			switch m.rnd.IntN(8) {
			case 0:
				lo = ""
			case 1:
				hi = ""
			case 2, 3:
				hi = lo + "\x01"
			}
			next := version{model: model{}}
			for k, x := range v.model {
				if k < lo || hi != "" && k >= hi {
					next.model[k] = x
				}
			}
			e := v.tree.Edit()
			e.Get(lo)
			e.Cut(lo, hi)
			if got, ok := e.Get(lo); ok != (next.model[lo] != nil) {
				t.Fatalf("Get(%q) after Cut(%q, %q): %v", lo, lo, hi, got)
			}
			next.tree = e.Tree()
			check(t, next.tree, next.model, m.rnd)
			check(t, v.tree, v.model, m.rnd)
			v = next.change(t, m, m.rnd.IntN(1+keys/4))
			check(t, v.tree, v.model, m.rnd)
		}
	}
}

// TestCutCostsTheEdges holds a cut of nearly all of a large tree to visiting
// the few nodes at its ends.
func TestCutCostsTheEdges(t *testing.T) {
	m := newMaker(1)
	e := Tree[*thing]{}.Edit()
	const keys = 50_000
	for i := range keys {
		e.Put(m.thing(keyOf(i)))
	}
	all := slices.Collect(e.Tree().All())
	m.seen = 0
	e.Cut(all[10].key, all[keys-10].key)
	if m.seen > 1500 {
		t.Errorf("a cut looks at items %d times, want at those of a few leaves", m.seen)
	}
	if got := e.Tree().Len(); got != 20 {
		t.Errorf("%d items are left, want 20", got)
	}
}
