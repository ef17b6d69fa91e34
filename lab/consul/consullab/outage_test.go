package consullab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/consulkv"
	"github.com/starlingkv/starling/kv/kvtest"
)

// TestTwoClients: two clients of one server are two members of a cluster, which agree at once.
func TestTwoClients(t *testing.T) {
	t.Parallel()
	a := Start(t)
	var n atomic.Int64
	kvtest.RunEventual(t, kvtest.Cluster{New: func(t testing.TB, log *slog.Logger) kvtest.Members {
		part := consulkv.Prefix(fmt.Sprintf("part%d/", n.Add(1)))
		one, two := a.open(t, part, consulkv.Logger(log)), a.open(t, part, consulkv.Logger(log))
		return kvtest.Members{
			Write:   func(codec kv.Codec) kv.Client { return one.With(codec) },
			Observe: func(codec kv.Codec) kv.Client { return two.With(codec) },
		}
	}})
}

// every calls each operation once.
func every(c *consulkv.Client) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"Get":    func(ctx context.Context) error { _, err := c.Get(ctx, "k"); return err },
		"List":   func(ctx context.Context) error { _, err := c.List(ctx, ""); return err },
		"Put":    func(ctx context.Context) error { _, err := c.Put(ctx, "k", "v"); return err },
		"Delete": func(ctx context.Context) error { return c.Delete(ctx, "k") },
		"CAS": func(ctx context.Context) error {
			return c.CAS(ctx, "k", func(any) (any, bool, error) { return "w", true, nil })
		},
	}
}

// wantAway fails the test unless err says which server does not answer and why, and came with the end of its time.
func wantAway(t *testing.T, op, url, why string, err error) {
	t.Helper()
	if !errors.Is(err, kv.ErrUnreachable) || !errors.Is(err, context.DeadlineExceeded) ||
		!strings.Contains(fmt.Sprint(err), url) || !strings.Contains(fmt.Sprint(err), why) {
		t.Errorf("%s = %v; want the server %s, why (%s) and the deadline", op, err, url, why)
	}
}

func TestAServerThatIsAwayIsNamedAtTheDeadline(t *testing.T) {
	t.Parallel()
	a := Start(t)
	c := a.open(t)
	put(t, c, "k", "before")
	const patience = 300 * time.Millisecond
	deadline := func(t *testing.T, why string) {
		t.Helper()
		for op, call := range every(c) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			began := time.Now()
			err := call(ctx)
			cancel()
			if took := time.Since(began); took < patience {
				t.Errorf("%s gave up after %v, before its deadline", op, took)
			} else if took > patience+5*time.Second {
				t.Errorf("%s took %v", op, took)
			}
			wantAway(t, op, a.URL(), why, err)
		}
	}
	a.Freeze()
	deadline(t, "silent")
	a.Thaw()
	if v, err := c.Get(soon(t), "k"); err != nil || v == nil {
		t.Errorf("after the silence: %v, %v", v, err)
	}
	a.Kill()
	deadline(t, "refused")
	short := a.open(t, consulkv.Patience(patience))
	_, err := short.Get(context.Background(), "k")
	wantAway(t, "Get without a deadline", a.URL(), "refused", err)

	done := make(chan error, 1)
	go func() {
		_, err := c.Put(soon(t), "k", "after")
		done <- err
	}()
	a.Restart()
	if err := <-done; err != nil {
		t.Errorf("a call that waited for the server: %v", err)
	}
	if v, err := c.Get(soon(t), "k"); v != "after" || err != nil {
		t.Errorf("after the restart: %v, %v", v, err)
	}
}

func TestAWatchBeginsBeforeItsServer(t *testing.T) {
	t.Parallel()
	a := Start(t)
	a.Kill()
	c := a.open(t)
	began := make(chan struct{})
	first := make(chan string, 1)
	go func() {
		close(began)
		for ev := range c.Events(soon(t), "") {
			first <- told(ev)
			return
		}
	}()
	<-began
	a.Restart()
	if got := <-first; got != "put ready=" {
		t.Errorf("the watch told %q first, want the state of the server that came", got)
	}
}

func TestAWatchOutlivesACut(t *testing.T) {
	t.Parallel()
	a := Start(t)
	p := a.Proxy(t)
	part := consulkv.Prefix("part/")
	direct, far := a.open(t, part), openAt(t, p.URL(), part)
	for _, key := range []string{"changes", "goes", "goes and comes", "stays"} {
		put(t, direct, key, "1")
	}
	w := watch(t, far)
	w.want("put changes=1", "put goes=1", "put goes and comes=1", "put stays=1", "synced")
	for range 3 {
		p.Cut()
		put(t, direct, "changes", "between")
		put(t, direct, "changes", "2")
		put(t, direct, "new", "2")
		for _, key := range []string{"goes", "goes and comes"} {
			if err := direct.Delete(soon(t), key); err != nil {
				t.Fatal(err)
			}
		}
		put(t, direct, "goes and comes", "2")
		p.Heal()
		w.want("delete goes", "put changes=2", "put new=2", "put goes and comes=2")
		// Back to how it was, told on a sound connection: each by itself.
		put(t, direct, "goes", "1")
		w.want("put goes=1")
		put(t, direct, "changes", "1")
		w.want("put changes=1")
		put(t, direct, "goes and comes", "1")
		w.want("put goes and comes=1")
		if err := direct.Delete(soon(t), "new"); err != nil {
			t.Fatal(err)
		}
		w.want("delete new")
	}
}

