package kvtest

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

// life is what the clients of one lively store share: the reference, with a beginning and a leaving like a node's.
type life struct {
	mem     *memkv.Client
	log     *slog.Logger
	started chan struct{} // closed when Running
	over    chan struct{} // closed when the check is over: whatever a broken client waits for ends then
	left    atomic.Bool
	alone   atomic.Bool
	closed  atomic.Bool
	unsent  atomic.Uint64
	warned  atomic.Bool
	line    lossy
	quirks  quirks
}

// lively is a correct client of such a store.
type lively struct {
	*memkv.Client
	life *life
}

// gate waits for Running, and counts what is written after the leaving.
func (l *lively) gate(ctx context.Context) error {
	select {
	case <-l.life.started:
	default:
		select {
		case <-l.life.started:
		case <-ctx.Done():
			return l.life.quirks.notReady(ctx)
		}
	}
	if l.life.left.Load() {
		l.life.unsent.Add(l.life.quirks.unsentPerWrite)
		if !l.life.warned.Swap(!l.life.quirks.warnsAlways) {
			l.life.log.Warn("written after leaving")
		}
	}
	return nil
}

func (l *lively) CAS(ctx context.Context, key string, f func(any) (any, bool, error)) error {
	if err := l.gate(ctx); err != nil {
		return kv.Wrap("cas", key, err)
	}
	return l.over(ctx, func() error { return l.Client.CAS(ctx, key, f) })
}

func (l *lively) Delete(ctx context.Context, key string) error {
	if err := l.gate(ctx); err != nil {
		return kv.Wrap("delete", key, err)
	}
	return l.Client.Delete(ctx, key)
}

func (l *lively) Put(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
	if err := l.gate(ctx); err != nil {
		return "", kv.Wrap("put", key, err)
	}
	var version string
	err := l.over(ctx, func() (err error) {
		version, err = l.Client.Put(ctx, key, v, opts...)
		return err
	})
	return version, err
}

func (l *lively) Remove(ctx context.Context, key string, opts ...kv.RemoveOption) error {
	if err := l.gate(ctx); err != nil {
		return kv.Wrap("remove", key, err)
	}
	return l.Client.Remove(ctx, key, opts...)
}

// quirks are the ways in which the life of a store can be broken.
type quirks struct {
	notReady       func(ctx context.Context) error
	unsentPerWrite uint64
	warnsAlways    bool
	keepsGoing     bool // Close does not end the store
	leaves         func(ctx context.Context) error
	healed         func(loss *loss, write func() error) error
}

// lifelike are the quirks of a store that is right.
func lifelike() quirks {
	return quirks{
		unsentPerWrite: 1,
		notReady: func(ctx context.Context) error {
			return fmt.Errorf("%w: %w", kv.ErrNotReady, kv.Ended(ctx))
		},
		leaves: func(ctx context.Context) error {
			return fmt.Errorf("%w: %w", kv.ErrUnknown, kv.Ended(ctx))
		},
		healed: func(loss *loss, write func() error) error {
			if loss.drop {
				return write()
			}
			return nil
		},
	}
}

// bend makes a client of the store wrong. It is called for each client of the store.
type bend func(*bent)

// open opens a lively store whose clients are all bent in the same way.
func open(t testing.TB, log *slog.Logger, how bend) (Store, *life) {
	mem := memkv.New(docs, memkv.Logger(log))
	l := &life{mem: mem, log: log, started: make(chan struct{}), over: make(chan struct{}), quirks: lifelike()}
	shared := &shared{lock: make(chan struct{}, 1), kept: map[string]any{}}
	t.Cleanup(func() {
		close(l.over)
		_ = mem.Close()
	})
	client := func(c kv.Codec) kv.Client {
		b := &bent{lively: &lively{Client: mem.With(c), life: l}, shared: shared, codec: c}
		if how != nil {
			how(b)
		}
		if b.plain {
			return struct{ kv.Client }{b}
		}
		return b
	}
	return Store{
		Client:  client,
		Start:   func() { close(l.started) },
		Leave:   func() { l.left.Store(true) },
		Unsent:  l.unsent.Load,
		Isolate: func() { l.alone.Store(true) },
		Line: &Line{
			Lose:   func() <-chan struct{} { return l.line.arm(&loss{}) },
			Drop:   func() <-chan struct{} { return l.line.arm(&loss{drop: true}) },
			Heal:   l.line.heal,
			Beside: func(c kv.Codec) kv.Client { return mem.With(c) },
		},
		Close: func() {
			l.closed.Store(true)
			if !l.quirks.keepsGoing {
				_ = mem.Close()
			}
		},
	}, l
}

// suiteOf is a suite with all hooks, of stores bent like that.
func suiteOf(how bend) Suite {
	return Suite{
		New: func(t testing.TB, log *slog.Logger) Store {
			s, l := open(t, log, how)
			close(l.started)
			s.Start = nil
			return s
		},
		Starting: func(t testing.TB, log *slog.Logger) Store {
			s, _ := open(t, log, how)
			return s
		},
		Unmoved: func(t testing.TB, c kv.Codec) kv.Client {
			s, l := open(t, slog.New(slog.DiscardHandler), how)
			close(l.started)
			b, _ := s.Client(c).(*bent)
			b.unmoved()
			return b
		},
	}.withDefaults()
}
