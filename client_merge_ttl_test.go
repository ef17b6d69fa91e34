package starling_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/member"
	"github.com/starlingkv/starling/kv"
)

// kindsOf are the faces of one node.
type kindsOf struct {
	set   crdt.Typed[crdt.Set[string]]
	count crdt.Typed[crdt.Counter]
	high  crdt.Typed[crdt.Max]
}

func kindsOn(n *starling.Node) kindsOf {
	var k kindsOf
	k.set.Client, k.count.Client, k.high.Client = n.Client(crdt.SetOf[string](kv.String)), n.Client(crdt.Counters()), n.Client(crdt.Maxima())
	return k
}

// add does the same to each: an element, its length, its length.
func (k kindsOf) add(ctx context.Context, t *testing.T, e string) {
	t.Helper()
	for _, err := range []error{
		k.set.Update(ctx, "set", func(s *crdt.Set[string]) error { s.Add(e); return nil }),
		k.count.Update(ctx, "count", func(c *crdt.Counter) error { c.Add(int64(len(e))); return nil }),
		k.high.Update(ctx, "high", func(m *crdt.Max) error { m.Observe(int64(len(e))); return nil }),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// holds is what a node sees of them.
func (k kindsOf) holds(t *testing.T) string {
	t.Helper()
	s, _, err := k.set.Get(t.Context(), "set")
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := k.count.Get(t.Context(), "count")
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := k.high.Get(t.Context(), "high")
	if err != nil {
		t.Fatal(err)
	}
	high, _ := m.Value()
	return fmt.Sprint(strings.Join(slices.Collect(s.All()), " "), ", ", c.Value(), ", ", high)
}

// TestEveryKindWithTTL: what a write with a time to live has touched goes at its end, on every node, and nothing else of the
// key. Of a Counter and a Max that is all that the writer's node has written.
func TestEveryKindWithTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var nodes []kindsOf
		for _, n := range clusterIn(t, member.NewMemory(1), "a", "b") {
			nodes = append(nodes, kindsOn(n))
		}
		after := func(d time.Duration, want string) {
			t.Helper()
			pass(d)
			for i, k := range nodes {
				if got := k.holds(t); got != want {
					t.Errorf("node %d holds %s, want %s", i, got, want)
				}
			}
		}
		leased := kv.WithTTL(t.Context(), time.Minute)
		nodes[0].add(t.Context(), t, "four")
		after(time.Second, "four, 4, 4")
		nodes[1].add(leased, t, "sixsix")
		after(time.Second, "four sixsix, 10, 6")
		after(time.Minute, "four, 4, 4")
		nodes[0].add(leased, t, "seven77") // with what it has counted before
		after(time.Second, "four seven77, 11, 7")
		after(50*time.Second, "four seven77, 11, 7")
		nodes[0].add(t.Context(), t, "seven77") // which makes it last, but for an equal maximum: that is no write
		after(time.Hour, "four seven77, 18, 0")
		nodes[0].add(leased, t, "seven77")
		after(time.Hour, "four, 0, 0")
	})
}
