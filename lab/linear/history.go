// Package linear records what concurrent clients of a store do and see, and checks it: that all calls on one key happened
// one after the other, each at some moment while it ran (with porcupine), and that every watch told the writes in their
// order, nothing twice, and the last of each key.
//
// Every write writes a value of its own. A call whose outcome its client was not told may have happened at any later time,
// or never. In the gossip form a history is that of one node, and the writes of the others are of that sort.
package linear

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/starlingkv/starling/kv"
)

// kind is what a call does.
type kind int

const (
	read kind = iota
	write
	swap // writes only over what it has seen
	remove
)

// forever is the end of a call of which nobody knows whether it happened.
const forever = int64(1) << 62

// call is one call. The value of an absent key is "".
type call struct {
	client     int
	kind       kind
	key        string
	saw, wrote string
	begin, end int64 // nanoseconds since the history began
}

// unknown reports whether the call may not have happened.
func (c call) unknown() bool { return c.end == forever }

// History is what was recorded. It is safe for concurrent use.
type History struct {
	start time.Time

	mu    sync.Mutex // guards what follows
	calls []call
	next  int
	lost  int // calls without an effect that anybody could see: reads that failed, conflicts
}

// NewHistory returns an empty history that begins now.
func NewHistory() *History { return &History{start: time.Now()} }

func (h *History) now() int64 { return int64(time.Since(h.start)) }

// value returns a value that nobody else writes.
func (h *History) value(client int) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next++
	return fmt.Sprintf("%d/%d", client, h.next)
}

func (h *History) add(c call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, c)
}

func (h *History) drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost++
}

// all returns the calls recorded so far.
func (h *History) all() []call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

// Unknown counts the calls whose outcome is not known.
func (h *History) Unknown() (n int) {
	for _, c := range h.all() {
		if c.unknown() {
			n++
		}
	}
	return n
}

// Len counts the calls.
func (h *History) Len() int { return len(h.all()) }

// Load is what the clients of a run do.
type Load struct {
	Keys   int           // default 10
	Within time.Duration // of one call; default 2 s
	Pause  time.Duration // between two calls of one client, on average; default 2 ms
}

func (l Load) withDefaults() Load {
	if l.Keys == 0 {
		l.Keys = 10
	}
	if l.Within == 0 {
		l.Within = 2 * time.Second
	}
	if l.Pause == 0 {
		l.Pause = 2 * time.Millisecond
	}
	return l
}

// prefix is that of the keys of a run: a store may have others.
const prefix = "linear/"

// Key returns the ith key.
func Key(i int) string { return fmt.Sprintf("%s%02d", prefix, i) }

// Use makes calls of all kinds until ctx ends or the store is closed.
func (h *History) Use(ctx context.Context, client int, c kv.Client, load Load) {
	load = load.withDefaults()
	for ctx.Err() == nil {
		err := h.one(ctx, caller{client: client, c: c, h: h}, Key(rand.IntN(load.Keys)), load.Within)
		if errors.Is(err, kv.ErrClosed) {
			return
		}
		pause := time.NewTimer(rand.N(2 * load.Pause))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
	}
}

// one makes one call. It is not cut short by the end of the run, or its outcome would not be known.
func (h *History) one(ctx context.Context, by caller, key string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	switch n := rand.IntN(10); {
	case n < 4:
		return by.read(ctx, key)
	case n < 8:
		return by.swap(ctx, key)
	case n < 9:
		return by.write(ctx, key)
	default:
		return by.remove(ctx, key)
	}
}

// caller is one client of a history.
type caller struct {
	client int
	c      kv.Client
	h      *History
}

func (b caller) begin(k kind, key string) call {
	return call{client: b.client, kind: k, key: key, begin: b.h.now()}
}

func (b caller) read(ctx context.Context, key string) error {
	c := b.begin(read, key)
	v, err := b.c.Get(ctx, key)
	if err != nil {
		b.h.drop()
		return err
	}
	c.saw, _ = v.(string)
	c.end = b.h.now()
	b.h.add(c)
	return nil
}

func (b caller) swap(ctx context.Context, key string) error {
	c := b.begin(swap, key)
	called := false
	err := b.c.CAS(ctx, key, func(in any) (any, bool, error) {
		called = true
		c.saw, _ = in.(string)
		c.wrote = b.h.value(b.client)
		return c.wrote, true, nil
	})
	if !called {
		b.h.drop() // it never came to write
		return err
	}
	return b.done(c, err)
}

func (b caller) write(ctx context.Context, key string) error {
	c := b.begin(write, key)
	c.wrote = b.h.value(b.client)
	v, ok := kv.As[kv.Versioned](b.c)
	if !ok {
		panic(fmt.Sprintf("linear: %T is no kv.Versioned", b.c))
	}
	_, err := v.Put(ctx, key, c.wrote)
	return b.done(c, err)
}

func (b caller) remove(ctx context.Context, key string) error {
	c := b.begin(remove, key)
	return b.done(c, b.c.Delete(ctx, key))
}

// done records a call that writes: a conflict certainly wrote nothing, any other error leaves it open.
func (b caller) done(c call, err error) error {
	switch {
	case err == nil:
		c.end = b.h.now()
	case errors.Is(err, kv.ErrConflict):
		b.h.drop()
		return err
	default:
		c.end = forever
	}
	b.h.add(c)
	return err
}
