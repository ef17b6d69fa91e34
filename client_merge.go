package starling

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/kv"
)

// merger is the face of kinds whose values are read and written cell by cell: a
// read costs what is looked at, a write what has changed. Of its entries Size is
// not known, Updated and Origin are those of the change that came last, and
// Expires is when the first of the value goes.
type merger struct {
	node *Node
	kind crdt.Merging
	kit  *kv.Kit
}

func newMerger(n *Node, kind crdt.Merging) *merger {
	return &merger{node: n, kind: kind, kit: &kv.Kit{Log: n.log}}
}

// Capabilities is part of kv.Capable.
func (m *merger) Capabilities() kv.Capabilities { return capabilities }

// Stats is part of kv.Counted.
func (m *merger) Stats() kv.Stats { return m.kit.Stats() }

// readable reports why a key cannot be read now.
func (m *merger) readable(ctx context.Context, key string) error {
	if err := kv.CheckKey(key); err != nil {
		return err
	}
	if err := kv.Ended(ctx); err != nil {
		return err
	}
	return m.node.usable()
}

// Get is part of kv.Client.
func (m *merger) Get(ctx context.Context, key string) (any, error) {
	if err := m.readable(ctx, key); err != nil {
		return nil, kv.Wrap("get", key, err)
	}
	v, err := m.kind.View(m.node.engine.Root().Tree, key)
	if err != nil {
		return nil, kv.Wrap("get", key, err)
	}
	return v, nil
}

// List is part of kv.Client.
func (m *merger) List(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	err := kv.Ended(ctx)
	if err == nil {
		err = m.node.usable()
	}
	if err != nil {
		return nil, kv.Wrap("list", prefix, err)
	}
	lo, hi := cell.PrefixRange(prefix)
	for e, whose := range m.keys(m.node.engine.Root(), lo, hi) {
		if err := kv.Ended(ctx); err != nil {
			return nil, kv.Wrap("list", prefix, err)
		}
		if whose == ours {
			keys = append(keys, e.Key)
		}
	}
	return keys, nil
}

// Entry is part of kv.Versioned.
func (m *merger) Entry(ctx context.Context, key string) (kv.Entry, bool, error) {
	if err := m.readable(ctx, key); err != nil {
		return kv.Entry{}, false, kv.Wrap("entry", key, err)
	}
	e, whose := m.look(m.node.engine.Root(), key)
	if whose == absent {
		return kv.Entry{}, false, nil
	}
	e, err := opened(e)
	return e, true, kv.Wrap("entry", key, err)
}

// Entries is part of kv.Versioned.
func (m *merger) Entries(ctx context.Context, prefix, after string, opts ...kv.EntriesOption) iter.Seq2[kv.Entry, error] {
	return func(yield func(kv.Entry, error) bool) {
		fail := func(err error) bool {
			return err != nil && (yield(kv.Entry{}, kv.Wrap("entries", prefix, err)) || true)
		}
		if fail(kv.Ended(ctx)) || fail(m.node.usable()) {
			return
		}
		sel := kv.EntriesSelection(prefix, after, opts...)
		lo, hi := bounds(sel)
		for e, whose := range m.keys(m.node.engine.Root(), lo, hi) {
			if fail(kv.Ended(ctx)) {
				return
			}
			e, err := shown(e, sel)
			if whose == ours && !yield(e, kv.Wrap("entries", e.Key, err)) {
				return
			}
		}
	}
}

// LastUpdateTime is part of Client.
func (m *merger) LastUpdateTime(key string) time.Time {
	e, _, err := m.Entry(context.Background(), key)
	if err != nil && !errors.Is(err, kv.ErrDecode) && !errors.Is(err, kv.ErrType) {
		return time.Time{}
	}
	return e.Updated
}

// unread is the value of an entry that cannot be shown.
type unread struct {
	raw kv.Raw
	err error
}

// shown is an entry as a selection asks for it.
func shown(e kv.Entry, sel kv.Selection) (kv.Entry, error) {
	if sel.NoValues {
		e.Value = nil
		return e, nil
	}
	return opened(e)
}

// opened is an entry with its value, or with the bytes of one of its cells and
// why that is all.
func opened(e kv.Entry) (kv.Entry, error) {
	u, bad := e.Value.(unread)
	if !bad {
		return e, nil
	}
	e.Value = u.raw
	return e, u.err
}

// look is part of source.
func (m *merger) look(r *engine.Root, key string) (kv.Entry, belongs) {
	lo, hi := cell.KeyRange(key)
	v, err := m.kind.View(r.Tree, key)
	if v == nil && err == nil {
		return kv.Entry{Key: key}, absent
	}
	agg := r.Tree.AggOf(lo, hi)
	last, _ := r.Tree.Newest(lo, hi)
	e := kv.Entry{
		Key: key, Value: v, Codec: m.kind.ID(),
		Version: version(agg.FPLive),
		Updated: time.UnixMilli(last.Ver.T.Milli()),
		Origin:  m.node.nameOf(last.Dot().O),
	}
	if agg.MinExp != 0 {
		e.Expires = time.UnixMilli(agg.MinExp)
	}
	if err == nil {
		return e, ours
	}
	whose := another
	shown, ok := r.Tree.FirstLive(lo + string(rune(m.kind.Class())))
	if ok && shown.Addr.Key() == key && shown.Class == m.kind.Class() {
		whose = ours
	} else {
		shown, _ = r.Tree.FirstLive(lo)
	}
	e.Codec, e.Value, e.Size = shown.Codec, unread{shown.Body, err}, len(shown.Body)
	return e, whose
}

// keys is part of source.
func (m *merger) keys(r *engine.Root, lo, hi string) iter.Seq2[kv.Entry, belongs] {
	return keysBy(m, r, lo, hi)
}

// keysBy yields the keys in a range of addresses as a source looks at them. Of
// each key it visits no more than it must.
func keysBy(of source, r *engine.Root, lo, hi string) iter.Seq2[kv.Entry, belongs] {
	return func(yield func(kv.Entry, belongs) bool) {
		for {
			c, ok := r.Tree.FirstLive(lo)
			if !ok || hi != "" && string(c.Addr) >= hi {
				return
			}
			key := strings.Clone(c.Addr.Key())
			e, whose := of.look(r, key)
			if whose != absent && !yield(e, whose) {
				return
			}
			_, lo = cell.KeyRange(key)
		}
	}
}
