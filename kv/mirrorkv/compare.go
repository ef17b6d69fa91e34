package mirrorkv

import (
	"context"
	"iter"

	"github.com/starlingkv/starling/kv"
)

// Kind says how a key differs between two stores.
type Kind int

// The kinds of differences.
const (
	Missing Kind = iota + 1 // at the source only
	Extra                   // at the target only
	Differs                 // other bytes
)

// String returns missing, extra or differs.
func (k Kind) String() string {
	switch k {
	case Missing:
		return "missing"
	case Extra:
		return "extra"
	case Differs:
		return "differs"
	}
	return "unknown"
}

// Difference is a key that is not the same in two stores. The version of a side that lacks the key is empty.
type Difference struct {
	Key      string
	Kind     Kind
	From, To string // versions
}

// compared is one key seen by a comparison; Kind is zero if both sides have the same bytes.
type compared struct {
	Difference
	size int // bytes at the source
}

// Compare yields the keys with the prefix, greater than after, that differ between two stores, in key order: by the bytes
// of their values; when a value was written, by whom and until when it lives is not compared. It reads both stores once,
// side by side, and holds one entry of each. An error beside a Difference without a key is the last pair.
//
// A key that differs is looked at once more before it is yielded, because a write may have been on its way.
func Compare(ctx context.Context, codec kv.Codec, from, to kv.Client, sel kv.Selection) iter.Seq2[Difference, error] {
	return func(yield func(Difference, error) bool) {
		p, err := pairOf(codec, from, to)
		if err != nil {
			yield(Difference{}, err)
			return
		}
		for d, err := range p.differences(ctx, sel) {
			if (err != nil || d.Kind != 0) && !yield(d, err) {
				return
			}
		}
	}
}

// differences yields every key of both sides, also the equal ones, those that differ looked at once more. An error is the
// last pair.
func (p pair) differences(ctx context.Context, sel kv.Selection) iter.Seq2[Difference, error] {
	return func(yield func(Difference, error) bool) {
		for c, err := range p.compare(ctx, sel.Prefix, sel.After) {
			d := c.Difference
			if err == nil && d.Kind != 0 {
				d, err = p.again(ctx, d.Key)
			}
			if err != nil {
				yield(Difference{}, err)
				return
			}
			if !yield(d, nil) {
				return
			}
		}
	}
}

func pairOf(codec kv.Codec, from, to kv.Client) (p pair, err error) {
	p.codec = codec
	if p.from, err = sideOf(from); err == nil {
		p.to, err = sideOf(to)
	}
	return p, err
}

// compare yields every key of both sides.
func (p pair) compare(ctx context.Context, prefix, after string) iter.Seq2[compared, error] {
	return func(yield func(compared, error) bool) {
		from, stopFrom := walk(p.from.Entries(ctx, prefix, after))
		defer stopFrom()
		to, stopTo := walk(p.to.Entries(ctx, prefix, after))
		defer stopTo()
		here, there := from(), to()
		for here.entry.Key != "" || there.entry.Key != "" {
			if here.err != nil || there.err != nil {
				break
			}
			var c compared
			switch {
			case there.entry.Key == "" || (here.entry.Key != "" && here.entry.Key < there.entry.Key):
				c = compared{Difference{Key: here.entry.Key, Kind: Missing, From: here.entry.Version}, here.entry.Size}
				here = from()
			case here.entry.Key == "" || there.entry.Key < here.entry.Key:
				c = compared{Difference{Key: there.entry.Key, Kind: Extra, To: there.entry.Version}, 0}
				there = to()
			default:
				c = compared{Difference{Key: here.entry.Key, From: here.entry.Version, To: there.entry.Version}, here.entry.Size}
				if !p.equal(here.entry, there.entry) {
					c.Kind = Differs
				}
				here, there = from(), to()
			}
			if !yield(c, nil) {
				return
			}
		}
		for _, s := range []step{here, there} {
			if s.err != nil {
				yield(compared{}, s.err)
				return
			}
		}
	}
}

// step is what a walk over entries has come to: an entry, the end (no key), or an error (no key).
type step struct {
	entry kv.Entry
	err   error
}

// walk makes steps of a sequence of entries. That one does not decode is no error here: its raw bytes are compared.
func walk(entries iter.Seq2[kv.Entry, error]) (next func() step, stop func()) {
	pull, stop := iter.Pull2(entries)
	return func() step {
		e, err, ok := pull()
		if !ok {
			return step{}
		}
		if e.Key == "" {
			return step{err: err}
		}
		return step{entry: e}
	}, stop
}
