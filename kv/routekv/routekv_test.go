package routekv_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/kv/routekv"
)

func open(t *testing.T) *memkv.Client {
	c := memkv.New(kv.String)
	t.Cleanup(func() { c.Close() })
	return c
}

func put(t *testing.T, c kv.Versioned, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if _, err := c.Put(t.Context(), key, "value of "+key); err != nil {
			t.Fatal(err)
		}
	}
}

func list(t *testing.T, c kv.Client, prefix string) []string {
	t.Helper()
	keys, err := c.List(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// router has three stores: the rest, "m/" and, inside it, "m/deep/".
func router(t *testing.T, rest, m, deep kv.Client) *routekv.Client {
	t.Helper()
	c, err := routekv.New(rest, nil, routekv.Route{Prefix: "m/", Client: m}, routekv.Route{Prefix: "m/deep/", Client: deep})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestKeysGoToTheLongestPrefix(t *testing.T) {
	rest, m, deep := open(t), open(t), open(t)
	c := router(t, rest, m, deep)
	put(t, c, "a", "m", "m/", "m/1", "m/deep", "m/deep/1", "m/z", "z")
	for _, want := range []struct {
		store kv.Client
		keys  []string
	}{
		{rest, []string{"a", "m", "z"}},
		{m, []string{"m/", "m/1", "m/deep", "m/z"}},
		{deep, []string{"m/deep/1"}},
		{c, []string{"a", "m", "m/", "m/1", "m/deep", "m/deep/1", "m/z", "z"}},
	} {
		if got := list(t, want.store, ""); !slices.Equal(got, want.keys) {
			t.Errorf("a store holds %q, want %q", got, want.keys)
		}
	}
	for prefix, want := range map[string][]string{
		"m/d":      {"m/deep", "m/deep/1"},
		"m/deep/":  {"m/deep/1"},
		"m/deep/1": {"m/deep/1"},
		"z":        {"z"},
		"y":        nil,
	} {
		if got := list(t, c, prefix); !slices.Equal(got, want) {
			t.Errorf("List(%q) = %q, want %q", prefix, got, want)
		}
	}
}

func TestKeysOfAnotherRouteAreNotSeen(t *testing.T) {
	rest, m, deep := open(t), open(t), open(t)
	put(t, rest, "m/stray", "m/deep/stray")
	put(t, m, "a stray", "m/deep/stray")
	put(t, deep, "m/stray")
	c := router(t, rest, m, deep)
	if got := list(t, c, ""); len(got) != 0 {
		t.Errorf("List shows %q of stores they do not belong to", got)
	}
	for e := range c.Entries(t.Context(), "", "") {
		t.Errorf("Entries yields %q of a store it does not belong to", e.Key)
	}
	for ev := range c.Events(t.Context(), "") {
		if ev.Kind == kv.Synced {
			break
		}
		t.Errorf("Events tells %q of a store it does not belong to", ev.Key)
	}
}

func TestEntriesPageAcrossRoutes(t *testing.T) {
	c := router(t, open(t), open(t), open(t))
	keys := []string{"a", "m/1", "m/deep/1", "m/deep/2", "m/x", "n"}
	put(t, c, keys...)
	for i, after := range append([]string{""}, keys...) {
		var got []string
		for e, err := range c.Entries(t.Context(), "", after) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Key)
		}
		if !slices.Equal(got, keys[i:]) {
			t.Errorf("Entries after %q yields %q, want %q", after, got, keys[i:])
		}
	}
}

func TestRequireOnARoute(t *testing.T) {
	strong := open(t)
	weak := kv.Client(weakened{open(t)})
	c := router(t, weak, strong, strong)
	if err := kv.Require(c.For("m/leader"), kv.LinearizableCAS); err != nil {
		t.Errorf("the store of m/ is linearizable: %v", err)
	}
	if err := kv.Require(c.For("other"), kv.LinearizableCAS); !errors.Is(err, kv.ErrNotLinearizable) {
		t.Errorf("the rest is not linearizable, got %v", err)
	}
	if err := kv.Require(c, kv.LinearizableCAS); !errors.Is(err, kv.ErrNotLinearizable) {
		t.Errorf("not all of the router is linearizable, got %v", err)
	}
	if err := kv.Require(c, kv.OrderedWatch); !errors.Is(err, kv.ErrUnsupported) {
		t.Errorf("changes of two stores have no order, got %v", err)
	}
	if got := c.Capabilities().MaxValue; got != 100 {
		t.Errorf("MaxValue = %d, want that of the weakest, 100", got)
	}
}

// weakened is a store that promises less.
type weakened struct{ *memkv.Client }

func (weakened) Capabilities() kv.Capabilities { return kv.Capabilities{MaxValue: 100} }

func TestNewRefuses(t *testing.T) {
	good := open(t)
	for name, tc := range map[string]struct {
		rest   kv.Client
		routes []routekv.Route
		says   string
	}{
		"no rest":      {nil, nil, `prefix ""`},
		"twice":        {good, []routekv.Route{{"a", good}, {"a", good}}, `prefix "a" has two clients`},
		"empty prefix": {good, []routekv.Route{{"", good}}, `prefix "" has two clients`},
		"six methods":  {good, []routekv.Route{{"a", sixMethods{good}}}, "not a kv.Versioned"},
	} {
		if _, err := routekv.New(tc.rest, nil, tc.routes...); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: New returned %v, want an error that says %q", name, err, tc.says)
		}
	}
}

