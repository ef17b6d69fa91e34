package kvtest

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/starlingkv/starling/kv"
)

type casFunc = func(in any) (out any, retry bool, err error)

// shared is what all bent clients of one store share.
type shared struct {
	// lock is a channel: in a bubble time goes on while somebody waits for it, as it does not behind a mutex.
	lock chan struct{}

	mu   sync.Mutex
	kept map[string]any
}

func (s *shared) keep(key string, v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[key] = v
}

func (s *shared) recall(key string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept[key]
}

// bent is a client of which any method can be replaced by a wrong one. Where nothing is replaced it is right.
type bent struct {
	*lively
	*shared
	codec kv.Codec
	plain bool // has the six methods only

	list    func(ctx context.Context, prefix string) ([]string, error)
	get     func(ctx context.Context, key string) (any, error)
	del     func(ctx context.Context, key string) error
	cas     func(ctx context.Context, key string, f casFunc) error
	watch   func(w *watching)
	entry   func(ctx context.Context, key string) (kv.Entry, bool, error)
	entries func(ctx context.Context, prefix, after string) iter.Seq2[kv.Entry, error]
	put     func(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error)
	remove  func(ctx context.Context, key string, opts ...kv.RemoveOption) error
	can     func() kv.Capabilities
	stats   func() kv.Stats
	updated func(key string) time.Time
}

func (b *bent) List(ctx context.Context, prefix string) ([]string, error) {
	if b.list != nil {
		return b.list(ctx, prefix)
	}
	return b.lively.List(ctx, prefix)
}

func (b *bent) Get(ctx context.Context, key string) (any, error) {
	if b.get != nil {
		return b.get(ctx, key)
	}
	return b.lively.Get(ctx, key)
}

func (b *bent) Delete(ctx context.Context, key string) error {
	if b.del != nil {
		return b.del(ctx, key)
	}
	return b.lively.Delete(ctx, key)
}

func (b *bent) CAS(ctx context.Context, key string, f func(any) (any, bool, error)) error {
	if b.cas != nil {
		return b.cas(ctx, key, f)
	}
	return b.lively.CAS(ctx, key, f)
}

func (b *bent) Entry(ctx context.Context, key string) (kv.Entry, bool, error) {
	if b.entry != nil {
		return b.entry(ctx, key)
	}
	return b.lively.Entry(ctx, key)
}

func (b *bent) Entries(ctx context.Context, prefix, after string, opts ...kv.EntriesOption) iter.Seq2[kv.Entry, error] {
	if b.entries != nil {
		return b.entries(ctx, prefix, after)
	}
	return b.lively.Entries(ctx, prefix, after, opts...)
}

func (b *bent) Put(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
	if b.put != nil {
		return b.put(ctx, key, v, opts...)
	}
	return b.lively.Put(ctx, key, v, opts...)
}

func (b *bent) Remove(ctx context.Context, key string, opts ...kv.RemoveOption) error {
	if b.remove != nil {
		return b.remove(ctx, key, opts...)
	}
	return b.lively.Remove(ctx, key, opts...)
}

func (b *bent) Capabilities() kv.Capabilities {
	if b.can != nil {
		return b.can()
	}
	return b.lively.Capabilities()
}

func (b *bent) Stats() kv.Stats {
	if b.stats != nil {
		return b.stats()
	}
	return b.lively.Stats()
}

func (b *bent) LastUpdateTime(key string) time.Time {
	if b.updated != nil {
		return b.updated(key)
	}
	return b.lively.LastUpdateTime(key)
}

// bit is one thing told by any watch.
type bit struct {
	ev  kv.Event
	err error
}

// watching is one watch of any kind: run tells what is right, f is who was promised to be told.
type watching struct {
	src  string // WatchKey, WatchPrefix or Events
	what string // the key or the prefix
	ctx  context.Context
	run  func(ctx context.Context, tell func(bit) bool)
	f    func(bit) bool
	life *life
}

func (w *watching) right() { w.run(w.ctx, w.f) }

func (b *bent) watched(w *watching) {
	w.life = b.life
	if b.watch != nil {
		b.watch(w)
		return
	}
	w.right()
}

func (b *bent) WatchKey(ctx context.Context, key string, f func(any) bool) {
	b.watched(&watching{
		src: "WatchKey", what: key, ctx: ctx,
		run: func(ctx context.Context, tell func(bit) bool) {
			b.lively.WatchKey(ctx, key, func(v any) bool { return tell(bitOf(key, v)) })
		},
		f: func(x bit) bool { return f(x.ev.Value) },
	})
}

func (b *bent) WatchPrefix(ctx context.Context, prefix string, f func(string, any) bool) {
	b.watched(&watching{
		src: "WatchPrefix", what: prefix, ctx: ctx,
		run: func(ctx context.Context, tell func(bit) bool) {
			b.lively.WatchPrefix(ctx, prefix, func(key string, v any) bool { return tell(bitOf(key, v)) })
		},
		f: func(x bit) bool { return f(x.ev.Key, x.ev.Value) },
	})
}

func (b *bent) Events(ctx context.Context, prefix string, opts ...kv.EventsOption) iter.Seq2[kv.Event, error] {
	return func(yield func(kv.Event, error) bool) {
		b.watched(&watching{
			src: "Events", what: prefix, ctx: ctx,
			run: func(ctx context.Context, tell func(bit) bool) {
				for ev, err := range b.lively.Events(ctx, prefix, opts...) {
					if !tell(bit{ev, err}) {
						return
					}
				}
			},
			f: func(x bit) bool { return yield(x.ev, x.err) },
		})
	}
}

func bitOf(key string, v any) bit {
	kind := kv.Put
	if v == nil {
		kind = kv.Delete
	}
	return bit{ev: kv.Event{Kind: kind, Entry: kv.Entry{Key: key, Value: v}}}
}

// tap makes a watch that passes what it is told through each, which says whether to go on. One each per watch.
func tap(each func(w *watching) func(x bit) bool) func(*watching) {
	return func(w *watching) { w.run(w.ctx, each(w)) }
}

// drop makes a watch that does not tell what unwanted says.
func drop(unwanted func(w *watching, x bit) bool) func(*watching) {
	return tap(func(w *watching) func(bit) bool {
		return func(x bit) bool { return unwanted(w, x) || w.f(x) }
	})
}

// on bends only watches of one kind.
func on(src string, how func(*watching)) func(*watching) {
	return func(w *watching) {
		if w.src == src {
			how(w)
			return
		}
		w.right()
	}
}
