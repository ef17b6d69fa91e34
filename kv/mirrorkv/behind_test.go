package mirrorkv

import (
	"fmt"
	"testing"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

// TestTooManyBehind lets more keys fall behind than are remembered: everything is compared instead.
func TestTooManyBehind(t *testing.T) {
	a, b := memkv.New(kv.String), memkv.New(kv.String)
	t.Cleanup(func() { a.Close() })
	t.Cleanup(func() { b.Close() })
	m, err := New(kv.String, a, b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Put(t.Context(), "never added", "x"); err != nil {
		t.Fatal(err)
	}
	if err := m.turn.hold(t.Context()); err != nil { // holds the background up, as a secondary that is away does
		t.Fatal(err)
	}
	for i := range maxBehind + 2*batch {
		m.behind.add(fmt.Sprint(i))
	}
	size := m.behind.size()
	m.turn.release()
	if size != many {
		t.Fatalf("%s behind, want more than are counted", size)
	}
	if err := m.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if v, err := b.Get(t.Context(), "never added"); v != "x" {
		t.Errorf("the comparison of everything did not run: %v, %v", v, err)
	}
}

func TestAKeyAddedAgainStaysBehind(t *testing.T) {
	b := behind{wake: make(chan struct{}, 1)}
	b.add("k")
	keys, adds := b.some(10)
	b.add("k")
	b.done(keys[0], adds[0])
	if b.size() != 1 {
		t.Error("a write after the copy began was forgotten")
	}
	_, adds = b.some(10)
	b.done("k", adds[0])
	if b.size() != 0 {
		t.Error("the key is still behind")
	}
}
