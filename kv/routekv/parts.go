package routekv

import (
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/starlingkv/starling/kv"
)

// part is what one route has of a prefix: the keys of client that begin with prefix and belong to the route.
type part struct {
	kv.Client
	prefix string
	owns   func(key string) bool
}

// parts are the routes that can have keys with the prefix.
func (c *Client) parts(prefix string) []part {
	var ps []part
	for i, r := range c.routes {
		p := part{Client: r.Client, owns: func(key string) bool { return c.owner(key) == i }}
		switch {
		case strings.HasPrefix(r.Prefix, prefix) && len(r.Prefix) > len(prefix):
			p.prefix = r.Prefix
			ps = append(ps, p)
		case strings.HasPrefix(prefix, r.Prefix):
			// The longest of these has all the rest: a shorter one has no key here.
			p.prefix = prefix
			return append(ps, p)
		}
	}
	return ps
}

// List is part of [kv.Client].
func (c *Client) List(ctx context.Context, prefix string) ([]string, error) {
	ps := c.parts(prefix)
	if len(ps) == 1 {
		return ps[0].List(ctx, prefix)
	}
	seqs := make([]iter.Seq2[string, error], 0, len(ps))
	for _, p := range ps {
		keys, err := p.List(ctx, p.prefix)
		if err != nil {
			return nil, about(prefix, err)
		}
		seqs = append(seqs, p.own(keys))
	}
	var all []string
	for key := range merge(seqs, func(key string) string { return key }) {
		all = append(all, key)
	}
	return all, nil
}

// own yields the keys that belong to the part.
func (p part) own(keys []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, key := range keys {
			if p.owns(key) && !yield(key, nil) {
				return
			}
		}
	}
}

// Entries is part of [kv.Versioned].
func (c *Client) Entries(ctx context.Context, prefix, after string, opts ...kv.EntriesOption) iter.Seq2[kv.Entry, error] {
	ps := c.parts(prefix)
	if len(ps) == 1 {
		return as[kv.Versioned](ps[0].Client).Entries(ctx, prefix, after, opts...)
	}
	seqs := make([]iter.Seq2[kv.Entry, error], 0, len(ps))
	for _, p := range ps {
		seqs = append(seqs, p.entries(ctx, after, opts))
	}
	return func(yield func(kv.Entry, error) bool) {
		for e, err := range merge(seqs, func(e kv.Entry) string { return e.Key }) {
			if e.Key == "" {
				err = about(prefix, err)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// about names in the error of a part the prefix that was asked for, where the part was asked for its own.
func about(prefix string, err error) error {
	var e *kv.Error
	if !errors.As(err, &e) {
		return err
	}
	return kv.Wrap(e.Op, prefix, e.Err)
}

// entries yields the entries that belong to the part; an error without a key always does.
func (p part) entries(ctx context.Context, after string, opts []kv.EntriesOption) iter.Seq2[kv.Entry, error] {
	return func(yield func(kv.Entry, error) bool) {
		for e, err := range as[kv.Versioned](p.Client).Entries(ctx, p.prefix, after, opts...) {
			if (e.Key == "" || p.owns(e.Key)) && !yield(e, err) {
				return
			}
		}
	}
}

// merge yields the items of sequences that are each in key order, in key order. An item without a key, which is an
// error, comes at once and is the last.
func merge[T any](seqs []iter.Seq2[T, error], key func(T) string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		heads := make([]head[T], 0, len(seqs))
		for _, seq := range seqs {
			next, stop := iter.Pull2(seq)
			defer stop()
			h := head[T]{next: next}
			switch {
			case !h.advance():
			case key(h.item) == "":
				yield(h.item, h.err)
				return // the other sequences may have nothing to say for long
			default:
				heads = append(heads, h)
			}
		}
		for len(heads) > 0 {
			least := 0
			for i := range heads {
				if key(heads[i].item) < key(heads[least].item) {
					least = i
				}
			}
			h := &heads[least]
			if !yield(h.item, h.err) || key(h.item) == "" {
				return
			}
			if !h.advance() {
				heads = append(heads[:least], heads[least+1:]...)
			}
		}
	}
}

// head is a sequence and its present item.
type head[T any] struct {
	next func() (T, error, bool)
	item T
	err  error
}

// advance reports whether there is a further item.
func (h *head[T]) advance() (ok bool) {
	h.item, h.err, ok = h.next()
	return ok
}
