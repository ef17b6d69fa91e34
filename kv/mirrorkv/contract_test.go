package mirrorkv_test

import (
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/kvtest"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/kv/mirrorkv"
)

func suite(t testing.TB, log *slog.Logger) kvtest.Store {
	primary, secondary := memkv.New(kv.Bytes, memkv.Logger(log)), memkv.New(kv.Bytes, memkv.Logger(log))
	var mirrors []*mirrorkv.Client
	shut := func() {
		for _, m := range mirrors {
			m.Close()
		}
		primary.Close()
		secondary.Close()
	}
	t.Cleanup(shut)
	return kvtest.Store{
		Client: func(codec kv.Codec) kv.Client {
			m, err := mirrorkv.New(codec, primary.With(codec), secondary.With(codec), mirrorkv.Logger(log))
			if err != nil {
				t.Fatal(err)
			}
			mirrors = append(mirrors, m)
			return m
		},
		Close: shut,
	}
}

func TestContract(t *testing.T) {
	kvtest.Run(t, kvtest.Suite{New: suite, Around: synctest.Test})
}

func TestContractOnTheRealClock(t *testing.T) {
	kvtest.Run(t, kvtest.Suite{New: suite})
}
