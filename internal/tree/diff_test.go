package tree

import (
	"slices"
	"testing"
)

type pair struct{ old, new *thing }

func diff(a, b Tree[*thing], lo, hi string) []pair {
	var out []pair
	for x, y := range Diff(a, b, lo, hi) {
		out = append(out, pair{x, y})
	}
	return out
}

// naiveDiff is the difference of two models, by key.
func naiveDiff(a, b model, lo, hi string) []pair {
	both := model{}
	for _, m := range []model{a, b} {
		for k, x := range m {
			both[k] = x
		}
	}
	var out []pair
	for _, x := range both.in(lo, hi) {
		if p := (pair{a[x.key], b[x.key]}); p.old != p.new {
			out = append(out, p)
		}
	}
	return out
}

func TestDiffIsTheNaiveOne(t *testing.T) {
	for seed := range uint64(30) {
		m := newMaker(seed)
		versions := []version{{model: model{}}}
		for range 40 {
			from := versions[m.rnd.IntN(len(versions))]
			versions = append(versions, from.change(t, m, 1+m.rnd.IntN(100)))
		}
		for range 400 {
			a, b := versions[m.rnd.IntN(len(versions))], versions[m.rnd.IntN(len(versions))]
			lo, hi := m.key(400), m.key(400)
			if m.rnd.IntN(3) == 0 {
				lo = ""
			}
			if m.rnd.IntN(3) == 0 {
				hi = ""
			}
			if hi != "" && hi < lo {
				lo, hi = hi, lo
			}
			if got, want := diff(a.tree, b.tree, lo, hi), naiveDiff(a.model, b.model, lo, hi); !slices.Equal(got, want) {
				t.Fatalf("seed %d: Diff(%q, %q): got %d pairs, want %d, or others", seed, lo, hi, len(got), len(want))
			}
		}
	}
}

// The work of a difference follows the difference, also when nodes were split
// or merged and heights differ.
func TestDiffSkipsWhatIsShared(t *testing.T) {
	m := newMaker(1)
	e := Tree[*thing]{}.Edit()
	const n = 50_000
	for i := range n {
		e.Put(m.thing(keyOf(i)))
	}
	old := e.Tree()
	for name, edit := range map[string]func(e *Editor[*thing]){
		"one put":    func(e *Editor[*thing]) { e.Put(m.thing(keyOf(n / 2))) },
		"one delete": func(e *Editor[*thing]) { e.Delete(keyOf(n / 3)) },
		"inserts that split": func(e *Editor[*thing]) {
			for i := range 20 {
				e.Put(m.thing(keyOf(n/2) + string(rune('a'+i))))
			}
		},
		"deletes that merge": func(e *Editor[*thing]) {
			at := old.Rank(keyOf(n / 2))
			for i := range 40 {
				e.Delete(old.At(at + i).key)
			}
		},
	} {
		e := old.Edit()
		edit(e)
		tr := e.Tree()
		for way, d := range map[string]func() []pair{
			"forth": func() []pair { return diff(old, tr, "", "") },
			"back":  func() []pair { return diff(tr, old, "", "") },
		} {
			m.seen = 0
			d()
			if m.seen > 1200 {
				t.Errorf("%s, %s: looked %d times at %d items", name, way, m.seen, n)
			}
		}
	}
	m.seen = 0
	if got := diff(old, old, "", ""); len(got) != 0 || m.seen != 0 {
		t.Errorf("a tree and itself: %d pairs, %d looks", len(got), m.seen)
	}
}
