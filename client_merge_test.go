package starling_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/member"
	"github.com/starlingkv/starling/kv"
)

// stringMaps is a client of Maps of strings.
type stringMaps = crdt.Typed[crdt.Map[string]]

func mapsOf(n *starling.Node) stringMaps {
	return stringMaps{Client: n.Client(crdt.MapOf[string](kv.String))}
}

func setField(t testing.TB, c stringMaps, field, v string) {
	t.Helper()
	err := c.Update(t.Context(), "k", func(m *crdt.Map[string]) error {
		m.Set(field, v)
		return nil
	})
	if err != nil {
		t.Fatalf("set %s: %v", field, err)
	}
}

// fields is what a key holds.
func fields(t testing.TB, c stringMaps) map[string]string {
	t.Helper()
	m, _, err := c.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	return maps.Collect(m.All())
}

func TestMapOfOneNode(t *testing.T) {
	c := mapsOf(open(t, starling.Options{Name: "a"}))
	if _, ok, err := c.Get(t.Context(), "k"); ok || err != nil {
		t.Fatalf("an absent key: %v, %v", ok, err)
	}
	setField(t, c, "x", "1")
	setField(t, c, "y", "2")
	err := c.Update(t.Context(), "k", func(m *crdt.Map[string]) error {
		if v, ok := m.Get("x"); v != "1" || !ok || m.Len() != 2 {
			t.Errorf("f sees %q, %v and %d fields", v, ok, m.Len())
		}
		m.Delete("x")
		m.Set("z", "3")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fields(t, c), map[string]string{"y": "2", "z": "3"}; !maps.Equal(got, want) {
		t.Errorf("holds %v, want %v", got, want)
	}
	for _, field := range []string{"y", "z"} {
		if err := c.Update(t.Context(), "k", func(m *crdt.Map[string]) error { m.Delete(field); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok, err := c.Get(t.Context(), "k"); ok || err != nil {
		t.Errorf("a Map without fields is there: %v, %v", ok, err)
	}
}

// TestMapWritesOnlyWhatChanged: nothing else of the key is sent or replaced.
func TestMapWritesOnlyWhatChanged(t *testing.T) {
	n := open(t, starling.Options{Name: "a"})
	c := mapsOf(n)
	for i := range 20 {
		setField(t, c, fmt.Sprint("f", i), "v")
	}
	before := n.Writes()
	setField(t, c, "f7", "w")
	setField(t, c, "f8", "v") // as it is
	if got := n.Writes() - before; got != 1 {
		t.Errorf("two updates of one changed field wrote %d cells", got)
	}
}

// TestMapConflicts: what this node wrote to the key, or anybody to a field that
// f writes, makes f run again; what came to other fields from elsewhere does not.
func TestMapConflicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := member.NewMemory(1)
		network.Latency = time.Millisecond
		nodes := clusterIn(t, network, "a", "b")
		a, b := mapsOf(nodes[0]), mapsOf(nodes[1])
		setField(t, a, "mine", "0")
		setField(t, a, "other", "0")
		pass(time.Second)
		for _, c := range conflictsOf(t, a, b) {
			runs := 0
			err := a.Update(t.Context(), "k", func(m *crdt.Map[string]) error {
				runs++
				c.meanwhile(runs)
				pass(time.Second)
				m.Set("mine", c.name)
				return nil
			})
			if err != nil || runs != c.runs {
				t.Errorf("%s meanwhile: f ran %d times, want %d: %v", c.name, runs, c.runs, err)
			}
			pass(time.Second)
			if got := fields(t, b)["mine"]; got != c.name {
				t.Errorf("%s meanwhile: elsewhere the field is %q", c.name, got)
			}
		}
		if got := len(fields(t, a)); got != 1 {
			t.Errorf("after the delete there are %d fields", got)
		}
	})
}

// conflict is what comes while f runs, and how often f runs then.
type conflict struct {
	name      string
	meanwhile func(run int)
	runs      int
}

// conflictsOf is what may come here, at a, and elsewhere, at b.
func conflictsOf(t *testing.T, a, b crdt.Typed[crdt.Map[string]]) []conflict {
	first := func(f func()) func(int) {
		return func(run int) {
			if run == 1 {
				f()
			}
		}
	}
	return []conflict{
		{"nothing", func(int) {}, 1},
		{"another field, elsewhere", func(run int) { setField(t, b, "other", fmt.Sprint("b", run)) }, 1},
		{"a new field, elsewhere", func(run int) { setField(t, b, "new", fmt.Sprint("b", run)) }, 1},
		{"another field, here", first(func() { setField(t, a, "other", "a") }), 2},
		{"the same field, elsewhere", first(func() { setField(t, b, "mine", "b") }), 2},
		{"another field, here, and then elsewhere", first(func() {
			setField(t, a, "other", "a2")
			pass(time.Second)
			setField(t, b, "other", "b2")
		}), 2},
		{"a delete, elsewhere", first(func() {
			if err := b.Delete(t.Context(), "k"); err != nil {
				t.Error(err)
			}
		}), 2},
	}
}

// TestMapHotElsewhere: a CAS that takes a millisecond succeeds at once while
// other members change other fields all the time.
func TestMapHotElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := member.NewMemory(1)
		network.Latency = time.Millisecond
		nodes := clusterIn(t, network, "a", "b")
		a, b := mapsOf(nodes[0]), mapsOf(nodes[1])
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				setField(t, b, fmt.Sprint("f", i%500), fmt.Sprint(i))
				pass(200 * time.Microsecond)
			}
		})
		for i := range 200 {
			runs := 0
			err := a.Update(t.Context(), "k", func(m *crdt.Map[string]) error {
				runs++
				pass(time.Millisecond)
				m.Set("mine", fmt.Sprint(i))
				return nil
			})
			if err != nil || runs != 1 {
				t.Fatalf("update %d ran %d times: %v", i, runs, err)
			}
		}
		cancel()
		wg.Wait()
	})
}

