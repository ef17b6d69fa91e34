package starling

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/kv"
)

// Raw returns a client that sees the keys of every kind, for tools and pages. A
// value is bytes: that of a register as it is stored, one that merges as the
// codec of its kind writes it whole, by Options.Kinds if it stands there, else by
// crdt.RawKind. Entry.Codec names which. What is not of kv.Bytes comes as kv.Raw
// with kv.ErrType beside it; what is written is a register of kv.Bytes.
func (n *Node) Raw() *Client {
	s := &every{&store{node: n, kind: crdt.Register(kv.Bytes)}, kindsByID(n.opts.Kinds)}
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
}

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
		for e := range v.keys(v.node.engine.Root(), lo, hi) {
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
	return v.node.feed(ctx, sel, v)
}

// look is part of source.
func (v *every) look(r *engine.Root, key string) (kv.Entry, belongs) {
	lo, _ := cell.KeyRange(key)
	first, ok := r.Tree.FirstLive(lo)
	if !ok || first.Addr.Key() != key {
		return kv.Entry{Key: key}, absent
	}
	for _, kind := range v.known(first) {
		if body, err := whole(kind, r, key); err == nil {
			return v.complete(r, kv.Entry{Key: key, Value: kv.Raw(body), Codec: kind.ID(), Size: len(body)}), ours
		}
	}
	e, _ := v.store.look(r, key)
	return e, ours
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

// whole is the value of a key as its kind writes it.
func whole(kind crdt.Merging, r *engine.Root, key string) ([]byte, error) {
	value, err := kind.View(r.Tree, key)
	if err != nil {
		return nil, err
	}
	if value == nil {
		return nil, fmt.Errorf("%w: nothing to be seen", kv.ErrDecode)
	}
	return kv.EncodeWith(kind.Codec(), value)
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
	return func(yield func(kv.Entry, belongs) bool) {
		for {
			c, ok := r.Tree.FirstLive(lo)
			if !ok || hi != "" && string(c.Addr) >= hi {
				return
			}
			key := strings.Clone(c.Addr.Key())
			if e, whose := v.look(r, key); whose != absent && !yield(e, whose) {
				return
			}
			_, lo = cell.KeyRange(key)
		}
	}
}
