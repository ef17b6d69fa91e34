package starling_test

import (
	"errors"
	"testing"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

// TestMediaTypeTravels writes on one node: the others tell the media type, and the same version.
func TestMediaTypeTravels(t *testing.T) {
	nodes := cluster(t, "a", "b", "c")
	const page = "text/html; charset=utf-8"
	version, err := texts(nodes[0]).Put(t.Context(), "k", "<b>", kv.Media(page), kv.TTL(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes[1:] {
		wait(t, texts(n), "k", "<b>")
		e, _, err := texts(n).Entry(t.Context(), "k")
		if err != nil || e.Media != page || e.Version != version {
			t.Errorf("%s: got %+v, %v; want the media type and the version %s", n.Name(), e, err, version)
		}
	}
	put(t, texts(nodes[1]), "k", "bare")
	wait(t, texts(nodes[2]), "k", "bare")
	if e, _, err := texts(nodes[2]).Entry(t.Context(), "k"); err != nil || e.Media != "" {
		t.Errorf("after a Put without one: got %q, %v", e.Media, err)
	}
}

// TestValuesThatMergeHaveNoMediaType asks for one.
func TestValuesThatMergeHaveNoMediaType(t *testing.T) {
	c := cluster(t, "a")[0].Client(crdt.MapOf[string](kv.String))
	var m crdt.Map[string]
	m.Set("x", "1")
	if _, err := c.Put(t.Context(), "k", &m, kv.Media("text/plain")); !errors.Is(err, kv.ErrUnsupported) || c.Capabilities().Media {
		t.Errorf("got %v, want ErrUnsupported", err)
	}
	if v, err := c.Get(t.Context(), "k"); v != nil || err != nil {
		t.Errorf("it was written: %v, %v", v, err)
	}
}
