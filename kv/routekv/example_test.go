package routekv_test

import (
	"context"
	"fmt"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/kv/routekv"
)

// Keys that need one winner go to a store that can choose one; the rest stays where it is fast.
func Example() {
	gossip := memkv.New(kv.String) // in a service: node.Client(crdt.Register(kv.String))
	defer gossip.Close()
	etcd := memkv.New(kv.String) // in a service: a client of package etcdkv
	defer etcd.Close()

	c, err := routekv.New(gossip, nil, routekv.Route{Prefix: "leader/", Client: etcd})
	if err != nil {
		panic(err)
	}
	if err := kv.Require(c.For("leader/compactor"), kv.LinearizableCAS); err != nil {
		panic(err) // at the start, not in the night in which two leaders run
	}

	ctx := context.Background()
	for _, key := range []string{"zone", "leader/compactor", "flags/dark-mode"} {
		if _, err := c.Put(ctx, key, "x"); err != nil {
			panic(err)
		}
	}
	all, _ := c.List(ctx, "")
	strong, _ := etcd.List(ctx, "")
	fmt.Println(all)
	fmt.Println(strong)
	// Output:
	// [flags/dark-mode leader/compactor zone]
	// [leader/compactor]
}
