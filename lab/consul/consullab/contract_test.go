package consullab

import (
	"flag"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/storedoc"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/consulkv"
	"github.com/starlingkv/starling/kv/kvtest"
)

var rewrite = flag.Bool("rewrite", false, "write the row of docs/stores.md anew")

func TestContract(t *testing.T) {
	t.Parallel()
	a := Start(t)
	kvtest.Run(t, kvtest.Suite{New: a.fresh(), TTL: time.Second, Report: storedoc.Keep(t, storedoc.Place{
		File: "../../../docs/stores.md", Store: "Consul", Against: "a Consul 1.16.3 server", Rewrite: *rewrite,
	})})
}

// fresh opens stores that are empty: each its own part of the agent's keys.
func (a *Agent) fresh() func(t testing.TB, log *slog.Logger) kvtest.Store {
	var n atomic.Int64
	return func(t testing.TB, log *slog.Logger) kvtest.Store {
		c := a.open(t, consulkv.Prefix(fmt.Sprintf("part%d/", n.Add(1))), consulkv.Logger(log))
		return kvtest.Store{
			Client: func(codec kv.Codec) kv.Client { return c.With(codec) },
			Close:  func() { c.Close() },
		}
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
