package mirrorkv_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/kv/mirrorkv"
)

// TestAWatchOfOneKeyAsksThePrimaryForThat counts what the stores tell the mirror, before and after a switch.
func TestAWatchOfOneKeyAsksThePrimaryForThat(t *testing.T) {
	a, b := memkv.New(kv.String), memkv.New(kv.String)
	t.Cleanup(func() { a.Close(); b.Close() })
	var told atomic.Int64
	counting := func(c kv.Client) kv.Client {
		return kv.Instrument(c, func(_ context.Context, call kv.Call) {
			if call.Op == "watch" {
				told.Add(int64(call.Told))
			}
		})
	}
	for i := range 10_000 {
		for _, c := range []*memkv.Client{a, b} {
			if _, err := c.Put(t.Context(), fmt.Sprint("key", i), "v"); err != nil {
				t.Fatal(err)
			}
		}
	}
	m, err := mirrorkv.New(kv.String, counting(a), counting(b))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Put(t.Context(), "key", "v"); err != nil {
		t.Fatal(err)
	}
	synced := 0
	for ev := range m.Events(t.Context(), "key", kv.OneKey()) {
		if ev.Kind != kv.Synced {
			continue
		}
		if synced++; synced == 2 {
			break
		}
		if err := m.Switch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := told.Load(); got != 2 {
		t.Errorf("a watch of one key of two stores was told %d keys, want one by each", got)
	}
}
