package starling_test

import (
	"context"
	"fmt"
	"log"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

func ExampleOpen() {
	ctx := context.Background()
	a, err := starling.Open(starling.Options{Name: "a"})
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	b, err := starling.Open(starling.Options{Name: "b", Seeds: []string{a.Addr()}})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()

	kind := crdt.Register(kv.String)
	if _, err := b.Client(kind).Put(ctx, "greeting", "hello"); err != nil { // waits until b has joined
		log.Fatal(err)
	}
	for v := range kv.Values(ctx, a.Client(kind), "greeting") {
		fmt.Println(v)
		break
	}
	// Output: hello
}

func ExampleNode_Client() {
	type flag struct{ On bool }
	node, err := starling.Open(starling.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	ctx := context.Background()

	flags := kv.Typed[flag]{Client: node.Client(crdt.Register(kv.JSON[flag]("flag")))}
	err = flags.Update(ctx, "dark-mode", func(old flag, ok bool) (flag, error) {
		old.On = !old.On
		return old, nil
	})
	if err != nil {
		log.Fatal(err)
	}
	f, ok, err := flags.Get(ctx, "dark-mode")
	fmt.Println(f.On, ok, err)
	// Output: true true <nil>
}
