package kvtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/starlingkv/starling/kv"
)

var lifeChecks = []check{
	{name: "LifeStartingReads", sentence: "In Starting, Get, List and watches answer from what is here.", needs: hookStart, run: lifeStartingReads},
	{name: "LifeStartingWrites", sentence: "In Starting, writes wait as long as ctx allows, else ErrNotReady, which wraps ctx's cause too.", needs: hookStart, run: lifeStartingWrites},
	{name: "LifeStarted", sentence: "Writes that waited in Starting are done once the store is Running.", needs: hookStart, run: lifeStarted},
	{name: "LifeLeaving", sentence: "After the flush of Leave writes succeed locally, are counted as unsent and logged once.", needs: hookLeave, run: lifeLeaving},
	{name: "LifeAlone", sentence: "A watcher on the writing node is woken even if nobody can be reached.", needs: hookIsolate, run: lifeAlone},
	{name: "LifeClosed", sentence: "After Close every operation is ErrClosed.", needs: hookClose, run: lifeClosed},
}

var errorChecks = []check{
	{name: "ErrorNames", sentence: "Every error is a *kv.Error that names the operation and the key.", run: errorNames},
	{name: "ErrorCtx", sentence: "When ctx ends, the error wraps context.Cause(ctx), on every operation.", run: errorCtx},
}

// wantError fails the check unless err is a *kv.Error of this operation and key.
func (e *env) wantError(err error, op, key string) {
	e.Helper()
	ke, ok := err.(*kv.Error) // the outermost must be it: what is deeper belongs to another call
	switch {
	case !ok:
		e.Fatalf("%s(%q) = %T (%v), want a *kv.Error", op, key, err, err)
	case ke.Op != op || ke.Key != key || ke.Err == nil:
		e.Fatalf("error %+v, want Op %q, Key %q and a cause", *ke, op, key)
	}
}

// operation is one call that returns an error.
type operation struct {
	op   string
	call func(ctx context.Context, key string) error
}

// writes are the operations that change something.
func (e *env) writes() []operation {
	e.Helper()
	v := e.versioned()
	return []operation{
		{"cas", func(ctx context.Context, key string) error {
			return e.c.CAS(ctx, key, func(any) (any, bool, error) { return &doc{Text: "cas"}, true, nil })
		}},
		{"delete", func(ctx context.Context, key string) error { return e.c.Delete(ctx, key) }},
		{"put", func(ctx context.Context, key string) error {
			_, err := v.Put(ctx, key, &doc{Text: "put"})
			return err
		}},
		{"remove", func(ctx context.Context, key string) error { return v.Remove(ctx, key) }},
	}
}

// reads are the operations on one key that change nothing.
func (e *env) reads() []operation {
	e.Helper()
	v := e.versioned()
	return []operation{
		{"get", func(ctx context.Context, key string) error {
			_, err := e.c.Get(ctx, key)
			return err
		}},
		{"entry", func(ctx context.Context, key string) error {
			_, _, err := v.Entry(ctx, key)
			return err
		}},
	}
}

// lists are the operations on a prefix.
func (e *env) lists() []operation {
	e.Helper()
	v := e.versioned()
	return []operation{
		{"list", func(ctx context.Context, prefix string) error {
			_, err := e.c.List(ctx, prefix)
			return err
		}},
		{"entries", func(ctx context.Context, prefix string) error {
			var last error
			for _, err := range v.Entries(ctx, prefix, "") {
				last = err
			}
			return last
		}},
	}
}

func lifeStartingReads(e *env) {
	e.do("reading in Starting", func() {
		if v, err := e.c.Get(e.ctx(), "k"); v != nil || err != nil {
			e.Errorf("Get in Starting = %v, %v; want nil, nil", v, err)
		}
		if keys, err := e.c.List(e.ctx(), ""); len(keys) != 0 || err != nil {
			e.Errorf("List in Starting = %q, %v; want none", keys, err)
		}
	})
	w, all := e.watch(onKey("k")), e.watch(onEvents(""))
	all.awaitLast("what is here", isKind(kv.Synced))
	e.store.Start()
	e.put("k", "one")
	w.awaitLast("the first write", is("k", "one"))
	all.awaitLast("the first write", is("k", "one"))
}

