package starling_test

import (
	"iter"
	"testing"
	"unsafe"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

// flagTable is a node with a Map of some size at the key "flags", and what writes
// one field of it.
func flagTable(t testing.TB, size int) (n *starling.Node, change func()) {
	t.Helper()
	n = open(t, starling.Options{Name: "a"})
	c := crdt.Typed[crdt.Map[string]]{Client: n.Client(crdt.MapOf[string](kv.JSON[string]("text")))}
	update := func(f func(*crdt.Map[string])) {
		if err := c.Update(t.Context(), "flags", func(m *crdt.Map[string]) error { f(m); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	update(func(m *crdt.Map[string]) {
		for i := range size {
			m.Set(fieldName(i), "a value of some length")
		}
	})
	last := ""
	return n, func() {
		last += "x"
		update(func(m *crdt.Map[string]) { m.Set(fieldName(7), last) })
	}
}

func fieldName(i int) string { return string(rune('a'+i%26)) + string(rune(0x4e00+i)) }

// TestManyWatchersShareOneWholeValue: what a value that merges is written as is
// made once per version, for whoever is told of it.
func TestManyWatchersShareOneWholeValue(t *testing.T) {
	n, change := flagTable(t, 2000)
	raw := n.Raw()
	var pulls []func() (kv.Event, error, bool)
	for range 10 {
		pull, stop := iter.Pull2(raw.Events(t.Context(), "flags", kv.OneKey()))
		defer stop()
		pulls = append(pulls, pull)
		pull() // the value
		pull() // Synced
	}
	for range 3 {
		change()
		var first *byte
		for _, pull := range pulls {
			ev, _, _ := pull()
			body, _ := ev.Value.(kv.Raw)
			if len(body) < 40_000 {
				t.Fatalf("told %v with %d bytes, want the whole value", ev.Kind, len(body))
			}
			if first == nil {
				first = unsafe.SliceData(body)
			}
			if unsafe.SliceData(body) != first {
				t.Fatal("a watcher was told bytes that were made for it alone")
			}
		}
	}
}

// TestFactsCostNoValue: who wants no values pays for none, however often they
// change.
func TestFactsCostNoValue(t *testing.T) {
	n, change := flagTable(t, 2000)
	raw := n.Raw()
	pull, stop := iter.Pull2(raw.Events(t.Context(), "flags", kv.OneKey(), kv.NoValues()))
	defer stop()
	pull()
	pull()
	whole, _, _ := raw.Entry(t.Context(), "flags")
	costs := testing.AllocsPerRun(20, func() {
		change()
		ev, err, _ := pull()
		if err != nil || ev.Version == "" || ev.Version == whole.Version || ev.Codec != "map.text" || ev.Value != nil || ev.Size != 0 {
			t.Fatalf("told %+v, %v", ev, err)
		}
		for e, err := range raw.Entries(t.Context(), "", "", kv.NoValues()) {
			if err != nil || e.Version != ev.Version || e.Codec != "map.text" || e.Origin != whole.Origin || e.Updated.Before(whole.Updated) || e.Value != nil {
				t.Fatalf("the entry is %+v, %v; told was %+v", e, err, ev.Entry)
			}
		}
	})
	if costs > 400 {
		t.Errorf("a change, told without the value, costs %.0f allocations in a Map of 2,000 fields", costs)
	}
}
