package starling

import (
	"context"
	"hash/maphash"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

// checked is a face that finds callers who write into what they share with the
// store: Tuning.CheckViews. Of each value that it hands out it keeps a view of
// its own, whose container nobody else has, and what that encodes to. If it
// encodes to something else when the key is handed out again, or when the node
// closes, then somebody has written into the content.
type checked struct {
	face
	views *views
}

// maxViews bounds the keys of which a view is kept, and those that were told.
const maxViews = 4096

// views is what was handed out.
type views struct {
	codec kv.Codec
	look  func(ctx context.Context, key string) (any, error)
	log   *slog.Logger
	count *atomic.Uint64
	seed  maphash.Seed

	mu   sync.Mutex // guards the rest
	kept map[string]view
	told map[string]struct{}
}

// view is a value as one operation has handed it out.
type view struct {
	op    string
	value any
	print uint64 // of its encoding then
}

func (n *Node) check(f face, kind crdt.Kind) *checked {
	return &checked{face: f, views: &views{
		codec: kind.Codec(), look: f.Get, log: n.log, count: &n.counts.scribbled, seed: maphash.MakeSeed(),
		kept: make(map[string]view), told: make(map[string]struct{}),
	}}
}

// handed notes that an operation hands the value of a key out.
func (v *views) handed(op, key string) {
	value, err := v.look(context.Background(), key)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.compare(key)
	delete(v.kept, key)
	if err != nil || value == nil {
		return
	}
	print, ok := v.print(value)
	if !ok {
		return
	}
	for other := range v.kept {
		if len(v.kept) < maxViews {
			break
		}
		v.compare(other)
		delete(v.kept, other)
	}
	v.kept[key] = view{op, value, print}
}

// compare tells, once per key, if what was kept of it is not as it was. Caller
// holds mu.
func (v *views) compare(key string) {
	w, kept := v.kept[key]
	if !kept {
		return
	}
	if now, ok := v.print(w.value); ok && now == w.print {
		return
	}
	if _, before := v.told[key]; before || len(v.told) >= maxViews {
		return
	}
	v.told[key] = struct{}{}
	v.count.Add(1)
	v.log.Error("a shared value was written into", "key", key, "op", w.op, "codec", v.codec.CodecID())
}

// end compares all that is kept.
func (v *views) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for key := range v.kept {
		v.compare(key)
	}
	clear(v.kept)
}

// print is the fingerprint of a value's encoding.
func (v *views) print(value any) (uint64, bool) {
	b, err := kv.EncodeWith(v.codec, value)
	return maphash.Bytes(v.seed, b), err == nil
}

// Get is part of kv.Client.
func (c *checked) Get(ctx context.Context, key string) (any, error) {
	value, err := c.face.Get(ctx, key)
	if err == nil {
		c.views.handed("get", key)
	}
	return value, err
}

// CAS is part of kv.Client.
func (c *checked) CAS(ctx context.Context, key string, f func(in any) (out any, retry bool, err error)) error {
	return c.face.CAS(ctx, key, func(in any) (any, bool, error) {
		c.views.handed("cas", key)
		return f(in)
	})
}

// WatchKey is part of kv.Client.
func (c *checked) WatchKey(ctx context.Context, key string, f func(any) bool) {
	c.face.WatchKey(ctx, key, func(value any) bool {
		c.views.handed("watch", key)
		return f(value)
	})
}

// WatchPrefix is part of kv.Client.
func (c *checked) WatchPrefix(ctx context.Context, prefix string, f func(string, any) bool) {
	c.face.WatchPrefix(ctx, prefix, func(key string, value any) bool {
		c.views.handed("watch", key)
		return f(key, value)
	})
}

// Events is part of kv.Watcher.
func (c *checked) Events(ctx context.Context, prefix string, opts ...kv.EventsOption) iter.Seq2[kv.Event, error] {
	return func(yield func(kv.Event, error) bool) {
		for ev, err := range c.face.Events(ctx, prefix, opts...) {
			if ev.Kind == kv.Put && ev.Value != nil && err == nil {
				c.views.handed("watch", ev.Key)
			}
			if !yield(ev, err) {
				return
			}
		}
	}
}

// Entry is part of kv.Versioned.
func (c *checked) Entry(ctx context.Context, key string) (kv.Entry, bool, error) {
	e, ok, err := c.face.Entry(ctx, key)
	if ok && err == nil {
		c.views.handed("entry", key)
	}
	return e, ok, err
}

// Entries is part of kv.Versioned.
func (c *checked) Entries(ctx context.Context, prefix, after string, opts ...kv.EntriesOption) iter.Seq2[kv.Entry, error] {
	return func(yield func(kv.Entry, error) bool) {
		for e, err := range c.face.Entries(ctx, prefix, after, opts...) {
			if err == nil && e.Value != nil {
				c.views.handed("entries", e.Key)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// checkViews compares what the clients have handed out for the last time.
func (n *Node) checkViews() {
	n.clientsMu.Lock()
	defer n.clientsMu.Unlock()
	for _, c := range n.clients {
		if f, ok := c.face.(*checked); ok {
			f.views.end()
		}
	}
}
