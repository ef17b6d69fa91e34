package routekv_test

import (
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/kvtest"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/kv/routekv"
)

// suite routes so that neighbouring keys of the suite live in different stores.
func suite(t testing.TB, log *slog.Logger) kvtest.Store {
	stores := make([]*memkv.Client, 3)
	for i := range stores {
		stores[i] = memkv.New(kv.Bytes, memkv.Logger(log))
		t.Cleanup(func() { stores[i].Close() })
	}
	return kvtest.Store{
		Client: func(codec kv.Codec) kv.Client {
			c, err := routekv.New(stores[0].With(codec), log,
				routekv.Route{Prefix: "a", Client: stores[1].With(codec)},
				routekv.Route{Prefix: "a/", Client: stores[2].With(codec)},
				routekv.Route{Prefix: "k", Client: stores[2].With(codec)},
				routekv.Route{Prefix: "p/b", Client: stores[1].With(codec)},
			)
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
		Close: func() {
			for _, s := range stores {
				s.Close()
			}
		},
	}
}

func TestContract(t *testing.T) {
	kvtest.Run(t, kvtest.Suite{New: suite, Around: synctest.Test, Siblings: 10_000})
}

func TestContractOnTheRealClock(t *testing.T) {
	kvtest.Run(t, kvtest.Suite{New: suite})
}
