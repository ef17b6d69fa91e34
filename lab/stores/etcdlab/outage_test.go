package etcdlab

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/starlingkv/starling/internal/lab"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/etcdkv"
)

// within is how long what should happen soon may take on a busy machine.
const within = 15 * time.Second

// TestAway: nothing listens where the cluster should be.
func TestAway(t *testing.T) {
	t.Parallel()
	nobody := lab.Address(lab.Down(t, fleet(t, make([]string, 1), nil))[0].Port(clientPort))
	c := openAt(t, []string{nobody}, etcdkv.Patience(300*time.Millisecond))
	ops := map[string]func(ctx context.Context) error{
		"get": func(ctx context.Context) error { _, err := c.Get(ctx, "k"); return err },
		"put": func(ctx context.Context) error { _, err := c.Put(ctx, "k", []byte("v")); return err },
		"cas": func(ctx context.Context) error {
			return c.CAS(ctx, "k", func(any) (any, bool, error) { return []byte("v"), true, nil })
		},
		"delete": func(ctx context.Context) error { return c.Delete(ctx, "k") },
		"remove": func(ctx context.Context) error { return c.Remove(ctx, "k", kv.IfVersion("1-1")) },
		"list":   func(ctx context.Context) error { _, err := c.List(ctx, ""); return err },
		"events": func(ctx context.Context) error {
			for _, err := range c.Events(ctx, "") {
				return err
			}
			return nil
		},
	}
	for name, op := range ops {
		t.Run(name, func(t *testing.T) {
			const limit = 250 * time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			began := time.Now()
			err := op(ctx)
			if took := time.Since(began); took < limit {
				t.Errorf("gave up after %v, before the deadline of %v", took, limit)
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want an error that says that the time is over", err)
			}
			if name == "events" {
				return // a watch ends by its ctx, and waits for the server until then
			}
			if !errors.Is(err, kv.ErrUnreachable) || !strings.Contains(err.Error(), nobody) || !strings.Contains(err.Error(), "refused") {
				t.Errorf("got %v, want an error that says which server and why", err)
			}
			if errors.Is(err, kv.ErrUnknown) {
				t.Errorf("got %v, though nothing was ever sent", err)
			}
		})
	}
	began := time.Now()
	if _, err := c.Get(t.Context(), "k"); !errors.Is(err, kv.ErrUnreachable) || time.Since(began) < 300*time.Millisecond {
		t.Errorf("without a deadline: %v after %v, want ErrUnreachable when the patience ends", err, time.Since(began))
	}
}

// TestStartsLater: a call that waits for the server has its answer when that comes.
func TestStartsLater(t *testing.T) {
	t.Parallel()
	cluster := Start(t, 1)
	proxy := lab.Before(t, cluster.Members[0].Endpoint)
	proxy.Cut()
	c := openAt(t, []string{proxy.Address})
	put := make(chan error, 1)
	go func() {
		_, err := c.Put(t.Context(), "k", []byte("v"))
		put <- err
	}()
	told := make(chan string, 10)
	go c.WatchKey(t.Context(), "k", func(v any) bool { told <- fmt.Sprintf("%s", v); return true })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := c.Get(ctx, "k"); !errors.Is(err, kv.ErrUnreachable) {
		t.Fatalf("got %v while it is cut off", err)
	}
	proxy.Heal()
	if err := <-put; err != nil {
		t.Errorf("the write that waited: %v", err)
	}
	select {
	case v := <-told:
		if v != "v" {
			t.Errorf("told %q", v)
		}
	case <-time.After(within):
		t.Error("the watch that waited tells nothing")
	}
}

// events pulls what a watch tells, with a limit on each.
type events struct {
	t    *testing.T
	next chan kv.Event
}

