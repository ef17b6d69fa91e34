package tree

import (
	"math/rand/v2"
	"testing"
)

// TestLiveAndNewest holds the pruned walks to a walk over everything.
func TestLiveAndNewest(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	for _, size := range []int{0, 1, 40, 900} {
		m := newMaker(uint64(size) + 1)
		ed := Tree[*thing]{}.Edit()
		for range size {
			th := m.thing(m.key(2 * size))
			if rnd.IntN(3) > 0 {
				th.agg.Live = 0
			}
			ed.Put(th)
		}
		tr := ed.Tree()
		for range 60 {
			lo, hi := m.key(2*size+1), m.key(2*size+1)
			if rnd.IntN(4) == 0 {
				hi = ""
			}
			checkLive(t, tr, lo, hi)
		}
	}
}

func checkLive(t *testing.T, tr Tree[*thing], lo, hi string) {
	t.Helper()
	var live []*thing
	newest := uint64(0)
	for th := range tr.Range(lo, hi) {
		if th.agg.Live > 0 {
			live = append(live, th)
		}
		newest = max(newest, th.agg.MaxRev)
	}
	at := 0
	for th := range tr.Live(lo, hi) {
		if at >= len(live) || th != live[at] {
			t.Fatalf("Live(%q, %q) yields %v at %d, of %d", lo, hi, th, at, len(live))
		}
		at++
	}
	if at != len(live) {
		t.Fatalf("Live(%q, %q) yields %d, want %d", lo, hi, at, len(live))
	}
	if first, ok := tr.FirstLive(lo); hi == "" && (ok != (len(live) > 0) || ok && first != live[0]) {
		t.Fatalf("FirstLive(%q) = %v, %v", lo, first, ok)
	}
	if got, ok := tr.Newest(lo, hi); ok && got.agg.MaxRev != newest || !ok && newest != 0 {
		t.Fatalf("Newest(%q, %q) = %v, %v, want revision %d", lo, hi, got, ok, newest)
	}
	for range tr.Live(lo, hi) {
		break // a walk can be left
	}
}

func TestLivePassesOverTheDead(t *testing.T) {
	m := newMaker(1)
	ed := Tree[*thing]{}.Edit()
	for i := range 4000 {
		th := m.thing(keyOf(i))
		th.agg.Live = 0
		ed.Put(th)
	}
	tr := ed.Tree()
	m.seen = 0
	if _, ok := tr.FirstLive(""); ok || m.seen > 0 {
		t.Errorf("looked at %d items of which none lives", m.seen)
	}
}
