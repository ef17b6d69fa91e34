package kvtest

import (
	"context"

	"github.com/starlingkv/starling/kv"
)

var brokenMedia = []broken{
	{"forgets the media type", []string{"MediaKept"}, func(b *bent) {
		b.put = func(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
			return b.lively.Put(ctx, key, v, append(opts, kv.Media(""))...)
		}
	}},
	{"does not tell a watch the media type", []string{"MediaKept"}, watches(on("Events", tap(func(w *watching) func(bit) bool {
		return func(x bit) bool {
			x.ev.Media = ""
			return w.f(x)
		}
	})))},
	{"takes the media type away in a CAS", []string{"MediaKept"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			if err := b.lively.CAS(ctx, key, f); err != nil {
				return err
			}
			v, err := b.lively.Get(ctx, key)
			if err == nil && v != nil {
				_, err = b.lively.Put(ctx, key, v)
			}
			return err
		}
	}},
	{"leaves the media type of the value before", []string{"MediaKept"}, func(b *bent) {
		b.put = func(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
			if en, ok, _ := b.lively.Entry(ctx, key); ok && kv.PutWrite(ctx, opts...).Media == "" {
				opts = append(opts, kv.Media(en.Media))
			}
			return b.lively.Put(ctx, key, v, opts...)
		}
	}},
	{"drops what is no media type and writes", []string{"MediaRefused"}, func(b *bent) {
		b.put = func(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
			if kv.CheckMedia(kv.PutWrite(ctx, opts...).Media) != nil {
				opts = append(opts, kv.Media(""))
			}
			return b.lively.Put(ctx, key, v, opts...)
		}
	}},
	{"keeps media types and says that it does not", []string{"MediaRefused"}, func(b *bent) {
		b.can = func() kv.Capabilities {
			c := b.lively.Capabilities()
			c.Media = false
			return c
		}
	}},
}
