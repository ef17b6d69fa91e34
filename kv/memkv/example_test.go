package memkv_test

import (
	"context"
	"fmt"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

func Example() {
	c := memkv.New(kv.String)
	defer c.Close()
	ctx := context.Background()

	if _, err := c.Put(ctx, "greeting", "hello"); err != nil {
		fmt.Println(err)
	}
	fmt.Println(c.Get(ctx, "greeting"))
	// Output: hello <nil>
}

// One store, two codecs: each key belongs to the codec that wrote it.
func ExampleClient_With() {
	names := memkv.New(kv.String)
	defer names.Close()
	ages := names.With(kv.JSON[int]("int"))
	ctx := context.Background()

	_, _ = names.Put(ctx, "ann/name", "Ann")
	_, _ = ages.Put(ctx, "ann/age", 41)
	fmt.Println(names.List(ctx, ""))
	fmt.Println(names.Get(ctx, "ann/age"))
	// Output:
	// [ann/age ann/name] <nil>
	// <nil> get "ann/age": another kind of value: the key holds "int", not "string"
}
