package kvtest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/starlingkv/starling/kv"
)

var watchCallChecks = []check{
	{name: "WatchNotConcurrent", sentence: "Calls of one watcher are never concurrent.", run: watchNotConcurrent},
	{name: "WatchCallersGoroutine", sentence: "A watcher is called on the caller's goroutine.", run: watchCallersGoroutine},
	{name: "WatchOutsideLocks", sentence: "A watcher is called outside all locks.", clock: realClock, run: watchOutsideLocks},
	{name: "WatchBlocked", sentence: "A watcher that blocks delays only itself.", clock: realClock, run: watchBlocked},
	{name: "WatchPanic", sentence: "A panic of a watcher goes to the caller and leaves the store usable.", clock: realClock, run: watchPanic},
}

var watchEndChecks = []check{
	{name: "WatchEndsFalse", sentence: "A watch ends when f returns false, and f is not called again.", run: watchEndsFalse},
	{name: "WatchEndsCtx", sentence: "A watch ends when ctx ends, also while nothing happens.", run: watchEndsCtx},
	{name: "WatchEndsClose", sentence: "Every watch ends when the store closes.", needs: hookClose, run: watchEndsClose},
}

// sources are all the ways to watch the key "k".
func sources() []source { return []source{onKey("k"), onPrefix("k"), onEvents("k")} }

// blocked is a watch whose first call does not return until it is released.
type blocked struct {
	*watch
	free func()
}

// block starts a watch that stays in its first call, on a key that is there or is written soon.
func (e *env) block(src source) *blocked {
	e.Helper()
	gate := make(chan struct{})
	free := sync.OnceFunc(func() { close(gate) })
	e.Cleanup(free)
	return &blocked{free: free, watch: e.watch(src, func(note) {
		select {
		case <-gate:
		case <-e.Context().Done():
		}
	})}
}

func (b *blocked) release() { b.free() }

func watchNotConcurrent(e *env) {
	for _, src := range sources() {
		e.put("k", "start")
		w := e.block(src)
		w.awaitAny("the present value", is("k", "start"))
		// The call is inside. Others see all that comes now, so it could be told this one too.
		other := e.watch(src)
		for i := range 10 {
			text := fmt.Sprint(i)
			e.put("k", text)
			other.awaitLast("a write during another's call", is("k", text))
		}
		w.release()
		w.awaitLast("the last write", is("k", "9"))
		other.stop()
		w.stop()
		if w.overlaps != 0 || other.overlaps != 0 {
			e.Fatalf("%s called one watcher %d times while a call of it ran", src.name, w.overlaps+other.overlaps)
		}
	}
}

func watchCallersGoroutine(e *env) {
	e.put("k", "one")
	for _, src := range sources() {
		w := e.watch(src)
		w.awaitAny("the present value", is("k", "one"))
		e.put("k", "two")
		w.awaitLast("a change", is("k", "two"))
		w.stop()
		for _, n := range w.seen() {
			if n.gid != w.gid {
				e.Fatalf("%s told %v on goroutine %d, but was called on %d", src.name, n, n.gid, w.gid)
			}
		}
		e.put("k", "one")
	}
}

func watchOutsideLocks(e *env) {
	e.put("k", "one")
	for _, src := range sources() {
		done := make(chan struct{})
		var err error
		once := sync.OnceFunc(func() {
			defer close(done)
			err = e.everything()
		})
		w := e.watch(src, func(note) { once() })
		e.soon(done, src.name+" lets its callback use the store")
		if err != nil {
			e.Fatalf("in a callback of %s: %v", src.name, err)
		}
		w.stop()
	}
}

// everything uses all six methods on keys of its own.
func (e *env) everything() error {
	ctx := e.ctx()
	if err := e.c.CAS(ctx, "inner", func(any) (any, bool, error) { return &doc{Text: "inner"}, true, nil }); err != nil {
		return err
	}
	if _, err := e.c.Get(ctx, "inner"); err != nil {
		return err
	}
	e.c.WatchKey(ctx, "inner", func(any) bool { return false })
	e.c.WatchPrefix(ctx, "inner", func(string, any) bool { return false })
	if _, err := e.c.List(ctx, ""); err != nil {
		return err
	}
	return e.c.Delete(ctx, "inner")
}

