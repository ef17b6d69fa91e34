package memkv_test

import (
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/kvtest"
	"github.com/starlingkv/starling/kv/memkv"
)

func suite(t testing.TB, log *slog.Logger) kvtest.Store {
	c := memkv.New(kv.Bytes, memkv.Logger(log))
	t.Cleanup(func() { c.Close() })
	return kvtest.Store{
		Client: func(codec kv.Codec) kv.Client { return c.With(codec) },
		Close:  func() { c.Close() },
	}
}

func TestContract(t *testing.T) {
	kvtest.Run(t, kvtest.Suite{New: suite, Around: synctest.Test})
}

func TestContractOnTheRealClock(t *testing.T) {
	kvtest.Run(t, kvtest.Suite{New: suite})
}
