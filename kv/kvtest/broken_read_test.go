package kvtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/starlingkv/starling/kv"
)

// broken is a client that breaks a sentence of the contract, and the checks that must find it out.
type broken struct {
	name  string
	fails []string
	how   bend
}

var errNotFound = errors.New("not found")

var brokenReads = []broken{
	{"lists in any order", []string{"ListSorted"}, func(b *bent) {
		b.list = func(ctx context.Context, prefix string) ([]string, error) {
			keys, err := b.lively.List(ctx, prefix)
			slices.Reverse(keys)
			return keys, err
		}
	}},
	{"lists without the prefix", []string{"ListPrefix"}, func(b *bent) {
		b.list = func(ctx context.Context, _ string) ([]string, error) { return b.lively.List(ctx, "") }
	}},
	{"takes a prefix for a path", []string{"ListPrefix"}, func(b *bent) {
		b.list = func(ctx context.Context, prefix string) ([]string, error) {
			keys, err := b.lively.List(ctx, prefix)
			return slices.DeleteFunc(keys, func(k string) bool {
				return !strings.HasSuffix(prefix, "/") && len(k) > len(prefix) && prefix != "" && k[len(prefix)] != '/'
			}), err
		}
	}},
	{"lists tombstones", []string{"ListLive", "DeleteHides"}, func(b *bent) {
		b.del = func(ctx context.Context, key string) error {
			b.keep("tomb", key)
			return b.lively.Delete(ctx, key)
		}
		b.list = func(ctx context.Context, prefix string) ([]string, error) {
			keys, err := b.lively.List(ctx, prefix)
			if tomb, ok := b.recall("tomb").(string); ok && strings.HasPrefix(tomb, prefix) && !slices.Contains(keys, tomb) {
				keys = append(keys, tomb)
				slices.Sort(keys)
			}
			return keys, err
		}
	}},
	{"returns an error for an absent key", []string{"GetAbsent"}, func(b *bent) {
		b.get = func(ctx context.Context, key string) (any, error) {
			v, err := b.lively.Get(ctx, key)
			if v == nil && err == nil {
				return nil, kv.Wrap("get", key, errNotFound)
			}
			return v, err
		}
	}},
	{"returns the stored pointer", []string{"GetContainerYours"}, func(b *bent) {
		b.get = func(ctx context.Context, key string) (any, error) {
			en, ok, err := b.lively.Entry(ctx, key)
			if err != nil || !ok {
				return b.lively.Get(ctx, key)
			}
			return b.once(en), nil
		}
	}},
	{"keeps the pointer it was given", []string{"CASContainerYours"}, func(b *bent) {
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			var mine any
			err := b.lively.CAS(ctx, key, func(in any) (any, bool, error) {
				out, retry, err := f(in)
				mine = out
				return out, retry, err
			})
			if en, ok, _ := b.lively.Entry(ctx, key); ok && err == nil && mine != nil {
				b.keep(en.Version, mine)
			}
			return err
		}
		b.get = func(ctx context.Context, key string) (any, error) {
			en, _, _ := b.lively.Entry(ctx, key)
			if v := b.recall(en.Version); v != nil {
				return v, nil
			}
			return b.lively.Get(ctx, key)
		}
	}},
	{"tells all watchers the same pointer", []string{"WatchContainerYours"}, func(b *bent) {
		b.watch = tap(func(w *watching) func(bit) bool {
			return func(x bit) bool {
				if en, ok, err := b.lively.Entry(context.Background(), x.ev.Key); ok && err == nil && x.ev.Kind == kv.Put {
					x.ev.Value = b.once(en)
				}
				return w.f(x)
			}
		})
	}},
	{"fails to delete an absent key", []string{"DeleteAbsent"}, func(b *bent) {
		b.del = func(ctx context.Context, key string) error {
			if _, ok, err := b.lively.Entry(ctx, key); !ok && err == nil {
				return kv.Wrap("delete", key, errNotFound)
			}
			return b.lively.Delete(ctx, key)
		}
	}},
	{"resurrects after Delete", []string{"DeleteHides"}, func(b *bent) {
		b.del = func(ctx context.Context, key string) error {
			if v, err := b.lively.Get(ctx, key); v != nil && err == nil {
				b.keep("ghost", key)
				b.keep("ghost value", v)
			}
			return b.lively.Delete(ctx, key)
		}
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			err := b.lively.CAS(ctx, key, f)
			if ghost, ok := b.recall("ghost").(string); ok && ghost != key {
				_, _ = b.lively.Put(ctx, ghost, b.recall("ghost value"))
			}
			return err
		}
	}},
	{"cannot delete", []string{"DeleteHides"}, func(b *bent) {
		b.del = func(ctx context.Context, key string) error {
			return kv.Wrap("delete", key, fmt.Errorf("%w: delete", kv.ErrUnsupported))
		}
	}},
	{"must read what it deletes", []string{"DeleteLastWriterWins"}, func(b *bent) {
		b.del = func(ctx context.Context, key string) error {
			if _, err := b.lively.Get(ctx, key); err != nil {
				return kv.Wrap("delete", key, err)
			}
			return b.lively.Delete(ctx, key)
		}
	}},
	{"has entries without a version", []string{"EntryFields"}, func(b *bent) {
		b.entry = func(ctx context.Context, key string) (kv.Entry, bool, error) {
			en, ok, err := b.lively.Entry(ctx, key)
			en.Version = ""
			return en, ok, err
		}
	}},
	{"yields entries in any order", []string{"EntriesOrder"}, func(b *bent) {
		b.entries = func(ctx context.Context, prefix, after string) iter.Seq2[kv.Entry, error] {
			return func(yield func(kv.Entry, error) bool) {
				var all []kv.Entry
				for en := range b.lively.Entries(ctx, prefix, after) {
					all = append(all, en)
				}
				for _, en := range slices.Backward(all) {
					if !yield(en, nil) {
						return
					}
				}
			}
		}
	}},
	{"begins a page with the last key of the one before", []string{"EntriesPaging"}, func(b *bent) {
		b.entries = func(ctx context.Context, prefix, after string) iter.Seq2[kv.Entry, error] {
			if after != "" {
				after = after[:len(after)-1]
			}
			return b.lively.Entries(ctx, prefix, after)
		}
	}},
	{"goes on after a break", []string{"IterBreak"}, func(b *bent) {
		b.entries = func(ctx context.Context, prefix, after string) iter.Seq2[kv.Entry, error] {
			return func(yield func(kv.Entry, error) bool) {
				for en, err := range b.lively.Entries(ctx, prefix, after) {
					yield(en, err)
				}
			}
		}
	}},
	{"says the time of the question as that of the write", []string{"LastUpdateTime"}, func(b *bent) {
		b.updated = nowAlways
	}},
}

// once returns one container per version, as a careless cache does.
func (b *bent) once(en kv.Entry) any {
	b.mu.Lock()
	defer b.mu.Unlock()
	if v, ok := b.kept[en.Version]; ok {
		return v
	}
	b.kept[en.Version] = en.Value
	return en.Value
}
