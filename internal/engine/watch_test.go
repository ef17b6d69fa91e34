package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/starlingkv/starling/internal/cell"
)

func TestPrefixesAgainstNaive(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		b := make([]byte, rnd.IntN(6))
		for i := range b {
			b[i] = "ab\xff"[rnd.IntN(3)]
		}
		return string(b)
	}
	var p Prefixes[int]
	naive := map[Handle]string{}
	var order []Handle
	for i := range 30_000 {
		switch rnd.IntN(3) {
		case 0:
			w := word()
			h := p.Add(w, i)
			if _, ok := naive[h]; ok {
				t.Fatalf("handle %d given twice", h)
			}
			naive[h] = w
			order = append(order, h)
		case 1:
			if len(order) > 0 {
				k := rnd.IntN(len(order))
				p.Remove(order[k])
				p.Remove(order[k])
				delete(naive, order[k])
				order = slices.Delete(order, k, k+1)
			}
		}
		key := word()
		want := 0
		for _, w := range naive {
			if strings.HasPrefix(key, w) {
				want++
			}
		}
		got, seen := 0, map[int]bool{}
		p.Touched(key, func(who int) { got++; seen[who] = true })
		if got != want || len(seen) != got || p.Len() != len(naive) {
			t.Fatalf("step %d: %q woke %d (%d different), want %d; %d watchers, want %d", i, key, got, len(seen), want, p.Len(), len(naive))
		}
		if i%100 > 0 {
			continue
		}
		all := 0
		if p.All(func(int) { all++ }); all != len(naive) {
			t.Fatalf("step %d: All woke %d of %d watchers", i, all, len(naive))
		}
	}
	for _, h := range order {
		p.Remove(h)
	}
	if len(p.root.kids) != 0 || len(p.root.watchers) != 0 || len(p.handles) != 0 {
		t.Errorf("an empty set still holds %+v", p.root)
	}
}

func TestPrefixesWakeInOneOrder(t *testing.T) {
	var p Prefixes[string]
	for _, w := range []string{"ab", "", "abc", "a", "ab", "b"} {
		p.Add(w, fmt.Sprintf("%s%d", w, p.Len()))
	}
	var got []string
	p.Touched("abcd", func(w string) { got = append(got, w) })
	if want := []string{"1", "a3", "ab0", "ab4", "abc2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// BenchmarkPrefixesIdle has 10,000 watchers of which one is touched.
func BenchmarkPrefixesIdle(b *testing.B) {
	var p Prefixes[int]
	for i := range 10_000 {
		p.Add(fmt.Sprintf("app/%05d/", i), i)
	}
	woken := 0
	for b.Loop() {
		p.Touched("app/04711/key", func(int) { woken++ })
	}
	if woken == 0 {
		b.Fatal("nobody was woken")
	}
}

func TestChangesAgainstNaive(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	b := newSyncNet(t, 1, nil).nodes[0]
	visible := func(r *Root, prefix string) map[string]string {
		out := map[string]string{}
		for s := range r.Tree.All() {
			if key := s.Addr.Key(); s.Visible() && strings.HasPrefix(key, prefix) {
				out[key] += fmt.Sprintf("%x ", s.Hash())
			}
		}
		return out
	}
	var roots []*Root
	for range 400 {
		key := fmt.Sprintf("%c/%d", 'a'+rnd.IntN(3), rnd.IntN(40))
		switch rnd.IntN(3) {
		case 0:
			b.del(key)
		case 1:
			b.put(key, "v")
		default:
			b.write(Write{Addr: cell.At(key, "x1"), Body: []byte{1}}, Write{Addr: cell.At(key, "x2"), Body: []byte{2}})
		}
		roots = append(roots, b.e.Root())
	}
	for range 2000 {
		from, to := roots[rnd.IntN(len(roots))], roots[rnd.IntN(len(roots))]
		prefix := []string{"", "a", "b/", "c/1", "zz"}[rnd.IntN(5)]
		old, now := visible(from, prefix), visible(to, prefix)
		var want []string
		for k := range old {
			if old[k] != now[k] {
				want = append(want, k)
			}
		}
		for k := range now {
			if _, ok := old[k]; !ok {
				want = append(want, k)
			}
		}
		slices.Sort(want)
		if got := slices.Collect(Changes(from, to, prefix)); !slices.Equal(got, want) {
			t.Fatalf("under %q: got %q, want %q", prefix, got, want)
		}
	}
}
