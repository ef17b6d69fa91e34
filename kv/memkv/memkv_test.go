package memkv_test

import (
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

// all is what a client of this house is, beside the six methods.
type all interface {
	kv.Client
	kv.Capable
	kv.Counted
	kv.Versioned
	kv.Watcher
	LastUpdateTime(key string) time.Time
}

var _ all = (*memkv.Client)(nil)

// next pulls one event and fails the test if there is none or it has an error.
func next(t *testing.T, pull func() (kv.Event, error, bool)) kv.Event {
	t.Helper()
	ev, err, ok := pull()
	if err != nil || !ok {
		t.Fatalf("next event: %v, ok %v", err, ok)
	}
	return ev
}

func put(t *testing.T, c kv.Versioned, key, v string, opts ...kv.PutOption) string {
	t.Helper()
	version, err := c.Put(t.Context(), key, v, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return version
}
