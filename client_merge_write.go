package starling

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/tree"
	"github.com/starlingkv/starling/kv"
)

// see takes a sight of a key.
func (m *merger) see(key string) engine.Sight {
	m.node.mu.Lock()
	root, self := m.node.engine.Root(), m.node.engine.Origin()
	m.node.mu.Unlock()
	return engine.SightOf(root, self, key)
}

// CAS is part of kv.Client. A write conflicts with one of this node to the same
// key, and with a change of a field or element that it writes itself; other
// changes that came meanwhile are joined.
func (m *merger) CAS(ctx context.Context, key string, f func(in any) (out any, retry bool, err error)) error {
	ttl, leased := kv.TTLFrom(ctx)
	term := crdt.Sparing
	if leased {
		term = crdt.Leased
	}
	return m.kit.Retry(ctx, key, func() (kv.Outcome, error) {
		if err := m.node.awaitWritable(ctx); err != nil {
			return kv.CASFailed, err
		}
		if err := m.node.usable(); err != nil {
			return kv.CASFailed, err
		}
		seen := m.see(key)
		in, err := m.kind.View(seen.Root().Tree, key)
		if err != nil {
			return kv.CASFailed, err
		}
		out, retry, err := f(in)
		switch {
		case err != nil && retry:
			return kv.CASLost, err
		case err != nil:
			return kv.CASFailed, err
		case out == nil:
			return kv.CASKept, nil
		}
		plan, err := m.kind.Plan(crdt.Intent{Read: seen.Root().Tree, Key: key, Out: out, Self: seen.Self(), Term: term})
		switch {
		case errors.Is(err, kv.ErrNoChange):
			return kv.CASNoChange, nil
		case err != nil:
			return kv.CASFailed, err
		}
		return m.swap(ctx, seen, plan, ttl)
	})
}

// swap writes a plan, unless it has lost a race.
func (m *merger) swap(ctx context.Context, seen engine.Sight, plan crdt.Plan, ttl time.Duration) (kv.Outcome, error) {
	if len(plan.Edits) == 0 {
		return kv.CASKept, nil
	}
	if err := fits(plan); err != nil {
		return kv.CASFailed, err
	}
	_, err := m.node.write(ctx, func(physicalMS int64) engine.Tx {
		return engine.Tx{
			Check: func(r *engine.Root) error {
				// Of another origin its own cells are those of another now.
				if m.node.engine.Origin() != seen.Self() || seen.Lost(r, plan.Watched) {
					return kv.ErrConflict
				}
				return nil
			},
			Writes: writesOf(plan, expiry(physicalMS, ttl)),
		}
	})
	switch {
	case errors.Is(err, kv.ErrConflict):
		return kv.CASLost, nil
	case err != nil:
		return kv.CASFailed, err
	}
	return kv.CASWritten, nil
}

// fits reports kv.ErrTooLarge if a cell would be larger than the store takes.
func fits(plan crdt.Plan) error {
	for _, e := range plan.Edits {
		if len(e.Body) > kv.MaxValue {
			return fmt.Errorf("%w: %d bytes in one cell, at most %d", kv.ErrTooLarge, len(e.Body), kv.MaxValue)
		}
	}
	return nil
}

// writesOf turns a plan into writes.
func writesOf(plan crdt.Plan, exp int64) []engine.Write {
	out := make([]engine.Write, len(plan.Edits))
	for i, e := range plan.Edits {
		out[i] = engine.Write{Addr: e.Addr, Codec: e.Codec, Body: e.Body, Tomb: e.Tomb, Observed: e.Observed, Born: e.Born, Place: e.Place}
		if !e.Tomb {
			out[i].Exp = exp
		}
	}
	return out
}

