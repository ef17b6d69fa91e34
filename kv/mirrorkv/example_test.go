package mirrorkv_test

import (
	"context"
	"fmt"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/kv/mirrorkv"
)

// A team moves from one store to another without stopping: mirror, copy what is there, verify, switch.
func Example() {
	ctx := context.Background()
	consul, gossip := memkv.New(kv.String), memkv.New(kv.String) // stand for the two stores
	defer consul.Close()
	defer gossip.Close()
	if _, err := consul.Put(ctx, "flags/dark-mode", "on"); err != nil {
		panic(err)
	}

	c, err := mirrorkv.New(kv.String, consul, gossip)
	if err != nil {
		panic(err)
	}
	defer c.Close()

	done, err := c.Copy(ctx, "", nil)
	fmt.Println("copied", done.Copied, err)
	fmt.Println("same", c.Verify(ctx, "").Same())
	fmt.Println("switched", c.Switch(ctx))
	v, err := c.Get(ctx, "flags/dark-mode") // from gossip now, while writes still go to both
	fmt.Println(v, err)
	// Output:
	// copied 1 <nil>
	// same true
	// switched <nil>
	// on <nil>
}
