package elect_test

import (
	"context"
	"fmt"

	"github.com/starlingkv/starling/elect"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

func ExampleCampaign() {
	ctx := context.Background()
	c := memkv.New(kv.Bytes) // in a fleet: a client of package etcdkv, consulkv or natskv
	defer c.Close()

	l, err := elect.Campaign(ctx, c, "leader/compactor", "node-a")
	if err != nil {
		panic(err)
	}
	compact := func(ctx context.Context, token uint64) { fmt.Println("compacting with token", token) }
	compact(l.Context(), l.Token()) // stops when the context ends; the storage refuses lower tokens
	fmt.Println(l.Resign(ctx))
	// Output:
	// compacting with token 1
	// <nil>
}
