package starling

import (
	"context"
	"iter"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/memo"
	"github.com/starlingkv/starling/kv"
)

// Raw returns a client that sees the keys of every kind, for tools and pages. A
// value is bytes: that of a register as it is stored, one that merges as the
// codec of its kind writes it whole, by Options.Kinds if it stands there, else by
// crdt.RawKind. Entry.Codec names which. What is not of kv.Bytes comes as kv.Raw
// with kv.ErrType beside it; what is written is a register of kv.Bytes.
func (n *Node) Raw() *Client {
	s := &every{&store{node: n, kind: crdt.Register(kv.Bytes)}, kindsByID(n.opts.Kinds), memo.New(maxWhole)}
	return n.track(&Client{flat{kv.NewBase(s, kv.Bytes, n.log), n}})
}

func kindsByID(kinds []crdt.Kind) map[string]crdt.Merging {
	by := make(map[string]crdt.Merging)
	for _, k := range kinds {
		if m, merges := k.(crdt.Merging); merges {
			by[k.ID()] = m
		}
	}
	return by
}

// every is the engine as kv.Base wants it, for keys of every kind. It writes as
// the store of registers does, which knows a key of another kind as such.
type every struct {
	*store
	kinds map[string]crdt.Merging
	whole *memo.Memo // what values that merge are written as
}

// maxWhole bounds what is kept of that, in bytes: two of the largest.
const maxWhole = 2 * kv.MaxValue

// Load is part of kv.Backend.
func (v *every) Load(ctx context.Context, key string) (kv.Entry, error) {
	if _, err := v.store.Load(ctx, key); err != nil {
		return kv.Entry{}, err // it waits, where it must
	}
	e, _ := v.look(v.node.engine.Root(), key)
	return e, nil
}

// Scan is part of kv.Backend. It sees one moment, however long it takes.
func (v *every) Scan(ctx context.Context, sel kv.Selection) iter.Seq2[kv.Entry, error] {
	return func(yield func(kv.Entry, error) bool) {
		if err := v.node.usable(); err != nil {
			yield(kv.Entry{}, err)
			return
		}
		lo, hi := bounds(sel)
		for e := range v.sees(sel).keys(v.node.engine.Root(), lo, hi) {
			if err := kv.Ended(ctx); err != nil {
				yield(kv.Entry{}, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Feed is part of kv.Backend.
func (v *every) Feed(ctx context.Context, sel kv.Selection) iter.Seq2[kv.Event, error] {
	return v.node.feed(ctx, sel, v.sees(sel))
}

// sees is what of the keys a selection looks at.
func (v *every) sees(sel kv.Selection) source {
	if sel.NoValues {
		return facts{v}
	}
	return v
}

// look is part of source.
func (v *every) look(r *engine.Root, key string) (kv.Entry, belongs) {
	lo, _ := cell.KeyRange(key)
	first, ok := r.Tree.FirstLive(lo)
	if !ok || first.Addr.Key() != key {
		return kv.Entry{Key: key}, absent
	}
	if kinds := v.known(first); len(kinds) > 0 {
		e := v.complete(r, kv.Entry{Key: key, Codec: first.Codec})
		// Whoever watches this key wants the same: it is made once per version.
		if body := v.whole.Get(key+"\x00"+e.Version, func() []byte { return whole(kinds, r, key) }); body != nil {
			e.Value, e.Size = kv.Raw(body), len(body)
			return e, ours
		}
	}
	e, _ := v.store.look(r, key)
	return e, ours
}

// facts is every for those who want no values: one that merges, and its size,
// would cost what it is large.
type facts struct{ *every }

// look is part of source.
func (v facts) look(r *engine.Root, key string) (kv.Entry, belongs) {
	lo, _ := cell.KeyRange(key)
	first, ok := r.Tree.FirstLive(lo)
	switch {
	case !ok || first.Addr.Key() != key:
		return kv.Entry{Key: key}, absent
	case len(v.known(first)) > 0:
		return v.complete(r, kv.Entry{Key: key, Codec: first.Codec}), ours
	}
	e, _ := v.store.look(r, key)
	return e, ours
}

// keys is part of source.
func (v facts) keys(r *engine.Root, lo, hi string) iter.Seq2[kv.Entry, belongs] {
	return keysBy(v, r, lo, hi)
}

// known lists the kinds that may tell what a cell is of, the better one first.
func (v *every) known(c *cell.Stored) []crdt.Merging {
	var kinds []crdt.Merging
	if k := v.kinds[c.Codec]; k != nil && k.Class() == c.Class {
		kinds = append(kinds, k)
	}
	if k, ok := crdt.RawKind(c.Codec); ok && k.Class() == c.Class {
		kinds = append(kinds, k)
	}
	return kinds
}

// whole is the value of a key as one of its kinds writes it, nil if none can.
func whole(kinds []crdt.Merging, r *engine.Root, key string) []byte {
	for _, kind := range kinds {
		value, err := kind.View(r.Tree, key)
		if err != nil || value == nil {
			continue
		}
		if body, err := kv.EncodeWith(kind.Codec(), value); err == nil {
			return body
		}
	}
	return nil
}

// complete adds what is known of a key by its cells.
func (v *every) complete(r *engine.Root, e kv.Entry) kv.Entry {
	lo, hi := cell.KeyRange(e.Key)
	agg := r.Tree.AggOf(lo, hi)
	last, _ := r.Tree.Newest(lo, hi)
	e.Version = version(agg.FPLive)
	e.Updated = time.UnixMilli(last.Ver.T.Milli())
	e.Origin = v.node.nameOf(last.Dot().O)
	if agg.MinExp != 0 {
		e.Expires = time.UnixMilli(agg.MinExp)
	}
	return e
}

// keys is part of source.
func (v *every) keys(r *engine.Root, lo, hi string) iter.Seq2[kv.Entry, belongs] {
	return keysBy(v, r, lo, hi)
}
