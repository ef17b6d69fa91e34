package routekv

import (
	"context"
	"iter"
	"sync"

	"github.com/starlingkv/starling/kv"
)

// WatchKey is part of [kv.Client].
func (c *Client) WatchKey(ctx context.Context, key string, f func(any) bool) {
	c.kit.TellKey(key, c.Events(ctx, key, kv.OneKey()), f)
}

// WatchPrefix is part of [kv.Client].
func (c *Client) WatchPrefix(ctx context.Context, prefix string, f func(string, any) bool) {
	c.kit.TellPrefix(prefix, c.Events(ctx, prefix), f)
}

// Events is part of [kv.Watcher]. When one of several stores loses its place, all tell their state anew.
func (c *Client) Events(ctx context.Context, prefix string, opts ...kv.EventsOption) iter.Seq2[kv.Event, error] {
	sel, err := kv.EventsSelection(prefix, opts...)
	if sel.Key != "" || err != nil {
		return c.kit.Watching(as[kv.Watcher](c.For(prefix)).Events(ctx, prefix, opts...))
	}
	ps := c.parts(prefix)
	if len(ps) == 1 {
		return c.kit.Watching(as[kv.Watcher](ps[0].Client).Events(ctx, prefix, opts...))
	}
	return c.kit.Watching(func(yield func(kv.Event, error) bool) {
		w := watch{prefix: prefix, opts: opts, parts: ps}
		for w.once(ctx, yield) == again {
			if !yield(kv.Event{Kind: kv.Reset}, nil) {
				return
			}
		}
	})
}

// ending says why one pass over the parts ended.
type ending int

const (
	over  ending = iota // the loop's body wants no more, or an error was told
	again               // a part lost its place
)

// told is what a part yields.
type told struct {
	event kv.Event
	err   error
}

// funnel brings what the goroutines of the parts yield to the goroutine of the caller. Every send waits until it is
// taken, or until the caller has gone.
type funnel struct {
	live   chan told // changes after the initial state
	broken chan told // what ends the pass: an error without a key, or a Reset
	gone   chan struct{}
}

// watch is a watch of several parts.
type watch struct {
	prefix string
	opts   []kv.EventsOption
	parts  []part
}

// once tells the initial state of all parts in key order, Synced, and then their changes as they come, until one of
// them is reset.
func (w watch) once(ctx context.Context, yield func(kv.Event, error) bool) ending {
	ctx, cancel := context.WithCancel(ctx)
	f := funnel{live: make(chan told), broken: make(chan told), gone: make(chan struct{})}
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	defer close(f.gone)
	initial := make([]iter.Seq2[kv.Event, error], 0, len(w.parts))
	for _, p := range w.parts {
		state := make(chan told)
		running.Go(func() { w.tell(ctx, p, state, f) })
		initial = append(initial, f.until(state))
	}
	for ev, err := range merge(initial, func(ev kv.Event) string { return ev.Key }) {
		if ev.Kind == kv.Reset {
			return again
		}
		if ev.Key == "" {
			err = about(w.prefix, err)
		}
		if !yield(ev, err) || ev.Key == "" {
			return over
		}
	}
	if !yield(kv.Event{Kind: kv.Synced}, nil) {
		return over
	}
	for {
		select {
		case t := <-f.live:
			if !yield(t.event, t.err) {
				return over
			}
		case t := <-f.broken:
			if t.event.Kind == kv.Reset {
				return again
			}
			yield(t.event, about(w.prefix, t.err))
			return over
		}
	}
}

// tell sends a part's state up to its Synced to state and closes that, and what comes afterwards to the funnel.
func (w watch) tell(ctx context.Context, p part, state chan told, f funnel) {
	out := state
	for ev, err := range as[kv.Watcher](p.Client).Events(ctx, p.prefix, w.opts...) {
		to := out
		switch {
		case ev.Key != "" && !p.owns(ev.Key):
			continue
		case ev.Kind == kv.Synced && out == state:
			close(state)
			out = f.live
			continue
		case ev.Key == "":
			to = f.broken
		}
		select {
		case to <- told{ev, err}:
		case <-f.gone:
			return
		}
	}
}

// until yields what comes until state is closed, or what breaks the pass.
func (f funnel) until(state <-chan told) iter.Seq2[kv.Event, error] {
	return func(yield func(kv.Event, error) bool) {
		for {
			select {
			case t, more := <-state:
				if !more || !yield(t.event, t.err) {
					return
				}
			case t := <-f.broken:
				yield(t.event, t.err)
				return
			}
		}
	}
}
