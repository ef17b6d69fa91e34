package kvtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/starlingkv/starling/kv"
)

var brokenLimits = []broken{
	{"takes less than it says", []string{"ValueLimit"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			return b.lively.CAS(ctx, key, func(in any) (any, bool, error) {
				out, retry, err := f(in)
				if d, ok := out.(*doc); ok && len(d.Text) > 1<<20 {
					return nil, false, kv.ErrTooLarge
				}
				return out, retry, err
			})
		}
	}},
	{"cuts what is long", []string{"ValueLimit"}, func(b *bent) {
		b.get = func(ctx context.Context, key string) (any, error) {
			v, err := b.lively.Get(ctx, key)
			if d, ok := v.(*doc); ok && len(d.Text) > 1<<20 {
				return &doc{Text: d.Text[1:]}, err
			}
			return v, err
		}
	}},
	{"cleans keys as paths", []string{"KeysTaken"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			return b.lively.CAS(ctx, strings.ReplaceAll(key, "//", "/"), f)
		}
	}},
	{"takes bad keys", []string{"KeysRefused"}, func(b *bent) {
		b.get = func(ctx context.Context, key string) (any, error) {
			v, err := b.lively.Get(ctx, key)
			if errors.Is(err, kv.ErrBadKey) {
				return nil, nil
			}
			return v, err
		}
	}},
	{"watches a bad key for ever", []string{"KeysRefused"}, watches(on("WatchKey", func(w *watching) {
		if w.right(); kv.CheckKey(w.what) != nil {
			select {
			case <-w.ctx.Done():
			case <-w.life.over:
			}
		}
	}))},
	{"cuts what is too large", []string{"ValueLimit"}, func(b *bent) {
		b.put = func(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
			if d, ok := v.(*doc); ok && len(d.Text) > kv.MaxValue {
				v = &doc{Text: d.Text[:kv.MaxValue]}
			}
			return b.lively.Put(ctx, key, v, opts...)
		}
	}},
	{"promises larger values than the contract", []string{"ValueLimit"}, func(b *bent) {
		b.can = func() kv.Capabilities {
			c := b.lively.Capabilities()
			c.MaxValue = kv.MaxValue + 1
			return c
		}
	}},
	{"counts calls for attempts", []string{"CountsAttempts"}, counts(func(st *kv.Stats, calls, _ uint64) { st.CAS.Attempts = calls })},
	{"counts successes for nil out", []string{"CountsSuccesses"}, counts(func(st *kv.Stats, calls, _ uint64) { st.CAS.Successes = calls - st.CAS.Failures })},
	{"counts tries for failures", []string{"CountsFailures"}, counts(func(st *kv.Stats, _, _ uint64) { st.CAS.Failures = st.CAS.Attempts - st.CAS.Successes })},
	{"never lets the count of watchers fall", []string{"CountsWatchers", "WatchPanic", "IterValues"}, func(b *bent) {
		var ever atomic.Int64
		b.watch = func(w *watching) { ever.Add(1); w.right() }
		b.stats = func() kv.Stats {
			st := b.lively.Stats()
			st.Watchers = int(ever.Load())
			return st
		}
	}},
}

// counts makes a client whose counts are changed, given how often CAS was called.
func counts(change func(st *kv.Stats, calls, _ uint64)) bend {
	return func(b *bent) {
		var calls atomic.Uint64
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			calls.Add(1)
			return b.lively.CAS(ctx, key, f)
		}
		b.stats = func() kv.Stats {
			st := b.lively.Stats()
			change(&st, calls.Load(), 0)
			return st
		}
	}
}

var brokenVersions = []broken{
	{"returns no version", []string{"PutOverwrites"}, func(b *bent) {
		b.put = func(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
			_, err := b.lively.Put(ctx, key, v, opts...)
			return "", err
		}
	}},
	{"refuses bytes that it did not decode", []string{"PutRaw"}, func(b *bent) {
		b.put = func(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
			if _, raw := v.(kv.Raw); raw {
				return "", kv.Wrap("put", key, kv.ErrType)
			}
			return b.lively.Put(ctx, key, v, opts...)
		}
	}},
	{"ignores IfVersion", []string{"PutIfVersion", "PutIfAbsent"}, func(b *bent) {
		b.put = func(ctx context.Context, key string, v any, _ ...kv.PutOption) (string, error) {
			return b.lively.Put(ctx, key, v)
		}
	}},
	{"ignores IfVersion in Remove", []string{"RemoveIfVersion"}, func(b *bent) {
		b.remove = func(ctx context.Context, key string, _ ...kv.RemoveOption) error { return b.lively.Remove(ctx, key) }
	}},
	{"has another word for conflict", []string{"PutIfVersion", "PutIfAbsent"}, func(b *bent) {
		b.put = func(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
			version, err := b.lively.Put(ctx, key, v, opts...)
			if errors.Is(err, kv.ErrConflict) {
				err = kv.Wrap("put", key, errors.New("exists"))
			}
			return version, err
		}
	}},
	{"takes a tombstone for a value", []string{"PutIfAbsent"}, func(b *bent) {
		b.put = func(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
			if _, conditional := kv.PutWrite(ctx, opts...).Expected(); conditional && b.recall("deleted "+key) != nil {
				return "", kv.Wrap("put", key, kv.ErrConflict)
			}
			return b.lively.Put(ctx, key, v, opts...)
		}
		b.del = func(ctx context.Context, key string) error {
			b.keep("deleted "+key, true)
			return b.lively.Delete(ctx, key)
		}
	}},
	{"fails to remove an absent key", []string{"RemoveAbsent"}, func(b *bent) {
		b.remove = func(ctx context.Context, key string, opts ...kv.RemoveOption) error {
			if _, ok, err := b.lively.Entry(ctx, key); !ok && err == nil {
				return kv.Wrap("remove", key, kv.ErrConflict)
			}
			return b.lively.Remove(ctx, key, opts...)
		}
	}},
	{"makes a version of the content", []string{"VersionNeverReused", "VersionOfWrite"}, func(b *bent) {
		b.put = func(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
			_, err := b.lively.Put(ctx, key, v, opts...)
			return contentVersion(v), err
		}
		b.entry = func(ctx context.Context, key string) (kv.Entry, bool, error) {
			en, ok, err := b.lively.Entry(ctx, key)
			en.Version = contentVersion(en.Value)
			return en, ok, err
		}
	}},
	{"makes a version of the question", []string{"VersionOfWrite"}, func(b *bent) {
		var asked atomic.Uint64
		b.entry = func(ctx context.Context, key string) (kv.Entry, bool, error) {
			en, ok, err := b.lively.Entry(ctx, key)
			en.Version = fmt.Sprint(en.Version, "-", asked.Add(1))
			return en, ok, err
		}
	}},
}

