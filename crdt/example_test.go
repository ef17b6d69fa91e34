package crdt_test

import (
	"context"
	"fmt"
	"log"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

// Flag is one entry of a table.
type Flag struct {
	On      bool `json:"on"`
	Percent int  `json:"percent,omitempty"`
}

// A table of flags. On a node it is node.Client(kind); here it is a store in
// memory, which keeps the table as one value.
func ExampleTyped() {
	ctx := context.Background()
	kind := crdt.MapOf[Flag](kv.JSON[Flag]("flag"))
	store := memkv.New(kind.Codec())
	defer store.Close()

	flags := crdt.Typed[crdt.Map[Flag]]{Client: store}
	err := flags.Update(ctx, "checkout", func(m *crdt.Map[Flag]) error {
		m.Set("new-cart", Flag{On: true, Percent: 10})
		m.Set("express", Flag{})
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	m, _, err := flags.Get(ctx, "checkout")
	if err != nil {
		log.Fatal(err)
	}
	for name, flag := range m.All() {
		fmt.Println(name, flag.On, flag.Percent)
	}
	// Output:
	// express false 0
	// new-cart true 10
}

func ExampleSetOf() {
	ctx := context.Background()
	store := memkv.New(crdt.SetOf[string](kv.String).Codec())
	defer store.Close()

	drained := crdt.Typed[crdt.Set[string]]{Client: store}
	for _, zone := range []string{"eu-1", "eu-2"} {
		err := drained.Update(ctx, "drained", func(s *crdt.Set[string]) error {
			s.Add(zone)
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	s, _, err := drained.Get(ctx, "drained")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Has("eu-1"), s.Has("us-1"), s.Len())
	// Output: true false 2
}

func ExampleCounters() {
	ctx := context.Background()
	store := memkv.New(crdt.Counters().Codec())
	defer store.Close()

	hits := crdt.Typed[crdt.Counter]{Client: store}
	for range 3 {
		if err := hits.Update(ctx, "hits", func(c *crdt.Counter) error { c.Add(2); return nil }); err != nil {
			log.Fatal(err)
		}
	}
	c, _, err := hits.Get(ctx, "hits")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Value())
	// Output: 6
}

func ExampleMaxima() {
	high := &crdt.Max{}
	for _, schema := range []int64{3, 7, 5} {
		high.Observe(schema)
	}
	fmt.Println(high.Value())
	// Output: 7 true
}
