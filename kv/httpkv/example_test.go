package httpkv_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/httpkv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/web"
)

func ExampleNew() {
	store := memkv.New(kv.Bytes)
	defer store.Close()
	server := httptest.NewServer(web.New(web.Config{
		Client: func(c kv.Codec) kv.Client { return store.With(c) },
		Node:   lone{},
	}))
	defer server.Close()

	c, err := httpkv.New(server.URL, kv.String) // of a running starling: http://127.0.0.1:7070
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	_, err = c.Put(context.Background(), "greeting", "hello")
	fmt.Println(err)
	fmt.Println(c.Get(context.Background(), "greeting"))
	// Output:
	// <nil>
	// hello <nil>
}