func contentVersion(v any) string { return fmt.Sprintf("%x", fmt.Sprint(v)) }

var brokenTTL = []broken{
	{"ignores a TTL that it does not support", []string{"TTLUnsupported"}, func(b *bent) {
		b.can = func() kv.Capabilities {
			c := b.lively.Capabilities()
			c.TTL = false
			return c
		}
	}},
	{"ignores the TTL", []string{"TTLGoes", "TTLNeverEarly"}, func(b *bent) {
		b.put = ttlPut(b, func(time.Duration) time.Duration { return 0 })
	}},
	{"lets a key expire early", []string{"TTLNeverEarly"}, func(b *bent) {
		b.put = ttlPut(b, func(d time.Duration) time.Duration { return d * 9 / 10 })
	}},
	{"lets a key expire late", []string{"TTLGoes"}, func(b *bent) {
		const late = 2 * time.Second
		b.put = ttlPut(b, func(d time.Duration) time.Duration { return d + late })
		b.entry = func(ctx context.Context, key string) (kv.Entry, bool, error) {
			en, ok, err := b.lively.Entry(ctx, key)
			if !en.Expires.IsZero() {
				en.Expires = en.Expires.Add(-late)
			}
			return en, ok, err
		}
	}},
	{"does not hear the TTL of ctx", []string{"TTLOfContext", "TTLRenewed"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			return b.lively.CAS(kv.WithTTL(ctx, 0), key, f)
		}
	}},
	{"does not renew a TTL with equal bytes", []string{"TTLRenewed"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			return b.lively.CAS(ctx, key, func(in any) (any, bool, error) {
				out, retry, err := f(in)
				if in != nil && out != nil && fmt.Sprint(in) == fmt.Sprint(out) {
					out = nil
				}
				return out, retry, err
			})
		}
	}},
	{"keeps the TTL of the write before", []string{"TTLWithout"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			if en, ok, _ := b.lively.Entry(ctx, key); ok && !en.Expires.IsZero() {
				if _, given := kv.TTLFrom(ctx); !given {
					ctx = kv.WithTTL(ctx, time.Until(en.Expires))
				}
			}
			return b.lively.CAS(ctx, key, f)
		}
	}},
}

// ttlPut is a Put whose TTL is another one.
func ttlPut(b *bent, change func(time.Duration) time.Duration) func(context.Context, string, any, ...kv.PutOption) (string, error) {
	return func(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
		if d := kv.PutWrite(ctx, opts...).TTL; d > 0 {
			opts = append(opts, kv.TTL(change(d)))
		}
		return b.lively.Put(ctx, key, v, opts...)
	}
}

var brokenForms = []broken{
	{"has the six methods only", []string{"Interfaces", "AsThroughWrappers"}, func(b *bent) { b.plain = true }},
	{"changes its mind about what it can", []string{"Require"}, func(b *bent) {
		var asked atomic.Uint64
		b.can = func() kv.Capabilities {
			c := b.lively.Capabilities()
			c.Persistent = asked.Add(1)%2 == 0
			return c
		}
	}},
	{"has no watch without the prefix client's key", []string{"PrefixMapsKeys"}, func(b *bent) {
		b.watch = on("Events", drop(func(_ *watching, x bit) bool { return strings.HasPrefix(x.ev.Key, "p/") && x.ev.Kind == kv.Delete }))
	}},
	{"asks twice", []string{"InstrumentTells"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			return b.lively.CAS(ctx, key, func(in any) (any, bool, error) {
				_, _, _ = f(in)
				return f(in)
			})
		}
	}},
	{"calls f of Update twice", []string{"TypedUpdate"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			return b.lively.CAS(ctx, key, func(in any) (any, bool, error) {
				_, _, _ = f(in)
				return f(in)
			})
		}
	}},
}
