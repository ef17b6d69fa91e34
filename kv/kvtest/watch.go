package kvtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starlingkv/starling/kv"
)

// note is one thing that a watch was told.
type note struct {
	key  string
	kind kv.EventKind // of Events; the callback watches tell only Put, and Delete for a nil value
	doc  *doc         // the container as it was handed over
	text string       // what the container held then
	err  error        // of Events
	gid  uint64       // goroutine that was called
}

// String makes failures readable.
func (n note) String() string {
	switch {
	case n.err != nil:
		return fmt.Sprintf("%s error", n.key)
	case n.kind == kv.Put:
		return fmt.Sprintf("%s=%.30q", n.key, n.text)
	case n.kind == kv.Delete:
		return fmt.Sprintf("%s gone", n.key)
	default:
		return fmt.Sprint(n.kind)
	}
}

// is tells whether a note is of key holding text.
func is(key, text string) func(note) bool {
	return func(n note) bool { return n.err == nil && n.kind == kv.Put && n.key == key && n.text == text }
}

// isGone tells whether a note says that key is gone.
func isGone(key string) func(note) bool {
	return func(n note) bool { return n.err == nil && n.kind == kv.Delete && n.key == key }
}

// isKind tells whether a note is an event of that kind.
func isKind(kind kv.EventKind) func(note) bool {
	return func(n note) bool { return n.err == nil && n.kind == kind }
}

// isErr tells whether a note is an error about key.
func isErr(key string) func(note) bool {
	return func(n note) bool { return errors.Is(n.err, kv.ErrDecode) && n.key == key }
}

// source is a way to watch: it calls tell for all it is told, until tell returns false.
type source struct {
	name  string
	watch func(ctx context.Context, c kv.Client, tell func(key string, kind kv.EventKind, v any, err error) bool)
}

// onKey watches one key by WatchKey.
func onKey(key string) source {
	return source{"WatchKey", func(ctx context.Context, c kv.Client, tell func(string, kv.EventKind, any, error) bool) {
		c.WatchKey(ctx, key, func(v any) bool {
			if v == nil {
				return tell(key, kv.Delete, nil, nil)
			}
			return tell(key, kv.Put, v, nil)
		})
	}}
}

// onPrefix watches a prefix by WatchPrefix.
func onPrefix(prefix string) source {
	return source{"WatchPrefix", func(ctx context.Context, c kv.Client, tell func(string, kv.EventKind, any, error) bool) {
		c.WatchPrefix(ctx, prefix, func(key string, v any) bool {
			if v == nil {
				return tell(key, kv.Delete, nil, nil)
			}
			return tell(key, kv.Put, v, nil)
		})
	}}
}

// onEvents watches a prefix by Events.
func onEvents(prefix string) source {
	return source{"Events", func(ctx context.Context, c kv.Client, tell func(string, kv.EventKind, any, error) bool) {
		w, ok := kv.As[kv.Watcher](c)
		if !ok {
			panic(fmt.Sprintf("kvtest: %T is no kv.Watcher", c))
		}
		for ev, err := range w.Events(ctx, prefix) {
			if !tell(ev.Key, ev.Kind, ev.Value, err) {
				return
			}
		}
	}}
}

// errEnough is the cause with which the suite ends its watches.
var errEnough = errors.New("kvtest: seen enough")

// watch is one running watch and what it was told so far.
type watch struct {
	e      *env
	name   string
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when the watch returned
	gid    uint64        // goroutine that watches; valid once done or told
	inside atomic.Int32  // calls running now

	mu       sync.Mutex // guards what follows
	notes    []note
	more     chan struct{} // closed and replaced at every note
	overlaps int           // calls that began while another ran
	panicked any           // what the watch panicked with
	full     bool          // the callback says it has seen enough
}

// watch starts a watch on a goroutine of its own. Each then runs inside the callback.
func (e *env) watch(src source, then ...func(note)) *watch {
	e.Helper()
	return e.watchBy(e.c, src, then...)
}

