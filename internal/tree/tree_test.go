package tree

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
)

// version is a tree, what it should be for ever, and how it was derived.
type version struct {
	tree  Tree[*thing]
	model model
}

// change applies n random changes in one edit. Phases of growth and of
// shrinking make nodes split, merge and borrow.
func (v version) change(t *testing.T, m *maker, n int) version {
	t.Helper()
	next := version{model: maps.Clone(v.model)}
	e := v.tree.Edit()
	puts := 2 + m.rnd.IntN(7)
	for range n {
		key := m.key(400)
		want, has := next.model[key]
		if m.rnd.IntN(10) < puts {
			x := m.thing(key)
			if old, replaced := e.Put(x); old != want || replaced != has {
				t.Fatalf("Put(%q): got %v, %v, want %v, %v", key, old, replaced, want, has)
			}
			next.model[key] = x
		} else {
			if old, ok := e.Delete(key); old != want || ok != has {
				t.Fatalf("Delete(%q): got %v, %v, want %v, %v", key, old, ok, want, has)
			}
			delete(next.model, key)
		}
		if got, ok := e.Get(key); got != next.model[key] || ok != (next.model[key] != nil) {
			t.Fatalf("Get(%q) of the editor: got %v", key, got)
		}
	}
	next.tree = e.Tree()
	return next
}

// Law L5: the tree is the naive map, and every aggregate it maintains is the
// one computed from scratch. Old versions stay as they were.
func TestTreeIsASortedMap(t *testing.T) {
	for seed := range uint64(30) {
		m := newMaker(seed)
		versions := []version{{model: model{}}}
		for range 60 {
			from := versions[m.rnd.IntN(len(versions))]
			if m.rnd.IntN(4) > 0 {
				from = versions[len(versions)-1]
			}
			next := from.change(t, m, 1+m.rnd.IntN(150))
			check(t, next.tree, next.model, m.rnd)
			versions = append(versions, next)
		}
		for _, v := range versions {
			check(t, v.tree, v.model, m.rnd)
		}
	}
}

func TestTreeEmptiesInAnyOrder(t *testing.T) {
	m := newMaker(5)
	for range 20 {
		v := version{model: model{}}
		e := v.tree.Edit()
		for _, i := range m.rnd.Perm(1500) {
			x := m.thing(keyOf(i))
			e.Put(x)
			v.model[x.key] = x
		}
		for n, i := range m.rnd.Perm(1500) {
			e.Delete(keyOf(i))
			delete(v.model, keyOf(i))
			if n%300 == 7 {
				check(t, e.Tree(), v.model, m.rnd)
			}
		}
		if tr := e.Tree(); tr.Len() != 0 || tr.root != nil {
			t.Fatalf("%d items are left", tr.Len())
		}
	}
}

func TestTreeGrownInKeyOrder(t *testing.T) {
	m := newMaker(6)
	keys := make([]string, 40_000)
	for i := range keys {
		keys[i] = keyOf(i)
	}
	slices.Sort(keys)
	v := version{model: model{}}
	e := v.tree.Edit()
	for _, k := range keys {
		v.model[k] = m.thing(k)
		e.Put(v.model[k])
	}
	check(t, e.Tree(), v.model, m.rnd)
}

func TestEmptyTree(t *testing.T) {
	var tr Tree[*thing]
	check(t, tr, model{}, newMaker(1).rnd)
	if _, ok := tr.Edit().Delete("a"); ok {
		t.Error("deleted from an empty tree")
	}
	if !tr.Same(tr.Edit().Tree()) {
		t.Error("an edit without a change made another version")
	}
}

func TestAtPanicsOutOfRange(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	Tree[*thing]{}.At(0)
}

func TestIteratorsStop(t *testing.T) {
	m := newMaker(2)
	v := version{model: model{}}.change(t, m, 2000)
	for name, seq := range map[string]func(func(*thing) bool){
		"All": v.tree.All(), "Range": v.tree.Range("1", "5"),
		"ExpiredBefore": v.tree.ExpiredBefore(1000), "Since": v.tree.Since(3),
	} {
		n := 0
		for range seq {
			if n++; n == 3 {
				break
			}
		}
		if n != 3 {
			t.Errorf("%s: yielded %d, want 3", name, n)
		}
	}
	n := 0
	for range Diff(Tree[*thing]{}, v.tree, "", "") {
		if n++; n == 3 {
			break
		}
	}
}

// Law L6: a version stays what it was under 10^5 writes to its successors,
// while others read it.
func TestOldVersionsNeverChange(t *testing.T) {
	type snapshot struct {
		tree Tree[*plain]
		want []*plain
	}
	e := Tree[*plain]{}.Edit()
	m := newMaker(3)
	write := func(n int) {
		for range n {
			if x := newPlain(m.rnd.IntN(5000), m.rnd.Uint64()); x.fp%4 > 0 {
				e.Put(x)
			} else {
				e.Delete(x.key)
			}
		}
	}
	write(10_000)
	snapshots := make(chan snapshot)
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for s := range snapshots {
				for range 5 {
					if !slices.Equal(slices.Collect(s.tree.All()), s.want) {
						t.Error("an old version has other items")
					}
					var fp uint64
					for _, x := range s.want {
						fp += x.fp
					}
					if got := s.tree.AggOf("0", "").FP[0]; got != fp {
						t.Errorf("fingerprint of an old version: got %x, want %x", got, fp)
					}
				}
			}
		})
	}
	for range 100 {
		tr := e.Tree()
		snapshots <- snapshot{tr, slices.Collect(tr.All())}
		write(1000)
	}
	close(snapshots)
	readers.Wait()
}

