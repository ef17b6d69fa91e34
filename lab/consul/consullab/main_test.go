package consullab

import (
	"context"
	"iter"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/consulkv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// within bounds what a test waits for.
const within = 20 * time.Second

// soon is a ctx that outlasts what should be done at once.
func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	t.Cleanup(cancel)
	return ctx
}

func openAt(t testing.TB, url string, opts ...consulkv.Option) *consulkv.Client {
	t.Helper()
	c, err := consulkv.New(url, kv.String, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func put(t testing.TB, c *consulkv.Client, key, value string, opts ...kv.PutOption) string {
	t.Helper()
	version, err := c.Put(soon(t), key, value, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return version
}

// watching pulls the events of everything.
type watching struct {
	t    testing.TB
	pull func() (kv.Event, error, bool)
}

func watch(t testing.TB, c *consulkv.Client) watching {
	t.Helper()
	pull, stop := iter.Pull2(c.Events(soon(t), ""))
	t.Cleanup(stop)
	return watching{t: t, pull: pull}
}

// want pulls one event of each and fails the test unless they are these, as "put k=v", "delete k" or "synced".
func (w watching) want(events ...string) {
	w.t.Helper()
	for _, want := range events {
		ev, err, ok := w.pull()
		if err != nil || !ok {
			w.t.Fatalf("the watch ended with %v, want %q", err, want)
		}
		if got := told(ev); got != want {
			w.t.Fatalf("the watch told %q, want %q", got, want)
		}
	}
}

func told(ev kv.Event) string {
	switch v, _ := ev.Value.(string); ev.Kind {
	case kv.Put:
		return "put " + ev.Key + "=" + v
	case kv.Delete:
		return "delete " + ev.Key
	default:
		return ev.Kind.String()
	}
}