func (e *env) watchBy(c kv.Client, src source, then ...func(note)) *watch {
	e.Helper()
	ctx, cancel := context.WithCancelCause(e.ctx())
	w := &watch{e: e, name: src.name, cancel: cancel, done: make(chan struct{}), more: make(chan struct{})}
	e.Cleanup(func() { cancel(errEnough) })
	go func() {
		defer close(w.done)
		defer func() {
			if p := recover(); p != nil {
				w.mu.Lock()
				w.panicked = p
				w.mu.Unlock()
			}
		}()
		w.gid = goroutineID()
		src.watch(ctx, c, func(key string, kind kv.EventKind, v any, err error) bool {
			return w.tell(note{key: key, kind: kind, err: err, gid: goroutineID()}, v, then)
		})
	}()
	return w
}

// tell notes one call and says whether the watch shall go on.
func (w *watch) tell(n note, v any, then []func(note)) bool {
	first := w.inside.Add(1) == 1
	defer w.inside.Add(-1)
	if d, ok := v.(*doc); ok && d != nil {
		n.doc, n.text = d, d.Text
	}
	w.mu.Lock()
	if !first {
		w.overlaps++
	}
	w.notes = append(w.notes, n)
	close(w.more)
	w.more = make(chan struct{})
	w.mu.Unlock()
	for _, f := range then {
		f(n)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.full
}

// seen returns all notes so far.
func (w *watch) seen() []note {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.notes)
}

// await waits until the notes satisfy enough, and fails the check if they do not soon.
func (w *watch) await(what string, enough func([]note) bool) []note {
	w.e.Helper()
	limit := time.NewTimer(w.e.suite.Within)
	defer limit.Stop()
	for {
		w.mu.Lock()
		notes, more := slices.Clone(w.notes), w.more
		w.mu.Unlock()
		if enough(notes) {
			return notes
		}
		select {
		case <-more:
		case <-limit.C:
			w.e.Fatalf("%s did not tell within %v: %s; it told %v", w.name, w.e.suite.Within, what, tail(notes))
		case <-w.done:
			if notes := w.seen(); enough(notes) {
				return notes
			}
			w.e.Fatalf("%s ended before it told: %s; it told %v, panic %v", w.name, what, tail(w.seen()), w.panicked)
		}
	}
}

// awaitLast waits until the last note satisfies want. That an initial state is complete may have been told after it.
func (w *watch) awaitLast(what string, want func(note) bool) []note {
	w.e.Helper()
	return w.await(what, func(notes []note) bool {
		n := len(notes)
		return n > 0 && want(notes[n-1]) || n > 1 && notes[n-1].kind == kv.Synced && want(notes[n-2])
	})
}

// awaitFinal waits as await does, and once more after everybody had the time to say something else.
func (w *watch) awaitFinal(what string, enough func([]note) bool) {
	w.e.Helper()
	w.await(what, enough)
	w.e.settle()
	w.await("still "+what, enough)
}

// awaitAny waits until some note satisfies want.
func (w *watch) awaitAny(what string, want func(note) bool) []note {
	w.e.Helper()
	return w.await(what, func(notes []note) bool { return slices.ContainsFunc(notes, want) })
}

// enough makes the callback return false from now on.
func (w *watch) enough() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.full = true
}

// ended waits until the watch has returned.
func (w *watch) ended(why string) {
	w.e.Helper()
	w.e.soon(w.done, fmt.Sprintf("%s ends after %s", w.name, why))
}

// stop ends the watch by its context.
func (w *watch) stop() {
	w.e.Helper()
	w.cancel(errEnough)
	w.ended("the end of its context")
}

// tail shortens long lists of notes to their end.
func tail(notes []note) []note {
	const most = 12
	return notes[max(0, len(notes)-most):]
}

// texts returns what the notes about key told, "" for gone.
func texts(notes []note, key string) []string {
	var out []string
	for _, n := range notes {
		if n.key == key && n.err == nil {
			out = append(out, n.text)
		}
	}
	return out
}

// goroutineID reads the number of the calling goroutine from its stack: the only place where Go tells it.
func goroutineID() uint64 {
	buf := make([]byte, 64)
	buf = buf[:runtime.Stack(buf, false)]
	fields := bytes.Fields(buf)
	if len(fields) < 2 {
		return 0
	}
	id, err := strconv.ParseUint(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return id
}
