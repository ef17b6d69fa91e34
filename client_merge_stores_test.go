package starling_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/crdt/crdttest"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

// TestMergingKindsOnEveryStore runs one program on a node, cell by cell, and on a
// store that keeps whole values: both hold the same, written in the same way.
func TestMergingKindsOnEveryStore(t *testing.T) {
	n := open(t, starling.Options{Name: "a"})
	texts, sets := crdt.MapOf[string](kv.String), crdt.SetOf[int](kv.JSON[int]("int"))
	same(t, n, texts, func(r *rand.Rand, m *crdt.Map[string]) {
		m.Set("stays", "here") // an empty Map is absent on a node and {} elsewhere
		m.Set(fmt.Sprint(r.IntN(5)), fmt.Sprint(r.IntN(3)))
		m.Delete(fmt.Sprint(r.IntN(5)))
	})
	same(t, n, sets, func(r *rand.Rand, s *crdt.Set[int]) {
		s.Add(-1)
		s.Add(r.IntN(5))
		s.Remove(r.IntN(5))
	})
	same(t, n, crdt.Counters(), func(r *rand.Rand, c *crdt.Counter) { c.Add(int64(r.IntN(9) - 4)) })
	same(t, n, crdt.Maxima(), func(r *rand.Rand, m *crdt.Max) { m.Observe(int64(r.IntN(99))) })
}

func same[S any](t *testing.T, n *starling.Node, kind crdt.Kind, change func(*rand.Rand, *S)) {
	t.Helper()
	whole := memkv.New(kind.Codec())
	defer whole.Close()
	key := kind.ID()
	var got [2]string
	for i, c := range []kv.Client{n.Client(kind), whole} {
		r := rand.New(rand.NewPCG(7, 7))
		typed := crdt.Typed[S]{Client: c}
		for range 60 {
			if err := typed.Update(t.Context(), key, func(v *S) error { change(r, v); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		v, ok, err := typed.Get(t.Context(), key)
		if err != nil || !ok {
			t.Fatalf("%s: %v, %v", key, ok, err)
		}
		b, err := kind.Codec().Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		got[i] = string(b)
	}
	if got[0] != got[1] {
		t.Errorf("%s: a node holds %s, a store of whole values %s", key, got[0], got[1])
	}
}

// TestKindsOnNodes holds a node to what every kind promises of a store, cell by cell.
func TestKindsOnNodes(t *testing.T) {
	n := open(t, starling.Options{Name: "a"})
	crdttest.Usable(t, func(_ testing.TB, kind crdt.Kind) kv.Client { return n.Client(kind) })
}

func ExampleNode_Client_map() {
	node, err := starling.Open(starling.Options{})
	if err != nil {
		panic(err)
	}
	defer node.Close()

	type Flag struct{ On bool }
	flags := crdt.Typed[crdt.Map[Flag]]{Client: node.Client(crdt.MapOf[Flag](kv.JSON[Flag]("flag")))}
	err = flags.Update(context.Background(), "checkout", func(m *crdt.Map[Flag]) error {
		m.Set("new-cart", Flag{On: true})
		return nil
	})
	if err != nil {
		panic(err)
	}
	m, _, err := flags.Get(context.Background(), "checkout")
	if err != nil {
		panic(err)
	}
	fmt.Println(m.Get("new-cart"))
	// Output: {true} true
}
