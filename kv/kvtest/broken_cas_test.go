package kvtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/starlingkv/starling/kv"
)

// nowAlways answers every question about time with the present.
func nowAlways(string) time.Time { return time.Now() }

// loop is a CAS built on Entry and Put, with all that can be wrong in one.
type loop struct {
	attempts int
	pause    func(ctx context.Context, n int) error
	expect   func(present string) []kv.PutOption // what must hold of the present version
	deaf     bool                                // to retry
	forgets  bool                                // the last error of f
	before   func()                              // runs between f and the write
}

// fine is a loop that is right.
func fine() loop {
	return loop{
		attempts: kv.CASAttempts,
		pause: func(ctx context.Context, n int) error {
			d := min(time.Millisecond<<(n-1), 50*time.Millisecond)
			return waitFor(ctx, d/2+rand.N(d/2+1))
		},
		expect: func(present string) []kv.PutOption { return []kv.PutOption{kv.IfVersion(present)} },
		before: func() {},
	}
}

// waitFor waits until d is over or ctx ends.
func waitFor(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return kv.Ended(ctx)
	}
}

// looped makes a client whose CAS is the loop.
func looped(change func(*loop)) bend {
	return func(b *bent) {
		l := fine()
		change(&l)
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			return kv.Wrap("cas", key, l.run(ctx, b, key, f))
		}
	}
}

func (l loop) run(ctx context.Context, b *bent, key string, f casFunc) error {
	last := kv.ErrConflict
	for n := range l.attempts {
		if n > 0 {
			if err := l.pause(ctx, n); err != nil {
				return err
			}
		}
		en, _, err := b.lively.Entry(ctx, key)
		if err != nil {
			return err
		}
		out, retry, err := f(en.Value)
		switch {
		case err != nil && (!retry || l.deaf):
			return err
		case err != nil && !l.forgets:
			last = err
			continue
		case err != nil:
			continue
		case out == nil:
			return nil
		}
		l.before()
		if _, err = b.lively.Put(ctx, key, out, l.expect(en.Version)...); err == nil || !errors.Is(err, kv.ErrConflict) {
			return err
		}
		last = kv.ErrConflict
	}
	return last
}

