package kvtest_test

import (
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/kvtest"
	"github.com/starlingkv/starling/kv/memkv"
)

// A client is held to the contract by one test.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestContract(t *testing.T)
		kvtest.Run(t, kvtest.Suite{
			Around: synctest.Test,
			New: func(t testing.TB, log *slog.Logger) kvtest.Store {
				m := memkv.New(kv.Bytes, memkv.Logger(log))
				t.Cleanup(func() { _ = m.Close() })
				return kvtest.Store{
					Client: func(c kv.Codec) kv.Client { return m.With(c) },
					Close:  func() { _ = m.Close() },
				}
			},
		})
	}
}

// A cluster is held to what it promises in the end: written through one member, observed through another.
func ExampleRunEventual() {
	_ = func(t *testing.T) { // func TestCluster(t *testing.T)
		kvtest.RunEventual(t, kvtest.Cluster{
			New: func(t testing.TB, log *slog.Logger) kvtest.Members {
				m := memkv.New(kv.Bytes, memkv.Logger(log))
				t.Cleanup(func() { _ = m.Close() })
				member := func(c kv.Codec) kv.Client { return m.With(c) }
				return kvtest.Members{Write: member, Observe: member}
			},
		})
	}
}
