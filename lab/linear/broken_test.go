package linear_test

import (
	"context"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/lab/linear"
)

// fault is a promise that is broken now and then.
type fault int

const (
	stale fault = iota // a read returns what was there before
	blind              // a swap writes over what it has not seen
	loses              // a write is acknowledged and not done
	back               // a watch tells an older value again
	deaf               // a watch leaves keys out
)

// broken is a store with a fault.
type broken struct {
	*memkv.Client
	fault fault

	mu  sync.Mutex // guards old
	old map[string]any
}

func sometimes() bool { return rand.IntN(10) == 0 }

func (b *broken) Get(ctx context.Context, key string) (any, error) {
	v, err := b.Client.Get(ctx, key)
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.old[key]
	b.old[key] = v
	if b.fault == stale && was != nil && sometimes() {
		return was, err
	}
	return v, err
}

func (b *broken) CAS(ctx context.Context, key string, f func(any) (any, bool, error)) error {
	if b.fault != blind {
		return b.Client.CAS(ctx, key, f)
	}
	in, err := b.Client.Get(ctx, key)
	if err != nil {
		return err
	}
	out, _, err := f(in)
	if err != nil {
		return err
	}
	pause := time.NewTimer(time.Millisecond)
	<-pause.C
	_, err = b.Client.Put(ctx, key, out)
	return err
}

func (b *broken) Put(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
	if b.fault == loses && sometimes() {
		return "made up", nil
	}
	return b.Client.Put(ctx, key, v, opts...)
}

func (b *broken) Events(ctx context.Context, prefix string, opts ...kv.EventsOption) iter.Seq2[kv.Event, error] {
	return func(yield func(kv.Event, error) bool) {
		var first *kv.Event
		for ev, err := range b.Client.Events(ctx, prefix, opts...) {
			if b.fault == deaf && ev.Key != "" && ev.Key < linear.Key(6) {
				continue
			}
			if !yield(ev, err) {
				return
			}
			if first == nil && ev.Kind == kv.Put {
				first = &ev
			}
			if b.fault == back && first != nil && sometimes() && !yield(*first, nil) {
				return
			}
		}
	}
}

// A checker that cannot fail is worth nothing: each of these stores must be found out.
func TestBrokenStoresAreFoundOut(t *testing.T) {
	for name, tt := range map[string]struct {
		fault fault
		want  string
	}{
		"stale reads":      {stale, "not linearizable"},
		"blind swaps":      {blind, "not linearizable"},
		"lost writes":      {loses, "not linearizable"},
		"watch goes back":  {back, "the watch"},
		"watch leaves out": {deaf, "lost a last value"},
	} {
		t.Run(name, func(t *testing.T) {
			mem := memkv.New(kv.String)
			defer mem.Close()
			var all []kv.Client
			for range clients {
				all = append(all, &broken{Client: mem.With(kv.String), fault: tt.fault, old: make(map[string]any)})
			}
			r, err := linear.Record(t.Context(), all, linear.Load{}, func(ctx context.Context) { after(ctx, time.Second) })
			if err != nil {
				t.Fatal(err)
			}
			err = r.History.Check()
			if err == nil {
				err = r.CheckWatchesWithin(time.Second)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error about %q", err, tt.want)
			}
		})
	}
}