func eventsOf(t *testing.T, seq iter.Seq2[kv.Event, error]) *events {
	e := &events{t: t, next: make(chan kv.Event, 1000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ev, err := range seq {
			if err != nil {
				return
			}
			e.next <- ev
		}
	}()
	t.Cleanup(func() {
		select {
		case <-done:
		case <-time.After(within):
			t.Error("a watch does not end with its ctx")
		}
	})
	return e
}

// until collects events up to one that is as said, and returns them as text.
func (e *events) until(what string) []string {
	e.t.Helper()
	var got []string
	limit := time.NewTimer(within)
	defer limit.Stop()
	for {
		select {
		case ev := <-e.next:
			text := ev.Kind.String()
			if ev.Key != "" {
				text += " " + ev.Key
			}
			if ev.Kind == kv.Put {
				text += fmt.Sprintf("=%s", ev.Value)
			}
			if got = append(got, text); text == what {
				return got
			}
		case <-limit.C:
			e.t.Fatalf("no %q: %q", what, got)
		}
	}
}

// TestOutage cuts a client off while others write, delete and compact: its watches tell the last state.
func TestOutage(t *testing.T) {
	t.Parallel()
	for _, compacted := range []bool{false, true} {
		t.Run(fmt.Sprintf("compacted=%v", compacted), func(t *testing.T) {
			cluster := Start(t, 1)
			plain := cluster.plain(t)
			for _, key := range []string{"a/kept", "a/gone", "a/new"} {
				if _, err := plain.Put(t.Context(), key, "old"); err != nil {
					t.Fatal(err)
				}
			}
			proxy := lab.Before(t, cluster.Members[0].Endpoint)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := openAt(t, []string{proxy.Address})
			all := eventsOf(t, c.Events(ctx, "a/"))
			all.until("synced")
			gone := make(chan any, 10)
			go c.WatchKey(ctx, "a/gone", func(v any) bool { gone <- v; return true })
			if v := <-gone; fmt.Sprintf("%s", v) != "old" {
				t.Fatalf("told %v first", v)
			}

			proxy.Cut()
			_, err := plain.Delete(t.Context(), "a/gone")
			if err != nil {
				t.Fatal(err)
			}
			for i := range 20 {
				if _, err := plain.Put(t.Context(), "a/new", fmt.Sprint(i)); err != nil {
					t.Fatal(err)
				}
			}
			last, err := plain.Put(t.Context(), "a/last", "1")
			if err != nil {
				t.Fatal(err)
			}
			if compacted {
				if _, err := plain.Compact(t.Context(), last.Header.Revision); err != nil {
					t.Fatal(err)
				}
			}
			proxy.Heal()

			if compacted {
				got := strings.Join(all.until("synced"), ", ")
				if want := "reset, put a/kept=old, put a/last=1, put a/new=19, synced"; !strings.HasSuffix(got, want) {
					t.Errorf("told %s, want %s", got, want)
				}
			} else {
				got := strings.Join(all.until("put a/last=1"), ", ")
				if !strings.Contains(got, "delete a/gone") || !strings.HasSuffix(got, "put a/new=19, put a/last=1") || strings.Contains(got, "reset") {
					t.Errorf("told %s, want the delete and the last values, and no reset", got)
				}
			}
			select {
			case v := <-gone:
				if v != nil {
					t.Errorf("the watch of the deleted key tells %v, want nil", v)
				}
			case <-time.After(within):
				t.Error("the watch of the deleted key tells nothing")
			}
			if _, err := plain.Put(t.Context(), "a/after", "2"); err != nil {
				t.Fatal(err)
			}
			all.until("put a/after=2")
		})
	}
}

// TestSlowWatcher: a compaction in the middle of what a watcher is told first, and far behind.
func TestSlowWatcher(t *testing.T) {
	t.Parallel()
	cluster := Start(t, 1)
	c := open(t, cluster)
	const n = 500 // more than a page
	for i := range n {
		if _, err := c.Put(t.Context(), fmt.Sprintf("k/%03d", i), []byte("old")); err != nil {
			t.Fatal(err)
		}
	}
	state, resets := map[string]string{}, 0
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for ev, err := range c.Events(ctx, "k/") {
		if err != nil {
			t.Fatal(err)
		}
		if len(state) == 0 && ev.Kind == kv.Put && resets == 0 {
			changeAndCompact(t, c, cluster)
		}
		switch ev.Kind {
		case kv.Put:
			state[ev.Key] = fmt.Sprintf("%s", ev.Value)
		case kv.Delete:
			delete(state, ev.Key)
		case kv.Reset:
			resets++
			clear(state)
		}
		if ev.Kind == kv.Put && ev.Key == "k/499" && state["k/499"] == "new" {
			break
		}
	}
	if resets == 0 {
		t.Error("no reset was told, so the compaction was not met")
	}
	if len(state) != n-1 || state["k/001"] != "" || state["k/000"] != "old" {
		t.Errorf("it knows %d keys and of the deleted one %q, want %d and nothing", len(state), state["k/001"], n-1)
	}
}

func changeAndCompact(t *testing.T, c *etcdkv.Client, cluster *Cluster) {
	t.Helper()
	if err := c.Delete(t.Context(), "k/001"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Put(t.Context(), "k/499", []byte("new")); err != nil {
		t.Fatal(err)
	}
	plain := cluster.plain(t)
	now, err := plain.Get(t.Context(), "k/499")
	if err == nil {
		_, err = plain.Compact(t.Context(), now.Header.Revision)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestLeaderChange kills the leader under writes and watches, twice.
func TestLeaderChange(t *testing.T) {
	t.Parallel()
	cluster := Start(t, 3)
	c := open(t, cluster)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch := eventsOf(t, c.Events(ctx, ""))
	watch.until("synced")
	h := newHand(t)
	const n = 300
	for i := range n {
		switch i {
		case n / 4, n * 3 / 4:
			h.do(func() { cluster.killLeader(t) })
		case n / 2:
			h.do(cluster.restart)
			h.wait()
		}
		err := c.CAS(ctx, "sum", func(in any) (any, bool, error) {
			b, _ := in.([]byte)
			return append(b[:len(b):len(b)], 'x'), true, nil
		})
		if err != nil {
			t.Fatalf("write %d: %v", i, err)
		}
	}
	h.wait()
	got := watch.until("put sum=" + strings.Repeat("x", n))
	for i := 1; i < len(got); i++ {
		if len(got[i]) <= len(got[i-1]) {
			t.Errorf("told %d bytes after %d", len(got[i]), len(got[i-1]))
		}
	}
}

// TestNothingLeaks closes a client in the middle of an outage.
func TestNothingLeaks(t *testing.T) {
	cluster := Start(t, 1)
	proxy := lab.Before(t, cluster.Members[0].Endpoint)
	first := openAt(t, []string{proxy.Address})
	if _, err := first.Put(t.Context(), "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	before := goleak.IgnoreCurrent()
	c, err := etcdkv.New([]string{proxy.Address}, kv.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Put(t.Context(), "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{}, 3)
	began := make(chan struct{}, 3)
	for range 3 {
		go func() {
			c.WatchKey(t.Context(), "k", func(any) bool { began <- struct{}{}; return true })
			ended <- struct{}{}
		}()
	}
	for range 3 {
		<-began
	}
	proxy.Cut()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Get(ctx, "k"); !errors.Is(err, kv.ErrUnreachable) {
		t.Fatalf("got %v while it is cut off", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	for range 3 {
		select {
		case <-ended:
		case <-time.After(within):
			t.Fatal("a watch outlives Close")
		}
	}
	if _, err := c.Get(t.Context(), "k"); !errors.Is(err, kv.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	goleak.VerifyNone(t, before)
}