func TestTwoEditorsOfOneTree(t *testing.T) {
	m := newMaker(4)
	base := version{model: model{}}.change(t, m, 3000)
	a, b := base.change(t, m, 300), base.change(t, m, 300)
	check(t, base.tree, base.model, m.rnd)
	check(t, a.tree, a.model, m.rnd)
	check(t, b.tree, b.model, m.rnd)
}

// An editor goes on after a freeze and must not touch what it has given away.
func TestEditorAfterFreeze(t *testing.T) {
	m := newMaker(9)
	v := version{model: model{}}.change(t, m, 1000)
	e := v.tree.Edit()
	for range 50 {
		before, want := e.Tree(), maps.Clone(v.model)
		for range 20 {
			x := m.thing(m.key(400))
			e.Put(x)
			v.model[x.key] = x
			gone := m.key(400)
			e.Delete(gone)
			delete(v.model, gone)
		}
		check(t, before, want, m.rnd)
	}
	check(t, e.Tree(), v.model, m.rnd)
}

// A batch copies each path once: what follows the first change of a leaf in an
// edit allocates nothing.
func TestBatchCopiesAPathOnce(t *testing.T) {
	m := newMaker(7)
	v := version{model: model{}}.change(t, m, 4000)
	x := m.thing(slices.Sorted(maps.Keys(v.model))[10])
	one := testing.AllocsPerRun(100, func() {
		e := v.tree.Edit()
		e.Put(x)
	})
	many := testing.AllocsPerRun(100, func() {
		e := v.tree.Edit()
		for range 50 {
			e.Put(x)
		}
	})
	if many > one {
		t.Errorf("50 puts allocate %v times, one %v times", many, one)
	}
}

func TestPruningSkipsSubtrees(t *testing.T) {
	m := newMaker(8)
	e := Tree[*thing]{}.Edit()
	for i := range 50_000 {
		x := m.thing(keyOf(i))
		x.agg.MaxRev, x.agg.MinExp = 1, 0
		e.Put(x)
	}
	last := m.thing(keyOf(777))
	last.agg.MaxRev, last.agg.MinExp = 2, 5
	e.Put(last)
	tr := e.Tree()

	for name, look := range map[string]func() []*thing{
		"ExpiredBefore": func() []*thing { return slices.Collect(tr.ExpiredBefore(6)) },
		"Since":         func() []*thing { return slices.Collect(tr.Since(1)) },
	} {
		m.seen = 0
		if got := look(); len(got) != 1 || got[0] != last {
			t.Errorf("%s: got %d items, want one", name, len(got))
		}
		if m.seen > maxLeaf {
			t.Errorf("%s looked %d times at items to find one of 50,000", name, m.seen)
		}
	}
	m.seen = 0
	tr.AggOf(keyOf(100), keyOf(40_000))
	if m.seen > 500 {
		t.Errorf("AggOf looked %d times at items", m.seen)
	}
	for i := range 100 {
		m.seen = 0
		tr.Below(keyOf(400 * i))
		if m.seen > maxLeaf/2+3 { // and at keys, to find its place
			t.Errorf("Below looked %d times at items", m.seen)
		}
	}
}

// TestEditorGetsWhatIsThereNow: an editor that is asked for neighbours, as whoever
// changes a key asks, answers as of the last change.
func TestEditorGetsWhatIsThereNow(t *testing.T) {
	m := newMaker(9)
	e, want := Tree[*thing]{}.Edit(), model{}
	for range 20_000 {
		key := m.key(600)
		for _, k := range []string{key, key + "\x00", key[:len(key)-1]} {
			if got, ok := e.Get(k); got != want[k] || ok != (want[k] != nil) {
				t.Fatalf("Get(%q): got %v, %v, want %v", k, got, ok, want[k])
			}
		}
		switch m.rnd.IntN(5) {
		case 0, 1:
			want[key] = m.thing(key)
			e.Put(want[key])
		case 2:
			e.Delete(key)
			delete(want, key)
		case 3:
			e.Tree()
		}
	}
}

// TestSearchLooksAtNoKey: a key stands anywhere in the memory, and a search waits
// for each place. In a table with fields of usual names it needs none.
func TestSearchLooksAtNoKey(t *testing.T) {
	m := newMaker(10)
	e := Tree[*thing]{}.Edit()
	field := func(i int) string { return fmt.Sprintf("collectors/ring\x00fingester-zone-a-%06d", i) }
	for _, i := range m.rnd.Perm(20_000) {
		e.Put(m.thing(field(i) + "\x01"))
	}
	tr := e.Tree()
	m.seen = 0
	for i := range 20_000 {
		if got := tr.Take(field(i), field(i)+"\x02", make([]*thing, 0, 2)); len(got) != 1 {
			t.Fatalf("%d cells of field %d", len(got), i)
		}
	}
	if m.seen > 0 {
		t.Errorf("20,000 searches looked at %d keys", m.seen)
	}
}
