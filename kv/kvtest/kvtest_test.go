package kvtest

import (
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

// openMem opens the reference.
func openMem(t testing.TB, log *slog.Logger) Store {
	m := memkv.New(docs, memkv.Logger(log))
	t.Cleanup(func() { _ = m.Close() })
	return Store{
		Client: func(c kv.Codec) kv.Client { return m.With(c) },
		Close:  func() { _ = m.Close() },
	}
}

func TestReferenceInBubble(t *testing.T) { Run(t, Suite{New: openMem, Around: synctest.Test}) }

func TestReferenceOnRealClock(t *testing.T) { Run(t, Suite{New: openMem}) }
