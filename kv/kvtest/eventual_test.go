package kvtest

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling/kv"
)

// clusterOf is a cluster of two clients of one store, of which the observing one is bent.
func clusterOf(how bend) Cluster {
	return Cluster{
		Around: synctest.Test,
		New: func(t testing.TB, log *slog.Logger) Members {
			s, l := open(t, log, nil)
			close(l.started)
			return Members{Write: s.Client, Observe: func(c kv.Codec) kv.Client {
				b, _ := s.Client(c).(*bent)
				how(b)
				return b
			}}
		},
	}
}

// late is an observer to whom everything comes some time after it happened, as from another member.
func late(b *bent) {
	b.watch = tap(func(w *watching) func(bit) bool {
		return func(x bit) bool {
			_ = waitFor(w.ctx, 2*time.Millisecond)
			return w.f(x)
		}
	})
}

// shifted makes an observer that reads what the writer calls one thing under another version.
func shifted(ctx context.Context, b *bent, key string) (kv.Entry, bool, error) {
	en, ok, err := b.lively.Entry(ctx, key)
	en.Version += "'"
	return en, ok, err
}

var brokenObservers = []broken{
	{"has its own versions", []string{"EventualPut", "EventualConcurrent"}, func(b *bent) {
		b.entry = func(ctx context.Context, key string) (kv.Entry, bool, error) { return shifted(ctx, b, key) }
	}},
	{"never hears of deletes", []string{"EventualDelete", "EventualWatchDelete", "EventualTTL", "EventualBurst"}, watches(drop(gone))},
	{"shows what was deleted", []string{"EventualDelete"}, func(b *bent) {
		b.get = func(ctx context.Context, key string) (any, error) {
			v, err := b.lively.Get(ctx, key)
			if v == nil && err == nil {
				return b.recall(key), nil
			}
			b.keep(key, v)
			return v, err
		}
	}},
	{"hears every second change", []string{"EventualWatch"}, watches(drop(everySecond()))},
	{"does not hear of short values", []string{"EventualPut"}, watches(drop(func(_ *watching, x bit) bool {
		d, ok := x.ev.Value.(*doc)
		return ok && len(d.Text) == 0
	}))},
	{"does not hear of large values", []string{"EventualLarge"}, watches(drop(func(_ *watching, x bit) bool {
		d, ok := x.ev.Value.(*doc)
		return ok && len(d.Text) > 64<<10
	}))},
	{"goes back", []string{"EventualWatch"}, watches(tap(func(w *watching) func(bit) bool {
		first := map[string]bit{}
		return func(x bit) bool {
			if old, ok := first[x.ev.Key]; ok && !w.f(old) {
				return false
			}
			first[x.ev.Key] = x
			return w.f(x)
		}
	}))},
	{"keeps its writes to itself", []string{"EventualBack", "EventualConcurrent", "EventualLinearizable"}, func(b *bent) {
		b.cas = func(_ context.Context, key string, f casFunc) error {
			out, _, err := f(nil)
			b.keep(key, out)
			return err
		}
		b.entry = func(ctx context.Context, key string) (kv.Entry, bool, error) {
			en, ok, err := b.lively.Entry(ctx, key)
			if mine := b.recall(key); mine != nil {
				en.Value = mine
			}
			return en, ok, err
		}
	}},
	{"loses keys of a burst", []string{"EventualBurst"}, func(b *bent) {
		b.list = func(ctx context.Context, prefix string) ([]string, error) {
			keys, err := b.lively.List(ctx, prefix)
			return keys[:len(keys)-1], err
		}
	}},
	{"expires early", []string{"EventualTTL"}, watches(func(w *watching) {
		ctx, cancel := context.WithTimeout(w.ctx, 900*time.Millisecond)
		defer cancel()
		w.run(ctx, w.f)
		if w.ctx.Err() == nil && w.f(bitOf(w.what, nil)) {
			w.right()
		}
	})},
	{"shows nil for what does not decode", []string{"EventualDecode"}, func(b *bent) {
		b.get = func(ctx context.Context, key string) (any, error) {
			v, _ := b.lively.Get(ctx, key)
			return v, nil
		}
	}},
}

func TestEventualOfOneStore(t *testing.T) { RunEventual(t, clusterOf(func(*bent) {})) }

func TestEventualOfLateObserver(t *testing.T) { RunEventual(t, clusterOf(late)) }

// TestEventualBrokenFail proves that the eventual form bites, as TestBrokenFail does for the other.
func TestEventualBrokenFail(t *testing.T) {
	found := map[string]bool{}
	for _, b := range brokenObservers {
		t.Run(strings.ReplaceAll(b.name, " ", "_"), func(t *testing.T) {
			for _, name := range b.fails {
				failures := recordEventual(t, clusterOf(b.how), name)
				if len(failures) == 0 {
					t.Errorf("%s does not find out an observer that %s", name, b.name)
					continue
				}
				found[name] = true
				t.Logf("%s: %s", name, failures[0])
			}
		})
	}
	for _, c := range eventualChecks {
		if !found[c.name] {
			t.Errorf("no broken observer fails %s: it may be a check that cannot fail", c.name)
		}
	}
}

func recordEventual(t *testing.T, c Cluster, name string) (failures []string) {
	t.Helper()
	i := slices.IndexFunc(eventualChecks, func(c check) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("no check %s", name)
	}
	s := c.suite()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{TB: t}
		r.run(func(t testing.TB) { eventualChecks[i].run(c.env(t, s)) })
		failures = r.failed()
	})
	return failures
}
