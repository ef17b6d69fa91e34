package main

import (
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/httpkv"
	"github.com/starlingkv/starling/kv/kvtest"
)

// TestContractOfServer holds a client over HTTP to the whole contract, before the server of a real node.
func TestContractOfServer(t *testing.T) {
	kvtest.Run(t, kvtest.Suite{
		New: func(t testing.TB, log *slog.Logger) kvtest.Store {
			return storeOf(t, starling.Options{Name: "n1", Logger: log})
		},
		Starting: func(t testing.TB, log *slog.Logger) kvtest.Store {
			seed := freeAddr(t)
			s := storeOf(t, starling.Options{Name: "n1", Logger: log, Seeds: []string{seed}, JoinWait: time.Hour})
			s.Start = func() {
				n, err := starling.Open(starling.Options{Name: "n2", Cluster: "contract", Bind: seed})
				if err != nil {
					t.Errorf("the seed: %v", err)
					return
				}
				t.Cleanup(func() { n.Close() })
			}
			return s
		},
	})
}

// storeOf hooks a node, its server and a client of that into the suite.
func storeOf(t testing.TB, opts starling.Options) kvtest.Store {
	t.Helper()
	at, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	opts.Cluster = "contract"
	s, err := serve(opts, at)
	if err != nil {
		t.Fatal(err)
	}
	c, err := httpkv.New(s.url, kv.Bytes, httpkv.Logger(opts.Logger))
	if err != nil {
		t.Fatal(err)
	}
	ended := false
	end := func() {
		if ended {
			return
		}
		ended = true
		c.Close()
		s.end()
		_ = s.server.Close()
		s.api.Close()
		if err := s.node.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	t.Cleanup(end)
	return kvtest.Store{
		Client:  func(codec kv.Codec) kv.Client { return c.With(codec) },
		Unsent:  func() uint64 { return s.node.Stats().Unsent },
		Isolate: func() {}, // it has never known anybody
		Leave: func() {
			if err := s.node.Leave(t.Context()); err != nil {
				t.Errorf("Leave: %v", err)
			}
		},
		Close: end,
	}
}
