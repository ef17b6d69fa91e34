package kvtest

import (
	"context"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
)

// env is what one check works with: a store of its own, a client of it for documents, and words to speak with.
type env struct {
	testing.TB
	suite Suite
	store Store
	log   *logbook
	c     kv.Client
	far   kv.Client // of another member, in the eventual form

	life  context.Context // see ctx
	ended atomic.Bool     // the check is over
}

func newEnv(t testing.TB, s Suite, c check) *env {
	t.Helper()
	log := newLogbook()
	open := s.New
	if c.needs&hookStart != 0 {
		open = s.Starting
	}
	return newEnvOf(t, s, open(t, log.logger()), log)
}

func newEnvOf(t testing.TB, s Suite, st Store, log *logbook) *env {
	t.Helper()
	e := &env{TB: t, suite: s, store: st, log: log, c: st.Client(docs)}
	ctx, cancel := context.WithTimeout(t.Context(), 6*s.Within)
	e.life = ctx
	t.Cleanup(func() {
		e.ended.Store(true)
		cancel()
	})
	return e
}

// ctx ends when the check ends, and long after anything should have been done, so that a client that hangs in an
// operation fails its check instead of the whole test binary.
func (e *env) ctx() context.Context { return e.life }

// Errorf fails the check. What a goroutine that was given up says after the end is not heard.
func (e *env) Errorf(format string, args ...any) {
	if !e.ended.Load() {
		e.Helper()
		e.TB.Errorf(format, brief(args)...)
	}
}

// Fatalf fails the check and stops the calling goroutine.
func (e *env) Fatalf(format string, args ...any) {
	if e.ended.Load() {
		runtime.Goexit()
	}
	e.Helper()
	e.TB.Errorf(format, brief(args)...)
	e.FailNow()
}

// put writes text under key and fails the check if it cannot.
func (e *env) put(key, text string) {
	e.Helper()
	e.putBy(e.c, key, text)
}

func (e *env) putBy(c kv.Client, key, text string) {
	e.Helper()
	err := c.CAS(e.ctx(), key, func(any) (any, bool, error) { return &doc{Text: text}, true, nil })
	if err != nil {
		e.Fatalf("CAS(%q) to write %q: %v", key, text, err)
	}
}

// delete deletes key and fails the check if it cannot.
func (e *env) delete(key string) {
	e.Helper()
	if err := e.c.Delete(e.ctx(), key); err != nil {
		e.Fatalf("Delete(%q): %v", key, err)
	}
}

// get returns the document under key, nil if there is none.
func (e *env) get(key string) *doc {
	e.Helper()
	return e.getBy(e.c, key)
}

func (e *env) getBy(c kv.Client, key string) *doc {
	e.Helper()
	v, err := c.Get(e.ctx(), key)
	if err != nil {
		e.Fatalf("Get(%q): %v", key, err)
	}
	return e.doc(v)
}

// doc returns v as a document, nil for nil.
func (e *env) doc(v any) *doc {
	e.Helper()
	if v == nil {
		return nil
	}
	d, ok := v.(*doc)
	if !ok || d == nil {
		e.Fatalf("value is a %T (%v), want nil or what the codec decodes, a *kvtest.doc", v, v)
	}
	return d
}

// want fails the check unless key holds text.
func (e *env) want(key, text string) {
	e.Helper()
	if d := e.get(key); d == nil || d.Text != text {
		e.Fatalf("Get(%q) = %v, want %q", key, d, text)
	}
}

// wantAbsent fails the check if key is there, for Get or for List.
func (e *env) wantAbsent(key string) {
	e.Helper()
	if d := e.get(key); d != nil {
		e.Fatalf("Get(%q) = %v, want nil", key, d)
	}
	if keys := e.list(""); slices.Contains(keys, key) {
		e.Fatalf("List shows %q, which is gone: %q", key, keys)
	}
}

func (e *env) list(prefix string) []string {
	e.Helper()
	keys, err := e.c.List(e.ctx(), prefix)
	if err != nil {
		e.Fatalf("List(%q): %v", prefix, err)
	}
	return keys
}

// wantList fails the check unless List(prefix) is exactly want.
func (e *env) wantList(prefix string, want ...string) {
	e.Helper()
	if got := e.list(prefix); !slices.Equal(got, want) {
		e.Fatalf("List(%q) = %q, want %q", prefix, got, want)
	}
}

// soon waits for done, at most as long as the store may take, and fails the check otherwise.
func (e *env) soon(done <-chan struct{}, what string) {
	e.Helper()
	limit := time.NewTimer(e.suite.Within)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
		e.Fatalf("not within %v: %s", e.suite.Within, what)
	}
}

// do runs f on a goroutine of its own and fails the check if it panics, or does not return soon.
func (e *env) do(what string, f func()) {
	e.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				e.Errorf("%s: panic: %v", what, p)
			}
		}()
		f()
	}()
	e.soon(done, what)
}

// settle gives everybody the time to say what they should not. In a bubble a timer fires when all others wait, so nothing
// is left to be said; on the real clock it is a moment in which a wrong client is likely to be found out. No check of a
// right client depends on it.
func (e *env) settle() {
	t := time.NewTimer(3 * time.Millisecond)
	defer t.Stop()
	<-t.C
}

// as finds an optional interface of the client, which all clients must have.
func as[I any](e *env, c kv.Client) I {
	e.Helper()
	i, ok := kv.As[I](c)
	if !ok {
		e.Fatalf("%T does not implement %T", c, (*I)(nil))
	}
	return i
}

func (e *env) versioned() kv.Versioned { e.Helper(); return as[kv.Versioned](e, e.c) }

func (e *env) stats() kv.Stats { e.Helper(); return as[kv.Counted](e, e.c).Stats() }

func (e *env) capabilities() kv.Capabilities {
	e.Helper()
	return as[kv.Capable](e, e.c).Capabilities()
}

// entry returns the entry of key and fails the check if there is none.
func (e *env) entry(key string) kv.Entry {
	e.Helper()
	en, ok, err := e.versioned().Entry(e.ctx(), key)
	if err != nil || !ok {
		e.Fatalf("Entry(%q) = %v, %v; want the entry", key, ok, err)
	}
	return en
}

// casWith writes text by a CAS under ctx.
func (e *env) casWith(ctx context.Context, key, text string) {
	e.Helper()
	if err := e.c.CAS(ctx, key, func(any) (any, bool, error) { return &doc{Text: text}, true, nil }); err != nil {
		e.Fatalf("CAS(%q): %v", key, err)
	}
}