func TestAWatchOutlivesAServerThatBeginsAnew(t *testing.T) {
	t.Parallel()
	a := Start(t)
	part := consulkv.Prefix("part/")
	c := a.open(t, part)
	w := watch(t, c)
	w.want("synced")
	first := map[string]bool{}
	for i := range 40 {
		first[put(t, c, "k", "1")] = true
		if i == 0 {
			w.want("put k=1")
		}
	}
	put(t, c, "k", "2")
	for got := ""; got != "put k=2"; {
		ev, err, ok := w.pull()
		if !ok || err != nil {
			t.Fatal(err)
		}
		got = told(ev)
	}
	a.Kill()
	a.Forget()
	a.Restart()
	w.want("delete k")
	seen := 0
	for range 60 {
		version := put(t, c, "k", "1")
		if first[version] {
			t.Fatalf("version %s again, of another write", version)
		}
		seen++
	}
	put(t, c, "k", "3")
	for got := ""; got != "put k=3"; {
		ev, err, ok := w.pull()
		if !ok || err != nil {
			t.Fatal(err)
		}
		got = told(ev)
	}
}

// A key whose answers are lost is written at most once, and nobody is told that another wrote it.
func TestALostAnswerIsUnknown(t *testing.T) {
	t.Parallel()
	a := Start(t)
	p := a.Proxy(t)
	direct, far := a.open(t), openAt(t, p.URL())
	version := put(t, far, "k", "0")
	writes := map[string]func(ctx context.Context) error{
		"Put": func(ctx context.Context) error { _, err := far.Put(ctx, "k", "mine"); return err },
		"Put of a version": func(ctx context.Context) error {
			_, err := far.Put(ctx, "k", "mine", kv.IfVersion(version))
			return err
		},
		"CAS": func(ctx context.Context) error {
			return far.CAS(ctx, "k", func(any) (any, bool, error) { return "mine", true, nil })
		},
	}
	for op, write := range writes {
		version = put(t, direct, "k", "0 "+op)
		lost := make(chan struct{}, 1)
		p.Decide(func(r *http.Request) Fate {
			if r.Method != http.MethodPut {
				return Pass
			}
			select {
			case lost <- struct{}{}:
				return Lose // the first time only
			default:
				return Pass
			}
		})
		err := write(soon(t))
		if !errors.Is(err, kv.ErrUnknown) || errors.Is(err, kv.ErrConflict) {
			t.Errorf("%s whose answer is lost = %v, want ErrUnknown", op, err)
		}
		if v, err := direct.Get(soon(t), "k"); v != "mine" || err != nil {
			t.Errorf("%s whose answer is lost: the key holds %v, %v", op, v, err)
		}
	}
	// A request that did not arrive is sent again; so is a delete, which knows its end when it sees it.
	for _, fate := range []Fate{Cut, Lose} {
		put(t, direct, "gone", "v")
		first := make(chan struct{}, 1)
		p.Decide(func(r *http.Request) Fate {
			select {
			case first <- struct{}{}:
				return Cut
			default:
			}
			if r.Method == http.MethodPut && len(first) == 1 {
				p.Heal()
				return fate
			}
			return Pass
		})
		if err := far.Delete(soon(t), "gone"); err != nil {
			t.Errorf("Delete (%d): %v", fate, err)
		}
	}
}

// However many writes there are, a watch asks only so often, and misses no last value.
func TestAWatchAsksWithMeasure(t *testing.T) {
	t.Parallel()
	a := Start(t)
	p := a.Proxy(t)
	part := consulkv.Prefix("part/")
	direct, far := a.open(t, part), openAt(t, p.URL(), part)
	var asked atomic.Int64
	p.Decide(func(r *http.Request) Fate {
		if r.URL.Query().Has("recurse") {
			asked.Add(1)
		}
		return Pass
	})
	w := watch(t, far)
	w.want("synced")
	began := time.Now()
	const writes = 400
	for i := range writes {
		put(t, direct, "k", fmt.Sprint(i))
	}
	for got := ""; got != fmt.Sprint("put k=", writes-1); {
		ev, err, ok := w.pull()
		if !ok || err != nil {
			t.Fatal(err)
		}
		got = told(ev)
	}
	if most := 34 + int64(time.Since(began)/(50*time.Millisecond)); asked.Load() > most {
		t.Errorf("%d questions for %d writes in %v, want at most %d", asked.Load(), writes, time.Since(began), most)
	}
}