func lifeStartingWrites(e *env) {
	for _, w := range e.writes() {
		cause := errors.New("no longer wanted")
		ctx, cancel := context.WithTimeoutCause(e.ctx(), 20*time.Millisecond, cause)
		defer cancel()
		var err error
		e.do(w.op+" in Starting", func() { err = w.call(ctx, "k") })
		if !errors.Is(err, kv.ErrNotReady) || !errors.Is(err, cause) {
			e.Fatalf("%s in Starting = %v, want ErrNotReady and the cause of ctx", w.op, err)
		}
		e.wantError(err, w.op, "k")
	}
}

func lifeStarted(e *env) {
	errs := make(chan error, 1)
	go func() {
		errs <- e.c.CAS(e.ctx(), "k", func(any) (any, bool, error) { return &doc{Text: "waited"}, true, nil })
	}()
	w := e.watch(onKey("k"))
	// One cannot see it wait; another that gives up after a while leaves it the time.
	ctx, cancel := context.WithTimeout(e.ctx(), 20*time.Millisecond)
	defer cancel()
	if err := e.c.Delete(ctx, "other"); !errors.Is(err, kv.ErrNotReady) {
		e.Fatalf("Delete in Starting = %v, want ErrNotReady", err)
	}
	e.store.Start()
	w.awaitLast("the write that waited", is("k", "waited"))
	if err := <-errs; err != nil {
		e.Fatalf("CAS that waited in Starting: %v", err)
	}
}

func lifeLeaving(e *env) {
	e.put("k", "one")
	e.do("Leave", e.store.Leave)
	unsent, logged := e.store.Unsent(), len(e.log.all())
	for i := range 3 {
		e.put("k", fmt.Sprint("after the flush ", i))
	}
	e.want("k", "after the flush 2")
	if n := e.store.Unsent() - unsent; n != 3 {
		e.Fatalf("%d writes counted as unsent after Leave, want 3", n)
	}
	if lines := e.log.all()[logged:]; len(lines) != 1 {
		e.Fatalf("three writes after Leave logged %d warnings, want one: %q", len(lines), lines)
	}
}

func lifeAlone(e *env) {
	w := e.watch(onEvents("k"))
	w.awaitLast("the initial state", isKind(kv.Synced))
	e.store.Isolate()
	e.put("k", "alone")
	w.awaitLast("a write that nobody else can hear of", is("k", "alone"))
	e.delete("k")
	w.awaitLast("a delete that nobody else can hear of", isGone("k"))
}

func lifeClosed(e *env) {
	e.put("k", "one")
	e.do("Close", e.store.Close)
	for _, o := range append(append(e.writes(), e.reads()...), e.lists()...) {
		var err error
		e.do(o.op+" after Close", func() { err = o.call(e.ctx(), "k") })
		if !errors.Is(err, kv.ErrClosed) {
			e.Fatalf("%s after Close = %v, want ErrClosed", o.op, err)
		}
	}
	e.do("watches after Close", func() {
		e.c.WatchKey(e.ctx(), "k", func(any) bool { return true })
		e.c.WatchPrefix(e.ctx(), "k", func(string, any) bool { return true })
		for _, err := range as[kv.Watcher](e, e.c).Events(e.ctx(), "k") {
			if err != nil && !errors.Is(err, kv.ErrClosed) {
				e.Errorf("Events after Close told %v, want ErrClosed", err)
			}
		}
	})
}

func errorNames(e *env) {
	bad := "\x00" + strings.Repeat("x", 3)
	for _, o := range append(e.writes(), e.reads()...) {
		err := o.call(e.ctx(), bad)
		if err == nil {
			e.Fatalf("%s(%q) = nil, want an error", o.op, bad)
		}
		e.wantError(err, o.op, bad)
	}
	ctx, cancel := context.WithCancel(e.ctx())
	cancel()
	for _, o := range e.lists() {
		err := o.call(ctx, "p/")
		if err == nil {
			e.Fatalf("%s with an ended ctx = nil, want an error", o.op)
		}
		e.wantError(err, o.op, "p/")
	}
}

func errorCtx(e *env) {
	e.put("k", "one")
	cause := errors.New("no longer wanted")
	ctx, cancel := context.WithCancelCause(e.ctx())
	cancel(cause)
	for _, o := range append(append(e.writes(), e.reads()...), e.lists()...) {
		var err error
		e.do(o.op+" with an ended ctx", func() { err = o.call(ctx, "k") })
		if !errors.Is(err, cause) {
			e.Fatalf("%s with an ended ctx = %v, want an error that wraps its cause", o.op, err)
		}
	}
	e.want("k", "one")
}
