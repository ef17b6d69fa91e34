package mirrorkv

import (
	"context"
	"errors"
	"iter"

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

// Events is part of [kv.Watcher]. A switch of the primary is told as a Reset.
func (c *Client) Events(ctx context.Context, prefix string, opts ...kv.EventsOption) iter.Seq2[kv.Event, error] {
	return c.kit.Watching(func(yield func(kv.Event, error) bool) {
		w := watch{client: c, prefix: prefix, opts: opts}
		for w.era(ctx, yield) == errSwitched {
			if !yield(kv.Event{Kind: kv.Reset}, nil) {
				return
			}
		}
	})
}

// watch is a watch, whichever the primary is.
type watch struct {
	client *Client
	prefix string
	opts   []kv.EventsOption
}

// era tells the events of the present primary, and returns errSwitched if it is the primary no more. Any other end has
// been told.
func (w watch) era(ctx context.Context, yield func(kv.Event, error) bool) error {
	now := w.client.turn.present()
	watch, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(now.over, func() { cancel(context.Cause(now.over)) })
	defer stop()
	if now.closed() {
		yield(kv.Event{}, kv.Wrap("watch", w.prefix, kv.ErrClosed))
		return nil
	}
	for ev, err := range now.from.Events(watch, w.prefix, w.opts...) {
		if err == nil || ev.Key != "" {
			if !yield(ev, err) {
				return nil
			}
			continue
		}
		switch over := context.Cause(watch); {
		case errors.Is(over, errSwitched):
			return errSwitched
		case errors.Is(over, kv.ErrClosed):
			err = kv.Wrap("watch", w.prefix, kv.ErrClosed)
		}
		yield(kv.Event{}, err)
		return nil
	}
	return nil
}
