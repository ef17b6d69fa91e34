package starling_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/member"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/kvtest"
)

// checking is a node that looks after its values, and what it logs.
func checking(t *testing.T) (*starling.Node, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	n := openIn(t, member.NewMemory(1), starling.Options{
		Name: "a", Tuning: starling.Tuning{CheckViews: true},
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	return n, &log
}

// TestCheckViewsFindsScribblers writes into what each operation hands out: the next reader, or the end, finds it.
func TestCheckViewsFindsScribblers(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	scribble := func(v any) { v.([]byte)[0]++ }
	for op, do := range map[string]func(c *starling.Client){
		"get": func(c *starling.Client) { v, _ := c.Get(ctx, "k"); scribble(v) },
		"cas": func(c *starling.Client) {
			_ = c.CAS(ctx, "k", func(in any) (any, bool, error) { scribble(in); return nil, false, nil })
		},
		"entry": func(c *starling.Client) { e, _, _ := c.Entry(ctx, "k"); scribble(e.Value) },
		"entries": func(c *starling.Client) {
			for e := range c.Entries(ctx, "", "") {
				scribble(e.Value)
			}
		},
		"watch": func(c *starling.Client) { c.WatchKey(ctx, "k", func(v any) bool { scribble(v); return false }) },
		"watch of a prefix": func(c *starling.Client) {
			c.WatchPrefix(ctx, "", func(_ string, v any) bool { scribble(v); return false })
		},
		"watch of events": func(c *starling.Client) {
			for ev := range c.Events(ctx, "") {
				scribble(ev.Value)
				break
			}
		},
	} {
		for _, when := range []string{"at the next look", "at the end"} {
			n, log := checking(t)
			c := n.Client(crdt.Register(kv.Bytes))
			if _, err := c.Put(ctx, "k", []byte("value")); err != nil {
				t.Fatal(err)
			}
			do(c)
			if when == "at the next look" {
				for range 3 {
					do(c)
					if _, err := c.Get(ctx, "k"); err != nil {
						t.Fatal(err)
					}
				}
			} else if err := n.Close(); err != nil {
				t.Fatal(err)
			}
			name, _, _ := strings.Cut(op, " ")
			if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, " key=k op="+name+" ") || n.Stats().Scribbled != 1 {
				t.Errorf("%s, %s: the count is %d and the log %q, want the key and the operation, once", op, when, n.Stats().Scribbled, text)
			}
		}
	}
}

// TestCheckViewsKnowsFields writes into a slice that stands in a field, which is shared, and into the Map, which is not.
func TestCheckViewsKnowsFields(t *testing.T) {
	n, log := checking(t)
	c := crdt.Typed[crdt.Map[[]int]]{Client: n.Client(crdt.MapOf[[]int](kv.JSON[[]int]("ints")))}
	set := func(m *crdt.Map[[]int]) error { m.Set("x", []int{1, 2}); return nil }
	if err := c.Update(t.Context(), "k", set); err != nil {
		t.Fatal(err)
	}
	m, _, err := c.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	m.Set("y", []int{3})
	m.Delete("x")
	if _, _, err := c.Get(t.Context(), "k"); err != nil || log.Len() > 0 {
		t.Errorf("who changes his own Map is taken for a scribbler: %v, %s", err, log)
	}
	again, _, _ := c.Get(t.Context(), "k")
	v, _ := again.Get("x")
	v[0] = 9
	if err := n.Close(); err != nil || n.Stats().Scribbled != 1 || !strings.Contains(log.String(), "key=k op=get") {
		t.Errorf("got %v, %d, %s; want the key and the operation", err, n.Stats().Scribbled, log)
	}
}

// TestCheckViewsFindsHiddenScribblers writes into what stands in a Map in the ways that are easy to overlook: within an
// Update, into what a watcher has kept, into a value of several parts.
func TestCheckViewsFindsHiddenScribblers(t *testing.T) {
	ctx := t.Context()
	codec := kv.JSON[[]int]("ints")
	for name, scribble := range map[string]func(n *starling.Node) error{
		"within an update": func(n *starling.Node) error {
			c := crdt.Typed[crdt.Map[[]int]]{Client: n.Client(crdt.MapOf[[]int](codec))}
			err := c.Update(ctx, "k", func(m *crdt.Map[[]int]) error { m.Set("x", []int{1}); m.Set("y", []int{2}); return nil })
			return errors.Join(err, c.Update(ctx, "k", func(m *crdt.Map[[]int]) error {
				x, _ := m.Get("x")
				x[0] = 9
				m.Set("z", []int{3})
				return nil
			}))
		},
		"kept by a watcher": func(n *starling.Node) error {
			c := crdt.Typed[crdt.Map[[]int]]{Client: n.Client(crdt.MapOf[[]int](codec))}
			err := c.Update(ctx, "k", func(m *crdt.Map[[]int]) error { m.Set("x", []int{1}); return nil })
			var kept *crdt.Map[[]int]
			for kept = range c.Watch(ctx, "k") {
				break
			}
			err = errors.Join(err, c.Update(ctx, "other", func(m *crdt.Map[[]int]) error { m.Set("x", []int{}); return nil }))
			for _, x := range kept.All() {
				x[0] = 9
			}
			return errors.Join(err, c.Delete(ctx, "k"))
		},
		"of parts": func(n *starling.Node) error {
			c := crdt.Typed[crdt.Map[[]int]]{Client: n.Client(crdt.MapOf[[]int](twoInts{codec}))}
			err := c.Update(ctx, "k", func(m *crdt.Map[[]int]) error { m.Set("x", []int{1, 2}); return nil })
			m, _, _ := c.Get(ctx, "k")
			x, _ := m.Get("x")
			x[1] = 9
			return err
		},
	} {
		n, log := checking(t)
		if err := errors.Join(scribble(n), n.Close()); err != nil {
			t.Fatal(err)
		}
		if n.Stats().Scribbled != 1 || !strings.Contains(log.String(), " key=k ") {
			t.Errorf("%s: the count is %d and the log %q, want the key, once", name, n.Stats().Scribbled, log)
		}
	}
}

// TestCheckViewsKnowsWhatIsOnesOwn: what a codec decodes for each reader anew may be written into, and nobody is told.
func TestCheckViewsKnowsWhatIsOnesOwn(t *testing.T) {
	n, log := checking(t)
	c := n.Client(crdt.Register(kv.JSON[[]string]("tags")))
	if _, err := c.Put(t.Context(), "k", []string{"a"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		v, err := c.Get(t.Context(), "k")
		if err != nil || v.([]string)[0] != "a" {
			t.Fatalf("got %v, %v", v, err)
		}
		v.([]string)[0] = "b"
	}
	if err := n.Close(); err != nil || n.Stats().Scribbled != 0 {
		t.Errorf("got %v, %d, %s", err, n.Stats().Scribbled, log)
	}
}

// twoInts is a codec of two parts, a number each.
type twoInts struct{ kv.Codec }

func (twoInts) Parts(v []int) ([][]byte, error) {
	return [][]byte{fmt.Append(nil, v[0]), fmt.Append(nil, v[1])}, nil
}

func (twoInts) Join(parts [][]byte) (v []int, err error) {
	v = make([]int, 2)
	_, err = fmt.Sscan(string(parts[0])+" "+string(parts[1]), &v[0], &v[1])
	return v, err
}

// TestCheckViewsIsOff: nobody looks unless he is told to.
func TestCheckViewsIsOff(t *testing.T) {
	n := openIn(t, member.NewMemory(1), starling.Options{Name: "a"})
	c := n.Client(crdt.Register(kv.Bytes))
	if _, err := c.Put(t.Context(), "k", []byte("value")); err != nil {
		t.Fatal(err)
	}
	v, err := c.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	v.([]byte)[0] = 'X'
	if err := n.Close(); err != nil || n.Stats().Scribbled != 0 {
		t.Errorf("got %v, %d", err, n.Stats().Scribbled)
	}
}

// TestContractWithCheckViews holds a node that looks after its values to the whole contract.
func TestContractWithCheckViews(t *testing.T) {
	kvtest.Run(t, kvtest.Suite{
		Around: synctest.Test,
		New: func(t testing.TB, log *slog.Logger) kvtest.Store {
			return storeOf(t, openIn(t, member.NewMemory(1), starling.Options{Name: "a", Logger: log, Tuning: starling.Tuning{CheckViews: true}}))
		},
	})
}
