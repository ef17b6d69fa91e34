package starling_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/member"
	"github.com/starlingkv/starling/kv"
)

// meanwhile is what comes while an Update of "x" runs at a, and how often it runs then. TestMapConflicts has those of Maps.
type meanwhile[S any] struct {
	name  string
	what  func(v *S)
	where int // 0: at a, 1: at b
	runs  int
}

// conflicts plays what comes meanwhile, and then what all of it has come to.
func conflicts[S any](t *testing.T, kind crdt.Kind, mine func(v *S), all []meanwhile[S]) (result *S) {
	t.Helper()
	network := member.NewMemory(1)
	network.Latency = time.Millisecond
	var at []crdt.Typed[S]
	for _, n := range clusterIn(t, network, "a", "b") {
		at = append(at, crdt.Typed[S]{Client: n.Client(kind)})
	}
	update := func(c crdt.Typed[S], f func(v *S)) {
		t.Helper()
		if err := c.Update(t.Context(), "k", func(v *S) error { f(v); return nil }); err != nil {
			t.Error(err)
		}
	}
	update(at[0], mine)
	update(at[1], mine)
	pass(time.Second)
	for _, c := range all {
		runs := 0
		update(at[0], func(v *S) {
			if runs++; runs == 1 {
				if c.what == nil {
					if err := at[c.where].Delete(context.Background(), "k"); err != nil {
						t.Error(err)
					}
				} else {
					update(at[c.where], c.what)
				}
				pass(time.Second)
			}
			mine(v)
		})
		if runs != c.runs {
			t.Errorf("%s, %s meanwhile: f ran %d times, want %d", kind.ID(), c.name, runs, c.runs)
		}
		pass(time.Second)
	}
	result, _, err := at[1].Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// TestConflictsOfEveryKind: a write of this node to the key, or of anybody to what f writes, makes f run again. Increments and
// maxima of others are no such thing, and all of it is there in the end.
func TestConflictsOfEveryKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		add := func(e string) func(*crdt.Set[string]) { return func(s *crdt.Set[string]) { s.Add(e) } }
		set := conflicts(t, crdt.SetOf[string](kv.String), add("x"), []meanwhile[crdt.Set[string]]{
			{"another element, elsewhere", add("b"), 1, 1},
			{"another element, here", add("a"), 0, 2},
			{"the same element, elsewhere", add("x"), 1, 2},
			{"a remove of the same element, elsewhere", func(s *crdt.Set[string]) { s.Remove("x") }, 1, 2},
		})
		if !set.Has("a") || !set.Has("b") || !set.Has("x") || set.Len() != 3 {
			t.Errorf("the set is %v", set)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		count := func(n int64) func(*crdt.Counter) { return func(c *crdt.Counter) { c.Add(n) } }
		sum := conflicts(t, crdt.Counters(), count(1), []meanwhile[crdt.Counter]{
			{"an increment elsewhere", count(10), 1, 1},
			{"an increment here", count(100), 0, 2},
		})
		if sum.Value() != 2+2+110 {
			t.Errorf("the counter is %d, want 114", sum.Value())
		}
		conflicts(t, crdt.Counters(), count(1), []meanwhile[crdt.Counter]{{"a delete elsewhere", nil, 1, 2}})
	})
	synctest.Test(t, func(t *testing.T) {
		next := int64(0)
		see := func(n int64) func(*crdt.Max) { return func(m *crdt.Max) { m.Observe(n) } }
		high := conflicts(t, crdt.Maxima(), func(m *crdt.Max) { next += 5000; m.Observe(next) }, []meanwhile[crdt.Max]{
			{"a lower number elsewhere", see(1), 1, 1},
			{"a higher number elsewhere", see(17000), 1, 1},
			{"a number here", see(22000), 0, 2},
		})
		if n, _ := high.Value(); n != 30000 {
			t.Errorf("the maximum is %d, want 30000", n)
		}
	})
}