// Put is part of kv.Versioned. It replaces the whole value: fields and elements
// that v does not have are removed.
func (m *merger) Put(ctx context.Context, key string, v any, opts ...kv.PutOption) (version string, err error) {
	w := kv.PutWrite(ctx, opts...)
	term := crdt.Lasting
	if w.TTL > 0 {
		term = crdt.Leased
	}
	err = m.readable(ctx, key)
	if err == nil && w.Media != "" {
		err = fmt.Errorf("%w: a value that merges has no media type", kv.ErrUnsupported)
	}
	for try := true; try && err == nil; {
		version, err = m.put(ctx, key, v, puts{w, term})
		// Without a condition it has the last word, however often it is overtaken.
		if try = errors.Is(err, errOvertaken); try {
			err = kv.Ended(ctx)
		}
	}
	return version, kv.Wrap("put", key, err)
}

// puts is how a Put writes.
type puts struct {
	kv.Write
	term crdt.Term
}

// errOvertaken ends a try of Put that another write came before.
var errOvertaken = errors.New("overtaken")

func (m *merger) put(ctx context.Context, key string, v any, w puts) (version string, err error) {
	if err := m.node.awaitWritable(ctx); err != nil {
		return "", err
	}
	seen := m.see(key)
	present, whose := m.look(seen.Root(), key)
	switch {
	case !w.Admits(present.Version):
		return "", kv.ErrConflict
	case whose == another || whose == ours && present.Codec != m.kind.ID():
		_, err := opened(present)
		return "", err
	}
	plan, err := m.kind.Plan(crdt.Intent{Read: seen.Root().Tree, Key: key, Out: v, Self: seen.Self(), Term: w.term, Scope: crdt.All})
	if err == nil {
		err = fits(plan)
	}
	if err != nil || len(plan.Edits) == 0 {
		return present.Version, err
	}
	fx, err := m.node.write(ctx, func(physicalMS int64) engine.Tx {
		return engine.Tx{
			Check:  func(r *engine.Root) error { return m.admits(r, seen, plan, w) },
			Writes: writesOf(plan, expiry(physicalMS, w.TTL)),
		}
	})
	if err != nil {
		return "", err
	}
	stored, _ := m.look(fx.Root, key)
	return stored.Version, nil
}

// admits reports whether a Put may happen on a Root.
func (m *merger) admits(now *engine.Root, seen engine.Sight, plan crdt.Plan, w puts) error {
	lo, hi := cell.KeyRange(seen.Key())
	if _, conditional := w.Expected(); conditional && !w.Admits(versionOf(now.Tree.AggOf(lo, hi))) {
		return kv.ErrConflict
	}
	if m.node.engine.Origin() != seen.Self() || seen.Lost(now, plan.Watched) {
		return errOvertaken
	}
	return nil
}

// versionOf is the version of the key that an aggregate is of.
func versionOf(a tree.Agg) string {
	if a.Live == 0 {
		return ""
	}
	return version(a.FPLive)
}

// Delete is part of kv.Client.
func (m *merger) Delete(ctx context.Context, key string) error {
	return kv.Wrap("delete", key, m.drop(ctx, key, kv.RemoveWrite()))
}

// Remove is part of kv.Versioned.
func (m *merger) Remove(ctx context.Context, key string, opts ...kv.RemoveOption) error {
	return kv.Wrap("remove", key, m.drop(ctx, key, kv.RemoveWrite(opts...)))
}

func (m *merger) drop(ctx context.Context, key string, w kv.Write) error {
	if err := m.readable(ctx, key); err != nil {
		return err
	}
	lo, hi := cell.KeyRange(key)
	floor := m.node.floorOf(key)
	_, err := m.node.write(ctx, func(int64) engine.Tx {
		return engine.Tx{
			Check: func(r *engine.Root) error {
				agg := r.Tree.AggOf(lo, hi)
				switch {
				case agg.Live == 0:
					return errNothing
				case !w.Admits(versionOf(agg)):
					return kv.ErrConflict
				}
				return nil
			},
			Writes: []engine.Write{floor},
		}
	})
	if errors.Is(err, errNothing) {
		return nil
	}
	return err
}
