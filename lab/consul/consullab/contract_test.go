package consullab

import (
	"flag"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/lab"
	"github.com/starlingkv/starling/internal/storedoc"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/consulkv"
	"github.com/starlingkv/starling/kv/kvtest"
)

var rewrite = flag.Bool("rewrite", false, "write the row of docs/stores.md anew")

func TestContract(t *testing.T) {
	t.Parallel()
	a := Start(t)
	line, next := lab.Before(t, a.Address()), 0
	kvtest.Run(t, kvtest.Suite{TTL: time.Second, New: func(t testing.TB, log *slog.Logger) kvtest.Store {
		next++
		part := consulkv.Prefix(fmt.Sprintf("part%d/", next))
		store := storeOf(openAt(t, "http://"+line.Address, part, consulkv.Logger(log)))
		store.Line = line.Writes("PUT /v1/txn", func(codec kv.Codec) kv.Client { return a.open(t, part).With(codec) })
		store.Line.Forgets = "it keeps no history"
		return store
	}, Report: storedoc.Keep(t, storedoc.Place{
		File: "../../../docs/stores.md", Store: "Consul", Against: "a Consul 1.16.3 server", Rewrite: *rewrite,
	})})
}

func storeOf(c *consulkv.Client) kvtest.Store {
	return kvtest.Store{
		Client: func(codec kv.Codec) kv.Client { return c.With(codec) },
		Close:  func() { c.Close() },
	}
}

func (a *Agent) open(t testing.TB, opts ...consulkv.Option) *consulkv.Client {
	t.Helper()
	c, err := consulkv.New(a.URL(), kv.String, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
