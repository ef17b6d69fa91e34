package kv_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

// plain hides everything but the six methods.
type plain struct{ kv.Client }

// outer is a wrapper of someone else's, with Unwrap and nothing besides.
type outer struct{ plain }

func (o outer) Unwrap() kv.Client { return o.Client }

func store(t *testing.T) *memkv.Client {
	t.Helper()
	c := memkv.New(kv.String)
	t.Cleanup(func() { c.Close() })
	return c
}

// TestAWatchOfOneKeyStaysOne counts what a store tells its wrappers.
func TestAWatchOfOneKeyStaysOne(t *testing.T) {
	store := memkv.New(kv.String)
	defer store.Close()
	for i := range 10_000 {
		if _, err := store.Put(t.Context(), fmt.Sprint("p/key", i), "v"); err != nil {
			t.Fatal(err)
		}
	}
	told := 0
	c := kv.Prefix(kv.Instrument(store, func(_ context.Context, call kv.Call) { told += call.Told }), "p/")
	if err := c.CAS(t.Context(), "key", func(any) (any, bool, error) { return "v", false, nil }); err != nil {
		t.Fatal(err)
	}
	c.WatchKey(t.Context(), "key", func(any) bool { return false })
	for ev, err := range c.(kv.Watcher).Events(t.Context(), "key", kv.OneKey()) {
		if err != nil || ev.Key != "" && ev.Key != "key" {
			t.Errorf("told of %q, error %v", ev.Key, err)
		}
		if ev.Kind == kv.Synced {
			break
		}
	}
	if told != 2 {
		t.Errorf("two watches of one key were told %d keys, want one each", told)
	}
	for _, err := range c.(kv.Watcher).Events(t.Context(), "", kv.OneKey()) {
		if !errors.Is(err, kv.ErrBadKey) { // the key that is the prefix has no name here
			t.Errorf("a watch of the key that is none told %v, want ErrBadKey", err)
		}
	}
}

func TestAsFindsWhatIsThereAndNothingElse(t *testing.T) {
	c := store(t)
	quiet := func(context.Context, kv.Call) {}
	for name, tt := range map[string]struct {
		c          kv.Client
		has, finds bool // the optional interfaces; the concrete client
	}{
		"bare":                     {c, true, true},
		"behind Unwrap":            {outer{plain{c}}, true, true},
		"instrumented":             {kv.Instrument(c, quiet), true, true},
		"prefixed":                 {kv.Prefix(c, "p/"), true, false},
		"all":                      {kv.Instrument(kv.Prefix(outer{plain{c}}, "p/"), quiet), true, false},
		"only six":                 {plain{c}, false, false},
		"only six, instrumented":   {kv.Instrument(plain{c}, quiet), false, false},
		"only six, prefixed":       {kv.Prefix(plain{c}, "p/"), false, false},
		"only six, prefixed twice": {kv.Prefix(kv.Prefix(plain{c}, "p/"), "q/"), false, false},
		"nil":                      {nil, false, false},
	} {
		_, capable := kv.As[kv.Capable](tt.c)
		_, counted := kv.As[kv.Counted](tt.c)
		_, versioned := kv.As[kv.Versioned](tt.c)
		_, watcher := kv.As[kv.Watcher](tt.c)
		for i, has := range []bool{capable, counted, versioned, watcher} {
			if has != tt.has {
				t.Errorf("%s: interface %d found %v, want %v", name, i, has, tt.has)
			}
		}
		if _, ok := kv.As[*memkv.Client](tt.c); ok != tt.finds {
			t.Errorf("%s: the concrete client found %v, want %v", name, ok, tt.finds)
		}
	}
}

func TestAWrapperOfSixMethodsSaysItCannot(t *testing.T) {
	ctx := t.Context()
	for name, c := range map[string]kv.Client{
		"prefix":     kv.Prefix(plain{store(t)}, "p/"),
		"instrument": kv.Instrument(plain{store(t)}, func(context.Context, kv.Call) {}),
	} {
		v, w := c.(kv.Versioned), c.(kv.Watcher)
		_, err := v.Put(ctx, "k", "v")
		errs := []error{err, v.Remove(ctx, "k")}
		_, _, err = v.Entry(ctx, "k")
		errs = append(errs, err)
		for _, err := range v.Entries(ctx, "", "") {
			errs = append(errs, err)
		}
		for _, err := range w.Events(ctx, "") {
			errs = append(errs, err)
		}
		if len(errs) != 5 {
			t.Errorf("%s: got %d errors, want 5", name, len(errs))
		}
		for i, err := range errs {
			if !errors.Is(err, kv.ErrUnsupported) {
				t.Errorf("%s: call %d: got %v, want ErrUnsupported", name, i, err)
			}
		}
		if got := c.(kv.Capable).Capabilities(); got != (kv.Capabilities{}) {
			t.Errorf("%s: promises %+v", name, got)
		}
	}
}

func TestPrefixMapsEveryKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, ctx := memkv.New(kv.String), t.Context()
		defer c.Close()
		for _, key := range []string{"p/", "p0", "o"} {
			set(t.Context(), t, c, key)
		}
		p := kv.Prefix(c, "p/")
		v := p.(kv.Versioned)
		var events, values, keyed []string
		ended, cancel := context.WithCancel(ctx)
		go func() {
			for ev, err := range p.(kv.Watcher).Events(ended, "") {
				events = append(events, fmt.Sprint(ev.Kind, " ", ev.Key, " ", err))
			}
		}()
		go p.WatchPrefix(ended, "", func(key string, v any) bool { values = append(values, key); return true })
		go p.WatchKey(ended, "", func(v any) bool { t.Errorf("a watch without a key got %v", v); return true })
		go p.WatchKey(ended, "a", func(v any) bool { keyed = append(keyed, fmt.Sprint(v)); return true })
		synctest.Wait()

		version, err := v.Put(ctx, "a", "1")
		if err != nil {
			t.Fatal(err)
		}
		if err := p.CAS(ctx, "b", func(in any) (any, bool, error) { return fmt.Sprint(in), false, nil }); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		checkMappedReads(t, c, p, version)
		if err := v.Remove(ctx, "a", kv.IfVersion("stale")); !errors.Is(err, kv.ErrConflict) {
			t.Errorf("Remove of a stale version: got %v, want ErrConflict", err)
		}
		if err := v.Remove(ctx, "a", kv.IfVersion(version)); err != nil {
			t.Error(err)
		}
		if err := p.Delete(ctx, "b"); err != nil {
			t.Error(err)
		}
		set(ctx, t, c, "p/")
		synctest.Wait()
		cancel()
		synctest.Wait()
		want := "synced  <nil>, put a <nil>, put b <nil>, delete a <nil>, delete b <nil>, unknown  watch: context canceled"
		if got := strings.Join(events, ", "); got != want {
			t.Errorf("Events got %q, want %q", got, want)
		}
		if got := strings.Join(values, " "); got != "a b" {
			t.Errorf("WatchPrefix got %q, want a b", got)
		}
		if got := strings.Join(keyed, " "); got != "1 <nil>" {
			t.Errorf("WatchKey got %q, want 1 <nil>", got)
		}
	})
}

// checkMappedReads checks what is read through p, the part of c below p/ that holds a and b.
func checkMappedReads(t *testing.T, c, p kv.Client, version string) {
	t.Helper()
	v, ctx := p.(kv.Versioned), t.Context()
	if keys, err := c.List(ctx, "p/"); err != nil || !slices.Equal(keys, []string{"p/", "p/a", "p/b"}) {
		t.Errorf("the wrapped client has %q, %v", keys, err)
	}
	if keys, err := p.List(ctx, ""); err != nil || !slices.Equal(keys, []string{"a", "b"}) {
		t.Errorf("List got %q, %v, want a and b", keys, err)
	}
	if e, ok, err := v.Entry(ctx, "a"); !ok || err != nil || e.Key != "a" || e.Version != version {
		t.Errorf("Entry got %+v, %v, %v", e, ok, err)
	}
	if got := list(t, v, ""); got != "a b" {
		t.Errorf("Entries got %q, want a b", got)
	}
	if got := list(t, v, "a"); got != "b" {
		t.Errorf("Entries after a got %q, want b", got)
	}
	if at := p.(interface{ LastUpdateTime(string) time.Time }).LastUpdateTime("a"); at.IsZero() {
		t.Error("LastUpdateTime does not find the key")
	}
}

func TestPrefixNamesItsOwnKeysInErrors(t *testing.T) {
	p := kv.Prefix(store(t), "p/")
	ctx := t.Context()
	for key, want := range map[string]string{
		"":                               `get: not a key: empty`,
		"a\n":                            `get "a\n": not a key: control character U+000A at byte 1`,
		strings.Repeat("k", kv.MaxKey-1): fmt.Sprintf("get %q: not a key: 1025 bytes, at most 1024", strings.Repeat("k", kv.MaxKey-1)),
	} {
		if _, err := p.Get(ctx, key); err == nil || err.Error() != want || !errors.Is(err, kv.ErrBadKey) {
			t.Errorf("key %.9q: got %v, want %s", key, err, want)
		}
	}
	if _, err := p.(kv.Versioned).Put(ctx, "k", 1); err == nil || !strings.HasPrefix(err.Error(), `put "k": `) {
		t.Errorf("got %v, want the key without the prefix", err)
	}
	if c := kv.Client(store(t)); kv.Prefix(c, "") != c {
		t.Error("the empty prefix wraps")
	}
}

func TestInstrumentTellsEveryCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memkv.New(kv.String)
		defer m.Close()
		var got []string
		c := kv.Instrument(m, func(_ context.Context, call kv.Call) {
			got = append(got, fmt.Sprintf("%s %s %d %d %v %v", call.Op, call.Key, call.Attempts, call.Told, call.Took, call.Err))
		})
		v, ctx := c.(kv.Versioned), t.Context()
		tries := 0
		_ = c.CAS(ctx, "k", func(any) (any, bool, error) {
			tries++
			<-time.After(time.Second)
			return "v", true, map[bool]error{true: errors.New("again")}[tries < 3]
		})
		got[0] = got[0][:len("cas k 3 0 3")] // the back-off is random
		_, _ = c.Get(ctx, "k")
		_, _ = c.List(ctx, "p")
		_, _ = v.Put(ctx, "k", "w", kv.IfAbsent())
		_, _, _ = v.Entry(ctx, "k")
		list(t, v, "")
		_ = v.Remove(ctx, "none")
		func() {
			defer func() { _ = recover() }()
			c.WatchKey(ctx, "k", func(any) bool { panic("f") })
		}()
		short, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		c.WatchPrefix(short, "", func(string, any) bool { return true })
		for range c.(kv.Watcher).Events(short, "") {
		}
		_ = c.Delete(ctx, "k")
		want := []string{
			"cas k 3 0 3", "get k 0 0 0s <nil>", "list p 0 0 0s <nil>",
			`put k 0 0 0s put "k": another write came first`, "entry k 0 0 0s <nil>", "entries  0 1 0s <nil>",
			"remove none 0 0 0s <nil>", "watch k 0 1 0s <nil>", "watch  0 1 1m0s <nil>",
			"watch  0 0 0s watch: context deadline exceeded", "delete k 0 0 0s <nil>",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestTyped(t *testing.T) {
	type person struct{ Age int }
	m := memkv.New(kv.JSON[person]("person"))
	defer m.Close()
	c, ctx := kv.Typed[person]{Client: m}, t.Context()
	older := func(p person, ok bool) (person, error) { p.Age++; return p, nil }
	for range 2 {
		if err := c.Update(ctx, "ann", older); err != nil {
			t.Fatal(err)
		}
	}
	if p, ok, err := c.Get(ctx, "ann"); p.Age != 2 || !ok || err != nil {
		t.Errorf("got %+v, %v, %v, want 2, true", p, ok, err)
	}
	if _, ok, err := c.Get(ctx, "bob"); ok || err != nil {
		t.Errorf("absent: got %v, %v", ok, err)
	}
	keep := func(person, bool) (person, error) { return person{Age: 99}, fmt.Errorf("as is: %w", kv.Keep) }
	if err := c.Update(ctx, "ann", keep); err != nil {
		t.Errorf("Keep: got %v, want nil", err)
	}
	own := errors.New("own")
	if err := c.Update(ctx, "ann", func(person, bool) (person, error) { return person{}, own }); !errors.Is(err, own) {
		t.Errorf("got %v, want f's own error", err)
	}
	wrong := kv.Typed[string]{Client: m}
	_, ok, err := wrong.Get(ctx, "ann")
	if e := (*kv.Error)(nil); ok || !errors.Is(err, kv.ErrType) || !errors.As(err, &e) || e.Key != "ann" {
		t.Errorf("wrong type: got %v, %v, want ErrType for ann", ok, err)
	}
	err = wrong.Update(ctx, "ann", func(string, bool) (string, error) { return "v", nil })
	if !errors.Is(err, kv.ErrType) {
		t.Errorf("wrong type: got %v, want ErrType", err)
	}
	var seen []string
	for p, ok := range c.Watch(ctx, "ann") {
		seen = append(seen, fmt.Sprint(p.Age, ok))
		if len(seen) == 2 {
			break
		}
		if err := m.Delete(ctx, "ann"); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(seen, []string{"2 true", "0 false"}) {
		t.Errorf("watch got %q", seen)
	}
}

// script is a client whose WatchKey tells these values.
type script struct {
	kv.Client
	values []any
}

func (s script) WatchKey(_ context.Context, _ string, f func(any) bool) {
	for _, v := range s.values {
		if !f(v) {
			return
		}
	}
}

func TestTypedWatchLeavesOtherTypesOut(t *testing.T) {
	c := kv.Typed[string]{Client: script{values: []any{1.5, "b", nil, []byte("c"), "d"}}}
	var got []string
	for v, ok := range c.Watch(t.Context(), "k") {
		got = append(got, fmt.Sprint(v, ok))
	}
	if want := []string{"btrue", "false", "dtrue"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// set stores something under the key.
func set(ctx context.Context, t *testing.T, c kv.Versioned, key string) {
	t.Helper()
	if _, err := c.Put(ctx, key, "v"); err != nil {
		t.Fatal(err)
	}
}

// list joins the keys of Entries.
func list(t *testing.T, v kv.Versioned, after string) string {
	t.Helper()
	var keys []string
	for e, err := range v.Entries(t.Context(), "", after) {
		if err != nil {
			t.Error(err)
		}
		keys = append(keys, e.Key)
	}
	return strings.Join(keys, " ")
}
