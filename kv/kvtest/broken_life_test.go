package kvtest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/starlingkv/starling/kv"
)

var brokenDecode = []broken{
	{"skips a decode error in Get", []string{"DecodeGet", "DecodePanic", "TypedGet"}, func(b *bent) {
		b.get = func(ctx context.Context, key string) (any, error) {
			v, err := b.lively.Get(ctx, key)
			if errors.Is(err, kv.ErrDecode) {
				return nil, nil
			}
			return v, err
		}
	}},
	{"gives f nil for what does not decode", []string{"DecodeCAS", "DecodePanic"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			err := b.lively.CAS(ctx, key, f)
			if errors.Is(err, kv.ErrDecode) {
				_, _, err = f(nil)
			}
			return err
		}
	}},
	{"tells nil for what does not decode", []string{"DecodeWatch"}, func(b *bent) {
		b.watch = on("WatchKey", func(w *watching) {
			for ev, err := range b.lively.Events(w.ctx, w.what) {
				if ev.Key == w.what && !w.f(bit{ev: kv.Event{Kind: kv.Put, Entry: kv.Entry{Value: readable(ev.Value, err)}}}) {
					return
				}
			}
		})
	}},
	{"ends a watch at a decode error", []string{"DecodeWatch"}, func(b *bent) {
		b.watch = on("WatchPrefix", func(w *watching) {
			for ev, err := range b.lively.Events(w.ctx, w.what) {
				if err != nil || ev.Kind == kv.Put && !w.f(bit{ev: ev}) {
					return
				}
			}
		})
	}},
	{"counts a decode error once per watcher", []string{"DecodeCounted"}, func(b *bent) {
		b.stats = func() kv.Stats {
			st := b.lively.Stats()
			st.DecodeErrors *= 3
			return st
		}
	}},
	{"counts no decode errors", []string{"DecodeCounted"}, func(b *bent) {
		b.stats = func() kv.Stats {
			st := b.lively.Stats()
			st.DecodeErrors = 0
			return st
		}
	}},
	{"logs a decode error every time", []string{"DecodeLogged"}, func(b *bent) {
		b.watch = on("WatchPrefix", func(w *watching) {
			for ev, err := range b.lively.Events(w.ctx, w.what) {
				switch {
				case err != nil && ev.Key != "":
					b.life.log.Warn("value does not decode", "key", ev.Key)
				case err != nil || ev.Kind == kv.Put && !w.f(bit{ev: ev}):
					return
				}
			}
		})
	}},
	{"leaves out of Events what does not decode", []string{"DecodeEvents"}, func(b *bent) {
		b.watch = on("Events", drop(func(_ *watching, x bit) bool { return errors.Is(x.err, kv.ErrDecode) }))
	}},
	{"lets a codec panic through", []string{"DecodePanic"}, func(b *bent) {
		b.get = func(ctx context.Context, key string) (any, error) {
			v, err := b.lively.Get(ctx, key)
			if err != nil && strings.Contains(err.Error(), "panic") {
				panic(err)
			}
			return v, err
		}
	}},
	{"has no raw bytes", []string{"DecodeRaw"}, func(b *bent) {
		b.entry = func(ctx context.Context, key string) (kv.Entry, bool, error) {
			en, ok, err := b.lively.Entry(ctx, key)
			if err != nil {
				en.Value = nil
			}
			return en, ok, err
		}
	}},
	{"writes nothing for what does not encode, and says nothing", []string{"EncodeFails"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			return b.lively.CAS(ctx, key, func(in any) (any, bool, error) {
				out, retry, err := f(in)
				if d, ok := out.(*doc); ok && d.Text == unencodable {
					out = nil
				}
				return out, retry, err
			})
		}
	}},
	{"reads another kind", []string{"TypeOther", "TypeWatch"}, func(b *bent) {
		if b.codec == memos {
			b.lively.Client = b.life.mem
		}
	}},
	{"writes something else for a value that does not fit", []string{"TypeUnfit"}, func(b *bent) {
		b.put = func(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
			switch v.(type) {
			case *doc, []byte:
				return b.lively.Put(ctx, key, v, opts...)
			}
			return b.lively.Put(ctx, key, &doc{Text: fmt.Sprint(v)}, opts...)
		}
	}},
}

// readable is nil for what does not decode.
func readable(v any, err error) any {
	if err != nil {
		return nil
	}
	return v
}

var brokenLife = []broken{
	{"makes readers wait in Starting", []string{"LifeStartingReads"}, func(b *bent) {
		b.get = func(ctx context.Context, key string) (any, error) {
			if err := b.gate(ctx); err != nil {
				return nil, kv.Wrap("get", key, err)
			}
			return b.lively.Get(ctx, key)
		}
	}},
	{"forgets why a writer stopped waiting", []string{"LifeStartingWrites"}, func(b *bent) {
		b.life.quirks.notReady = func(context.Context) error { return kv.ErrNotReady }
	}},
	{"does not say that it is not ready", []string{"LifeStartingWrites"}, func(b *bent) {
		b.life.quirks.notReady = kv.Ended
	}},
	{"writes in Starting", []string{"LifeStartingWrites"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error { return b.lively.Client.CAS(ctx, key, f) }
	}},
	{"does not wait in Starting", []string{"LifeStarted"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			select {
			case <-b.life.started:
				return b.lively.CAS(ctx, key, f)
			default:
				return kv.Wrap("cas", key, kv.ErrNotReady)
			}
		}
	}},
	{"does not count what it did not send", []string{"LifeLeaving"}, func(b *bent) { b.life.quirks.unsentPerWrite = 0 }},
	{"logs every write after leaving", []string{"LifeLeaving"}, func(b *bent) { b.life.quirks.warnsAlways = true }},
	{"refuses writes after leaving", []string{"LifeLeaving"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			if b.life.left.Load() {
				return kv.Wrap("cas", key, kv.ErrClosed)
			}
			return b.lively.CAS(ctx, key, f)
		}
	}},
	{"goes on after Close", []string{"LifeClosed", "WatchEndsClose"}, func(b *bent) { b.life.quirks.keepsGoing = true }},
	{"has its own error for closed", []string{"LifeClosed"}, func(b *bent) {
		b.get = func(ctx context.Context, key string) (any, error) {
			v, err := b.lively.Get(ctx, key)
			if errors.Is(err, kv.ErrClosed) {
				return nil, kv.Wrap("get", key, errors.New("closed"))
			}
			return v, err
		}
	}},
	{"returns bare sentinels", []string{"ErrorNames"}, func(b *bent) {
		b.del = func(ctx context.Context, key string) error {
			if err := b.lively.Delete(ctx, key); err != nil {
				return errors.Unwrap(err)
			}
			return nil
		}
	}},
	{"names another operation", []string{"ErrorNames"}, func(b *bent) {
		b.list = func(ctx context.Context, prefix string) ([]string, error) {
			keys, err := b.lively.List(ctx, prefix)
			if err != nil {
				return nil, &kv.Error{Op: "entries", Key: prefix, Err: err}
			}
			return keys, nil
		}
	}},
	{"ignores ctx", []string{"ErrorCtx"}, func(b *bent) {
		b.get = func(ctx context.Context, key string) (any, error) {
			return b.lively.Get(context.WithoutCancel(ctx), key)
		}
	}},
	{"returns ctx.Err without the cause", []string{"ErrorCtx"}, func(b *bent) {
		b.del = func(ctx context.Context, key string) error {
			if ctx.Err() != nil {
				return kv.Wrap("delete", key, ctx.Err())
			}
			return b.lively.Delete(ctx, key)
		}
	}},
}