type sixMethods struct{ kv.Client }

// TestAWatchOfOneKeyAsksItsStoreForThat counts what a store tells the router.
func TestAWatchOfOneKeyAsksItsStoreForThat(t *testing.T) {
	store := open(t)
	for i := range 10_000 {
		put(t, store, fmt.Sprint("m/key", i))
	}
	put(t, store, "m/key")
	var told []int
	counting := kv.Instrument(store, func(_ context.Context, call kv.Call) { told = append(told, call.Told) })
	c := router(t, open(t), counting, open(t))
	c.WatchKey(t.Context(), "m/key", func(any) bool { return false })
	for ev := range c.Events(t.Context(), "m/key", kv.OneKey()) {
		if ev.Kind == kv.Synced {
			break
		}
	}
	if !slices.Equal(told, []int{1, 1}) {
		t.Errorf("two watches of one key were told %d keys, want one each", told)
	}
}

// resetting is a store whose watch loses its place whenever something is sent.
type resetting struct {
	*memkv.Client
	resets chan struct{}
}

func (r resetting) Events(ctx context.Context, prefix string, opts ...kv.EventsOption) iter.Seq2[kv.Event, error] {
	return func(yield func(kv.Event, error) bool) {
		for ev, err := range r.Client.Events(ctx, prefix, opts...) {
			if !yield(ev, err) {
				return
			}
			if ev.Kind == kv.Synced {
				break
			}
		}
		select {
		case <-r.resets:
		case <-ctx.Done():
			yield(kv.Event{}, kv.Wrap("watch", prefix, kv.Ended(ctx)))
			return
		}
		yield(kv.Event{Kind: kv.Reset}, nil)
	}
}

func TestAResetOfOneStoreTellsAllAnew(t *testing.T) {
	r := resetting{open(t), make(chan struct{}, 1)}
	rest := open(t)
	c := router(t, rest, r, open(t))
	put(t, c, "a", "m/1", "z")
	var got []string
	resets := 0
	for ev, err := range c.Events(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ev.Kind.String()+" "+ev.Key)
		if ev.Kind != kv.Synced {
			continue
		}
		if resets++; resets == 2 {
			break
		}
		if err := rest.Delete(t.Context(), "z"); err != nil {
			t.Fatal(err)
		}
		r.resets <- struct{}{}
	}
	got = slices.DeleteFunc(got, func(s string) bool { return s == "delete z" }) // told if it comes before the reset
	want := []string{"put a", "put m/1", "put z", "synced ", "reset ", "put a", "put m/1", "synced "}
	if !slices.Equal(got, want) {
		t.Errorf("told %q\nwant %q", got, want)
	}
}

// silent is a store whose watch says nothing until ctx ends.
type silent struct{ *memkv.Client }

func (silent) Events(ctx context.Context, prefix string, _ ...kv.EventsOption) iter.Seq2[kv.Event, error] {
	return func(yield func(kv.Event, error) bool) {
		<-ctx.Done()
		yield(kv.Event{}, kv.Wrap("watch", prefix, kv.Ended(ctx)))
	}
}

func TestAClosedStoreEndsTheWatchThoughAnotherIsAway(t *testing.T) {
	closed := open(t)
	closed.Close()
	c := router(t, silent{open(t)}, silent{open(t)}, closed)
	for _, err := range c.Events(t.Context(), "m") {
		var e *kv.Error
		if !errors.Is(err, kv.ErrClosed) || !errors.As(err, &e) || e.Key != "m" {
			t.Errorf("the watch told %v, want ErrClosed about the prefix m", err)
		}
	}
}
