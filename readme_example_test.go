package starling_test

import (
	"context"
	"fmt"
	"log"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

// The program of the README: TestReadme holds the two to each other.
func Example() {
	node, err := starling.Open(starling.Options{Seeds: nil}) // host:port of other members
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	greetings, ctx := node.Client(crdt.Register(kv.String)), context.Background()
	if _, err := greetings.Put(ctx, "greeting", "hello"); err != nil {
		log.Fatal(err)
	}
	for v := range kv.Values(ctx, greetings, "greeting") {
		fmt.Println(v) // then every change, until the loop ends
		break
	}
	// Output: hello
}