var brokenCAS = []broken{
	{"takes an empty value for none", []string{"CASSeesCurrent", "ValueEmpty"}, func(b *bent) {
		b.get = func(ctx context.Context, key string) (any, error) {
			v, err := b.lively.Get(ctx, key)
			if d, ok := v.(*doc); ok && d.Text == "" {
				return nil, nil
			}
			return v, err
		}
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			return b.lively.CAS(ctx, key, func(in any) (any, bool, error) {
				if d, ok := in.(*doc); ok && d.Text == "" {
					in = nil
				}
				return f(in)
			})
		}
	}},
	{"deletes for a nil out", []string{"CASNilOut"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			gone := false
			err := b.lively.CAS(ctx, key, func(in any) (any, bool, error) {
				out, retry, err := f(in)
				gone = out == nil && err == nil
				return out, retry, err
			})
			if gone {
				return b.lively.Delete(ctx, key)
			}
			return err
		}
	}},
	{"writes what is equal", []string{"CASEqualOut"}, looped(func(*loop) {})},
	{"sees old content after Delete", []string{"CASAfterDelete"}, func(b *bent) {
		b.del = func(ctx context.Context, key string) error {
			if v, err := b.lively.Get(ctx, key); v != nil && err == nil {
				b.keep(key, v)
			}
			return b.lively.Delete(ctx, key)
		}
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			return b.lively.CAS(ctx, key, func(in any) (any, bool, error) {
				if in == nil {
					in = b.recall(key)
				}
				return f(in)
			})
		}
	}},
	{"wraps with %v", []string{"CASFuncError", "CASFuncRetryLimit"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			if err := b.lively.CAS(ctx, key, f); err != nil {
				return &kv.Error{Op: "cas", Key: key, Err: fmt.Errorf("CAS did not work: %v", err)}
			}
			return nil
		}
	}},
	{"returns the bare error of f", []string{"CASFuncError"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			var mine error
			err := b.lively.CAS(ctx, key, func(in any) (any, bool, error) {
				out, retry, err := f(in)
				mine = err
				return out, retry, err
			})
			if mine != nil {
				return mine
			}
			return err
		}
	}},
	{"writes in spite of an error of f", []string{"CASFuncError"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			return b.lively.CAS(ctx, key, func(in any) (any, bool, error) {
				out, retry, err := f(in)
				if err != nil && out != nil {
					_, _ = b.lively.Put(ctx, key, out)
				}
				return out, retry, err
			})
		}
	}},
	{"runs f on a goroutine of its own", []string{"CASCallersGoroutine"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			return b.lively.CAS(ctx, key, func(in any) (out any, retry bool, err error) {
				done := make(chan struct{})
				go func() {
					defer close(done)
					out, retry, err = f(in)
				}()
				<-done
				return out, retry, err
			})
		}
	}},
	{"keeps its lock when f panics", []string{"CASPanic"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			return b.lively.CAS(ctx, key, func(in any) (any, bool, error) {
				if !b.acquire() {
					return nil, false, errors.New("the check is over")
				}
				out, retry, err := f(in)
				b.unlock()
				return out, retry, err
			})
		}
		b.get = func(ctx context.Context, key string) (any, error) {
			if b.acquire() {
				b.unlock()
			}
			return b.lively.Get(ctx, key)
		}
	}},
	{"swallows a panic of f", []string{"CASPanic"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) (err error) {
			defer func() { _ = recover() }()
			return b.lively.CAS(ctx, key, f)
		}
	}},
	{"does not compare", []string{"CASLostUpdate", "CASAttempts"}, looped(func(l *loop) {
		l.expect = func(string) []kv.PutOption { return nil }
	})},
	{"does not compare what is absent", []string{"CASCreateIfAbsent"}, looped(func(l *loop) {
		l.expect = func(present string) []kv.PutOption {
			if present == "" {
				return nil
			}
			return []kv.PutOption{kv.IfVersion(present)}
		}
		l.before = func() { _ = waitFor(context.Background(), time.Millisecond) }
	})},
	{"does not notice a Delete in between", []string{"CASLostToDelete"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			return b.lively.CAS(ctx, key, func(in any) (any, bool, error) {
				out, retry, err := f(in)
				if now, _, _ := b.lively.Entry(ctx, key); in != nil && out != nil && now.Version == "" {
					_, _ = b.lively.Put(ctx, key, out)
					return nil, false, nil
				}
				return out, retry, err
			})
		}
	}},
	{"compares, and writes later", []string{"CASConcurrent", "CASCreateIfAbsent"}, func(b *bent) {
		l := fine()
		l.expect = func(string) []kv.PutOption { return nil }
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			return kv.Wrap("cas", key, l.run(ctx, b, key, func(in any) (any, bool, error) {
				before, _, _ := b.lively.Entry(ctx, key)
				out, retry, err := f(in)
				if after, _, _ := b.lively.Entry(ctx, key); after.Version != before.Version {
					return nil, true, kv.ErrConflict
				}
				_ = waitFor(ctx, time.Millisecond)
				return out, retry, err
			}))
		}
	}},
	{"gives up after three tries", []string{"CASAttempts", "CASFuncRetry"}, looped(func(l *loop) { l.attempts = 3 })},
	{"tries once too often", []string{"CASAttempts", "CASFuncRetryLimit"}, looped(func(l *loop) { l.attempts++ })},
	{"sleeps a fixed second", []string{"CASBackoff"}, looped(func(l *loop) {
		l.pause = func(ctx context.Context, _ int) error { return waitFor(ctx, time.Second) }
	})},
	{"does not back off", []string{"CASBackoff"}, looped(func(l *loop) {
		l.pause = func(context.Context, int) error { return nil }
	})},
	{"backs off without jitter", []string{"CASBackoff"}, looped(func(l *loop) {
		l.pause = func(ctx context.Context, n int) error {
			return waitFor(ctx, min(time.Millisecond<<(n-1), 50*time.Millisecond))
		}
	})},
	{"does not double", []string{"CASBackoff"}, looped(func(l *loop) {
		l.pause = func(ctx context.Context, n int) error {
			return waitFor(ctx, time.Duration(60-6*n)*time.Millisecond+rand.N(time.Microsecond))
		}
	})},
	{"backs off past the end of ctx", []string{"CASBackoffCtx"}, looped(func(l *loop) {
		was := l.pause
		l.pause = func(_ context.Context, n int) error { return was(context.Background(), n) }
	})},
	{"does not hear retry", []string{"CASFuncRetry", "CASFuncRetryLimit"}, looped(func(l *loop) { l.deaf = true })},
	{"forgets the last error of f", []string{"CASFuncRetryLimit"}, looped(func(l *loop) { l.forgets = true })},
	{"takes no change for success", []string{"CASNoChange"}, func(b *bent) { b.keep("no change", kv.CASKept) }},
	{"gives up at the first merge without a change", []string{"CASNoChange"}, func(b *bent) { b.keep("no change", kv.CASFailed) }},
}

// unmoved makes the client one of a kind whose merge never reports a change.
func (b *bent) unmoved() {
	kit := &kv.Kit{}
	b.cas = func(ctx context.Context, key string, f casFunc) error {
		return kit.Retry(ctx, key, func() (kv.Outcome, error) {
			_, _, err := f(nil)
			if how, ok := b.recall("no change").(kv.Outcome); ok {
				return how, kv.ErrNoChange
			}
			return kv.CASNoChange, err
		})
	}
}

// acquire takes the store's lock, and is false when the check is over.
func (b *bent) acquire() bool {
	select {
	case b.lock <- struct{}{}:
		return true
	case <-b.life.over:
		return false
	}
}

func (b *bent) unlock() {
	select {
	case <-b.lock:
	default:
	}
}