func TestMapReplaces(t *testing.T) {
	c := mapsOf(open(t, starling.Options{Name: "a"}))
	setField(t, c, "x", "1")
	setField(t, c, "y", "2")
	old, _, _ := c.Get(t.Context(), "k")
	made := &crdt.Map[string]{}
	made.Set("y", "2")
	made.Set("z", "3")
	if err := c.CAS(t.Context(), "k", func(any) (any, bool, error) { return made, false, nil }); err != nil {
		t.Fatal(err)
	}
	if got, want := fields(t, c), map[string]string{"y": "2", "z": "3"}; !maps.Equal(got, want) {
		t.Errorf("a made Map: holds %v, want %v", got, want)
	}
	old.Set("w", "4") // a view of another time, which is not what f was given
	if err := c.CAS(t.Context(), "k", func(any) (any, bool, error) { return old, false, nil }); err != nil {
		t.Fatal(err)
	}
	if got, want := fields(t, c), map[string]string{"x": "1", "y": "2", "w": "4"}; !maps.Equal(got, want) {
		t.Errorf("an old Map: holds %v, want %v", got, want)
	}
}

func TestMapWithTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := mapsOf(openIn(t, member.NewMemory(1), starling.Options{Name: "a"}))
		leased := func(v string) {
			t.Helper()
			err := c.Update(kv.WithTTL(t.Context(), time.Minute), "k", func(m *crdt.Map[string]) error { m.Set("x", v); return nil })
			if err != nil {
				t.Fatal(err)
			}
		}
		leased("1")
		setField(t, c, "y", "2")
		pass(50 * time.Second)
		leased("1") // renewed though it is equal
		pass(50 * time.Second)
		if got := fields(t, c); len(got) != 2 {
			t.Errorf("after a renewal: %v", got)
		}
		pass(20 * time.Second)
		if got := fields(t, c); len(got) != 1 || got["y"] != "2" {
			t.Errorf("after the end of one field: %v", got)
		}
		leased("1")
		m, _, _ := c.Get(t.Context(), "k")
		if _, err := c.Client.(kv.Versioned).Put(t.Context(), "k", m.Clone()); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		if got := fields(t, c); len(got) != 2 || got["x"] != "1" {
			t.Errorf("a Put without a time to live left %v", got)
		}
	})
}

func TestMergingKindsMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := member.NewMemory(1)
		network.Latency = 20 * time.Millisecond
		nodes := clusterIn(t, network, "a", "b", "c")
		sets := make([]crdt.Typed[crdt.Set[string]], 3)
		counters := make([]crdt.Typed[crdt.Counter], 3)
		marks := make([]crdt.Typed[crdt.Max], 3)
		for i, n := range nodes {
			sets[i].Client = n.Client(crdt.SetOf[string](kv.String))
			counters[i].Client = n.Client(crdt.Counters())
			marks[i].Client = n.Client(crdt.Maxima())
		}
		try := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		try(sets[0].Update(t.Context(), "s", func(s *crdt.Set[string]) error { s.Add("x"); s.Add("y"); return nil }))
		pass(time.Second)
		for i := range nodes { // all at once: nobody has seen the others
			try(counters[i].Update(t.Context(), "n", func(c *crdt.Counter) error { c.Add(int64(10 * (i + 1))); return nil }))
			try(marks[i].Update(t.Context(), "m", func(m *crdt.Max) error { m.Observe(int64(7 - i*i)); return nil }))
		}
		try(sets[0].Update(t.Context(), "s", func(s *crdt.Set[string]) error { s.Add("y"); return nil }))
		pass(5 * time.Millisecond) // so that the remove is the newer write
		try(sets[1].Update(t.Context(), "s", func(s *crdt.Set[string]) error { s.Remove("x"); s.Remove("y"); return nil }))
		try(sets[2].Update(t.Context(), "s", func(s *crdt.Set[string]) error { s.Add("x"); return nil }))
		pass(time.Second)
		for i := range nodes {
			s, _, err := sets[i].Get(t.Context(), "s")
			try(err)
			if got := slices.Collect(s.All()); !slices.Equal(got, []string{"x", "y"}) {
				t.Errorf("node %d: the set is %q, want what was added before the remove was heard of", i, got)
			}
			c, _, err := counters[i].Get(t.Context(), "n")
			try(err)
			if c.Value() != 60 {
				t.Errorf("node %d: the counter is %d, want 60", i, c.Value())
			}
			m, _, err := marks[i].Get(t.Context(), "m")
			try(err)
			if high, _ := m.Value(); high != 7 {
				t.Errorf("node %d: the maximum is %d, want 7", i, high)
			}
		}
		try(counters[0].Delete(t.Context(), "n"))
		pass(5 * time.Millisecond)
		try(counters[1].Update(t.Context(), "n", func(c *crdt.Counter) error { c.Add(1); return nil })) // not having heard of it
		pass(time.Second)
		if c, ok, _ := counters[2].Get(t.Context(), "n"); ok {
			t.Errorf("after a delete the counter is %d, want none", c.Value())
		}
		try(counters[1].Update(t.Context(), "n", func(c *crdt.Counter) error { c.Add(1); return nil }))
		pass(time.Second)
		if c, _, _ := counters[2].Get(t.Context(), "n"); c.Value() != 1 {
			t.Errorf("after a delete the counter is %d, want 1", c.Value())
		}
	})
}

func TestMergingKeyOfAnotherKind(t *testing.T) {
	n := open(t, starling.Options{Name: "a"})
	ctx := t.Context()
	put(t, texts(n), "text", "v")
	m, other := mapsOf(n), n.Client(crdt.MapOf[int](kv.JSON[int]("int")))
	setField(t, m, "x", "1")
	set := func(c kv.Client, key string) error {
		return c.CAS(ctx, key, func(any) (any, bool, error) { return &crdt.Map[string]{}, false, nil })
	}
	_, errGet := m.Client.Get(ctx, "text")
	_, errOther := other.Get(ctx, "k")
	_, errText := texts(n).Get(ctx, "k")
	_, errPut := m.Client.(kv.Versioned).Put(ctx, "text", &crdt.Map[string]{})
	for name, err := range map[string]error{
		"get": errGet, "get of another map": errOther, "get as text": errText,
		"cas": set(m.Client, "text"), "cas of another map": set(other, "k"), "put": errPut,
	} {
		if !errors.Is(err, kv.ErrType) {
			t.Errorf("%s: %v, want ErrType", name, err)
		}
	}
	if keys, err := m.List(ctx, ""); err != nil || !slices.Equal(keys, []string{"k"}) {
		t.Errorf("lists %q, %v", keys, err)
	}
	if err := m.Delete(ctx, "text"); err != nil {
		t.Fatal(err)
	}
	if v, err := texts(n).Get(ctx, "text"); v != nil || err != nil {
		t.Errorf("after Delete: %v, %v", v, err)
	}
}
