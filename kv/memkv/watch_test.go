package memkv_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

func TestEventsComeInTheOrderOfTheLastChanges(t *testing.T) {
	c := memkv.New(kv.String)
	defer c.Close()
	for _, key := range []string{"c", "b", "a"} {
		put(t, c, key, "old")
	}
	pull, stop := iter.Pull2(c.Events(t.Context(), ""))
	defer stop()
	for range 4 {
		next(t, pull)
	}

	put(t, c, "z", "1")
	put(t, c, "m", "1")
	if err := c.Delete(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	put(t, c, "a", "new")
	put(t, c, "z", "2")
	put(t, c, "brief", "1")
	if err := c.Delete(t.Context(), "brief"); err != nil {
		t.Fatal(err)
	}
	put(t, c, "end", "1")

	var got []string
	for range 5 {
		ev := next(t, pull)
		got = append(got, fmt.Sprintf("%v %s %v", ev.Kind, ev.Key, ev.Value))
	}
	want := []string{"put m 1", "delete c <nil>", "put a new", "put z 2", "put end 1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNoKeyWaitsForEverBehindOthersThatChange(t *testing.T) {
	c := memkv.New(kv.String)
	defer c.Close()
	pull, stop := iter.Pull2(c.Events(t.Context(), ""))
	defer stop()
	next(t, pull) // synced

	told := map[string]int{}
	for n := range 20 {
		// Both change between any two events: each is behind the other once.
		put(t, c, "a", fmt.Sprint(n))
		put(t, c, "b", fmt.Sprint(n))
		told[next(t, pull).Key]++
	}
	if told["a"] < 5 || told["b"] < 5 {
		t.Errorf("told %v, want both keys again and again", told)
	}
}

func TestExpiryIsToldAndExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memkv.New(kv.String)
		defer c.Close()
		start := time.Now()
		put(t, c, "late", "v", kv.TTL(3*time.Hour))
		put(t, c, "soon", "v", kv.TTL(1500*time.Microsecond))
		put(t, c, "ever", "v", kv.TTL(1<<63-1))
		put(t, c, "kept", "v", kv.TTL(time.Second))
		put(t, c, "kept", "v")
		pull, stop := iter.Pull2(c.Events(t.Context(), ""))
		defer stop()
		for range 5 {
			next(t, pull)
		}
		for _, want := range []struct {
			key string
			ttl time.Duration
		}{{"soon", 1500 * time.Microsecond}, {"late", 3 * time.Hour}} {
			ev := next(t, pull)
			if ev.Kind != kv.Delete || ev.Key != want.key {
				t.Fatalf("got %v %q, want the delete of %q", ev.Kind, ev.Key, want.key)
			}
			if took := time.Since(start); took < want.ttl || took > want.ttl+2*time.Millisecond {
				t.Errorf("%q told after %v, want %v and at most 2ms more", want.key, took, want.ttl)
			}
		}
		if keys, err := c.List(t.Context(), ""); err != nil || !slices.Equal(keys, []string{"ever", "kept"}) {
			t.Errorf("left %q, %v, want ever and kept", keys, err)
		}
	})
}

func TestCloseEndsWatchesAndTellsWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memkv.New(kv.String)
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		ends := make([]error, 2)
		var wg sync.WaitGroup
		for i, ctx := range []context.Context{ctx, t.Context()} {
			wg.Go(func() {
				for _, err := range c.Events(ctx, "") {
					ends[i] = err
				}
			})
		}
		synctest.Wait()
		if got := c.Stats().Watchers; got != 2 {
			t.Errorf("got %d watchers, want 2", got)
		}
		cancel(cause)
		synctest.Wait()
		c.Close()
		wg.Wait()
		if !errors.Is(ends[0], cause) || !errors.Is(ends[0], context.Canceled) {
			t.Errorf("after cancel: got %v, want the cause and Canceled", ends[0])
		}
		if !errors.Is(ends[1], kv.ErrClosed) {
			t.Errorf("after Close: got %v, want ErrClosed", ends[1])
		}
		if got := c.Stats().Watchers; got != 0 {
			t.Errorf("got %d watchers at the end, want 0", got)
		}
	})
}
