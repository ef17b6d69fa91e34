package httpkv_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/starlingkv/starling/internal/lab"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/httpkv"
	"github.com/starlingkv/starling/kv/kvtest"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/web"
)

// lone is the node of a store without a cluster.
type lone struct{}

func (lone) Name() string { return "n1" }
func (lone) Ready() bool  { return true }

func (lone) Members(context.Context) ([]web.Member, error) { return nil, nil }

func (lone) Status(context.Context) (web.Status, error) { return web.Status{Node: "n1"}, nil }

// serve serves a fresh memkv, which ends first so that no watch holds the server up.
func serve(t testing.TB) (*memkv.Client, *httptest.Server) {
	t.Helper()
	mem := memkv.New(kv.Bytes)
	srv := httptest.NewServer(web.New(web.Config{
		Client: func(c kv.Codec) kv.Client { return mem.With(c) },
		Node:   lone{},
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { mem.Close() })
	return mem, srv
}

func open(t testing.TB, base string, codec kv.Codec, opts ...httpkv.Option) *httpkv.Client {
	t.Helper()
	c, err := httpkv.New(base, codec, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestContract(t *testing.T) {
	line := lab.Before(t, "")
	kvtest.Run(t, kvtest.Suite{New: func(t testing.TB, log *slog.Logger) kvtest.Store {
		mem, srv := serve(t)
		line.To(srv.Listener.Addr().String())
		c := open(t, "http://"+line.Address, kv.Bytes, httpkv.Logger(log))
		return kvtest.Store{
			Client: func(codec kv.Codec) kv.Client { return c.With(codec) },
			Line:   line.Writes("PUT /v1/kv/", func(codec kv.Codec) kv.Client { return mem.With(codec) }),
			Close: func() {
				c.Close()
				mem.Close()
				srv.Close() // or its goroutines would be counted as the client's
			},
		}
	}})
}
