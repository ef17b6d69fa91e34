package kv_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

// Count up, whoever else does at the same time.
func ExampleClient() {
	var c kv.Client = memkv.New(kv.JSON[int]("int"))
	ctx := context.Background()

	for range 3 {
		err := c.CAS(ctx, "visits", func(in any) (out any, retry bool, err error) {
			n, _ := in.(int) // nil the first time
			return n + 1, true, nil
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(c.Get(ctx, "visits"))
	fmt.Println(c.Get(ctx, "nothing"))
	// Output:
	// 3 <nil>
	// <nil> <nil>
}

func ExampleTyped() {
	type Limits struct{ Rate, Burst int }
	limits := kv.Typed[Limits]{Client: memkv.New(kv.JSON[Limits]("limits"))}
	ctx := context.Background()

	err := limits.Update(ctx, "tenant-1", func(old Limits, ok bool) (Limits, error) {
		if ok {
			return old, kv.Keep
		}
		return Limits{Rate: 100, Burst: 500}, nil
	})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(limits.Get(ctx, "tenant-1"))
	// Output: {100 500} true <nil>
}

func ExampleValues() {
	c := memkv.New(kv.String)
	ctx := context.Background()
	_, _ = c.Put(ctx, "colour", "red")

	for v := range kv.Values(ctx, c, "colour") {
		fmt.Println(v)
		switch v {
		case "red":
			_, _ = c.Put(ctx, "colour", "blue")
		case "blue":
			_ = c.Delete(ctx, "colour")
		}
		if v == nil {
			break
		}
	}
	// Output:
	// red
	// blue
	// <nil>
}

func ExampleChanges() {
	c := memkv.New(kv.String)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, _ = c.Put(ctx, "host/a", "10.0.0.1")
	_, _ = c.Put(ctx, "host/b", "10.0.0.2")

	for key, addr := range kv.Changes(ctx, c, "host/") {
		fmt.Println(key, addr)
		if key == "host/b" {
			cancel()
		}
	}
	// Output:
	// host/a 10.0.0.1
	// host/b 10.0.0.2
}

// Events tells deletes too, and when the initial state is complete.
func ExampleWatcher() {
	c := memkv.New(kv.String)
	ctx := context.Background()
	_, _ = c.Put(ctx, "a", "1")

	watcher, _ := kv.As[kv.Watcher](c)
	for ev, err := range watcher.Events(ctx, "") {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(ev.Kind)
		if ev.Kind == kv.Synced {
			_ = c.Delete(ctx, "a")
		}
		if ev.Kind == kv.Delete {
			break
		}
	}
	// Output:
	// put
	// synced
	// delete
}

func ExampleVersioned() {
	c := memkv.New(kv.String)
	ctx := context.Background()

	version, err := c.Put(ctx, "doc", "draft", kv.IfAbsent())
	fmt.Println(err)
	_, err = c.Put(ctx, "doc", "final", kv.IfVersion(version))
	fmt.Println(err)
	_, err = c.Put(ctx, "doc", "late", kv.IfVersion(version))
	fmt.Println(err, errors.Is(err, kv.ErrConflict))
	// Output:
	// <nil>
	// <nil>
	// put "doc": another write came first true
}

// What a program cannot do without, it says at the start.
func ExampleRequire() {
	fmt.Println(kv.Require(memkv.New(kv.Bytes), kv.LinearizableCAS, kv.Expiry))
	fmt.Println(kv.Require(memkv.New(kv.Bytes), kv.Persistent))
	// Output:
	// <nil>
	// require: the store does not support this: persistent
}

func ExampleWithTTL() {
	c := memkv.New(kv.String)
	ctx := kv.WithTTL(context.Background(), time.Hour)

	_ = c.CAS(ctx, "lease", func(any) (any, bool, error) { return "mine", false, nil })
	e, _, _ := c.Entry(ctx, "lease")
	fmt.Println(e.Expires.Sub(e.Updated))
	// Output: 1h0m0s
}

func ExamplePrefix() {
	c := memkv.New(kv.String)
	tenant := kv.Prefix(c, "tenant-1/")
	ctx := context.Background()

	_ = tenant.CAS(ctx, "name", func(any) (any, bool, error) { return "Ann", false, nil })
	fmt.Println(tenant.List(ctx, ""))
	fmt.Println(c.List(ctx, ""))
	// Output:
	// [name] <nil>
	// [tenant-1/name] <nil>
}

func ExampleInstrument() {
	c := kv.Instrument(memkv.New(kv.String), func(_ context.Context, call kv.Call) {
		fmt.Println(call.Op, call.Key, call.Err)
	})
	_, _ = c.Get(context.Background(), "a")
	_, _ = c.Get(context.Background(), "")
	// Output:
	// get a <nil>
	// get  get: not a key: empty
}
