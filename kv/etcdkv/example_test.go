package etcdkv_test

import (
	"context"
	"log"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/etcdkv"
)

// A counter in etcd, of which no two programs ever see the same value.
func Example() {
	c, err := etcdkv.New([]string{"etcd-1:2379", "etcd-2:2379", "etcd-3:2379"}, kv.JSON[int]("int"), etcdkv.Auth("app", "secret"))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := kv.Require(c, kv.LinearizableCAS); err != nil {
		log.Fatal(err)
	}
	next := kv.Typed[int]{Client: kv.Prefix(c, "app/")}
	err = next.Update(context.Background(), "next-id", func(n int, _ bool) (int, error) { return n + 1, nil })
	if err != nil {
		log.Fatal(err)
	}
}
