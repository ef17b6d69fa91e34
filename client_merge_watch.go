package starling

import (
	"context"
	"iter"

	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/kv"
)

// Events is part of kv.Watcher.
func (m *merger) Events(ctx context.Context, prefix string, opts ...kv.EventsOption) iter.Seq2[kv.Event, error] {
	sel, err := kv.EventsSelection(prefix, opts...)
	if err != nil {
		return func(yield func(kv.Event, error) bool) { yield(kv.Event{}, kv.Wrap("watch", prefix, err)) }
	}
	return m.events(ctx, sel, m)
}

// WatchKey is part of kv.Client.
func (m *merger) WatchKey(ctx context.Context, key string, f func(any) bool) {
	if err := kv.CheckKey(key); err != nil {
		m.node.log.Warn("watch ended", "key", key, "err", err)
		return
	}
	m.kit.TellKey(key, m.events(ctx, kv.Selection{Key: key}, values{m}), f)
}

// WatchPrefix is part of kv.Client.
func (m *merger) WatchPrefix(ctx context.Context, prefix string, f func(string, any) bool) {
	m.kit.TellPrefix(prefix, m.events(ctx, kv.Selection{Prefix: prefix}, values{m}), f)
}

// events opens what the node feeds, and counts the watcher.
func (m *merger) events(ctx context.Context, sel kv.Selection, of source) iter.Seq2[kv.Event, error] {
	about := sel.Prefix + sel.Key
	return m.kit.Watching(func(yield func(kv.Event, error) bool) {
		if err := kv.Ended(ctx); err != nil {
			yield(kv.Event{}, kv.Wrap("watch", about, err))
			return
		}
		for ev, err := range m.node.feed(ctx, sel, of) {
			if err != nil {
				yield(kv.Event{}, kv.Wrap("watch", about, err))
				return
			}
			ev.Entry, err = shown(ev.Entry, sel)
			if !yield(ev, kv.Wrap("watch", ev.Key, err)) {
				return
			}
		}
	})
}

// values is a merger for those who want values only. The rest of an entry costs
// what the value is large: to find it is left to whoever ranges over Events.
type values struct{ m *merger }

// look is part of source.
func (v values) look(r *engine.Root, key string) (kv.Entry, belongs) {
	value, err := v.m.kind.View(r.Tree, key)
	switch {
	case err != nil:
		return v.m.look(r, key)
	case value == nil:
		return kv.Entry{Key: key}, absent
	}
	return kv.Entry{Key: key, Value: value}, ours
}

// keys is part of source.
func (v values) keys(r *engine.Root, lo, hi string) iter.Seq2[kv.Entry, belongs] {
	return keysBy(v, r, lo, hi)
}