func watchBlocked(e *env) {
	e.put("k", "start")
	for _, src := range sources() {
		stuck := e.block(src)
		stuck.await("its first call", func(ns []note) bool { return len(ns) > 0 })
		var err error
		e.do("writing while a watcher blocks", func() {
			other := e.watch(onKey("k"))
			defer other.cancel(errEnough)
			for i := range 50 {
				text := fmt.Sprint(src.name, i)
				if err = e.c.CAS(e.ctx(), "k", func(any) (any, bool, error) { return &doc{Text: text}, true, nil }); err != nil {
					return
				}
				other.awaitLast("each write while another watcher blocks", is("k", text))
			}
		})
		if err != nil {
			e.Fatalf("CAS while a watcher of %s blocks: %v", src.name, err)
		}
		stuck.release()
		stuck.awaitLast("what it slept through", is("k", fmt.Sprint(src.name, 49)))
		stuck.stop()
	}
}

func watchPanic(e *env) {
	for _, src := range sources() {
		e.put("k", "one")
		before := e.stats().Watchers
		w := e.watch(src, func(note) { panic("mine") })
		w.ended("its callback panicked")
		if w.panicked != "mine" {
			e.Fatalf("%s panicked with %v, want the panic of its callback", src.name, w.panicked)
		}
		e.usable("k", "one")
		if after := e.stats().Watchers; after != before {
			e.Fatalf("%d watchers after a panic, %d before", after, before)
		}
	}
}

func watchEndsFalse(e *env) {
	for _, src := range sources() {
		e.put("k", "one")
		w := e.watch(src)
		w.awaitAny("the present value", is("k", "one"))
		w.enough()
		e.put("k", "two")
		w.ended("f returned false")
		calls := len(w.seen())
		other := e.watch(src)
		e.put("k", "three")
		other.awaitLast("a later write", is("k", "three"))
		other.stop()
		if now := len(w.seen()); now != calls {
			e.Fatalf("%s called f again after it returned false", src.name)
		}
	}
	e.put("k", "one")
	e.put("k2", "two")
	calls := 0
	e.do("WatchPrefix whose f returns false at once", func() {
		e.c.WatchPrefix(e.ctx(), "", func(string, any) bool { calls++; return false })
	})
	if calls != 1 {
		e.Fatalf("f returned false at its first call and was called %d times", calls)
	}
}

func watchEndsCtx(e *env) {
	for _, src := range sources() {
		idle := e.watch(src)
		e.settle()
		idle.stop()
		e.put("k", "one")
		busy := e.watch(src)
		busy.awaitAny("the present value", is("k", "one"))
		busy.stop()
		e.delete("k")
	}
	ended, cancel := context.WithCancelCause(e.ctx())
	cancel(errEnough)
	e.do("watches whose ctx had ended before", func() {
		e.c.WatchKey(ended, "k", func(any) bool { return true })
		e.c.WatchPrefix(ended, "k", func(string, any) bool { return true })
	})
	w := e.watch(onEvents("k"))
	w.awaitLast("the initial state", isKind(kv.Synced))
	w.stop()
	told := w.seen()
	if last := told[len(told)-1]; !errors.Is(last.err, errEnough) || last.key != "" {
		e.Fatalf("Events ended with %v, want an error without a key that wraps the cause of ctx", last.err)
	}
}

func watchEndsClose(e *env) {
	e.put("k", "one")
	var all []*watch
	for _, src := range sources() {
		w := e.watch(src)
		w.awaitAny("the present value", is("k", "one"))
		all = append(all, w, e.watch(source{src.name, src.watch}))
	}
	all = append(all, e.watch(onKey("absent")), e.watch(onPrefix("absent")))
	e.settle()
	e.do("Close while watches run", e.store.Close)
	for _, w := range all {
		w.ended("Close")
		for _, n := range w.seen() {
			if n.err != nil && !errors.Is(n.err, kv.ErrClosed) {
				e.Fatalf("%s told %v at Close, want ErrClosed", w.name, n.err)
			}
		}
	}
}
