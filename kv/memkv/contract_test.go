package memkv_test

import (
	"flag"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/starlingkv/starling/internal/storedoc"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/kvtest"
	"github.com/starlingkv/starling/kv/memkv"
)

var rewrite = flag.Bool("rewrite", false, "write the row of docs/stores.md anew")

func suite(t testing.TB, log *slog.Logger) kvtest.Store {
	c := memkv.New(kv.Bytes, memkv.Logger(log))
	t.Cleanup(func() { c.Close() })
	return kvtest.Store{
		Client: func(codec kv.Codec) kv.Client { return c.With(codec) },
		Close:  func() { c.Close() },
	}
}

func TestContract(t *testing.T) {
	kvtest.Run(t, kvtest.Suite{New: suite, Around: synctest.Test, Siblings: 10_000, Report: storedoc.Keep(t, storedoc.Place{
		File: "../../docs/stores.md", Store: "memory", Against: "a map in the process", Rewrite: *rewrite,
	})})
}

func TestContractOnTheRealClock(t *testing.T) {
	kvtest.Run(t, kvtest.Suite{New: suite})
}
