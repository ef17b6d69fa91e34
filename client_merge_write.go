package starling

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/tree"
	"github.com/starlingkv/starling/kv"
)

// sight is what a CAS has seen: a Root, and up to which of its own writes the
// node had come.
type sight struct {
	root  *engine.Root
	key   string
	self  cell.Origin
	until uint64
}

// see takes a sight.
func (m *merger) see(key string) sight {
	m.node.mu.Lock()
	s := sight{root: m.node.engine.Root(), key: key, self: m.node.engine.Origin()}
	m.node.mu.Unlock()
	if seen, _ := s.root.Ctx.Seen(s.self); len(seen) > 0 {
		last := seen[len(seen)-1]
		s.until = last.From + last.Len - 1
	}
	return s
}

// holds reports kv.ErrConflict if a write of this node has come to the key since,
// or one of anybody to an address that is watched. Whatever else came is joined.
func (s sight) holds(now *engine.Root, watched []string) error {
	if now.Tree.Same(s.root.Tree) {
		return nil
	}
	lo, hi := cell.KeyRange(s.key)
	for was, is := range tree.Diff(s.root.Tree, now.Tree, lo, hi) {
		if is != nil && s.wrote(is) {
			return kv.ErrConflict
		}
		if visibly(was, is) && begins(watched, was, is) {
			return kv.ErrConflict
		}
	}
	return nil
}

// wrote reports whether the node has written a cell, or one below it, since. A
// cell that came from elsewhere names what it replaced; what it displaced
// without knowing stands beside it.
func (s sight) wrote(c *cell.Stored) bool {
	d := c.Dot()
	if d.O == s.self && d.N > s.until {
		return true
	}
	for _, runs := range [][]cell.Run{c.PrevRuns(), c.Under()} {
		for _, r := range runs {
			if r.O == s.self && r.From+r.Len-1 > s.until {
				return true
			}
		}
	}
	return false
}

// visibly reports whether a reader can tell two cells of an address apart.
func visibly(was, is *cell.Stored) bool {
	a, b := was != nil && was.Visible(), is != nil && is.Visible()
	return a != b || a && b && was.Dot() != is.Dot()
}

func begins(watched []string, was, is *cell.Stored) bool {
	if is == nil {
		is = was
	}
	for _, prefix := range watched {
		if strings.HasPrefix(string(is.Addr), prefix) {
			return true
		}
	}
	return false
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
		in, err := m.kind.View(seen.root.Tree, key)
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
		plan, err := m.kind.Plan(crdt.Intent{Read: seen.root.Tree, Key: key, Out: out, Self: seen.self, Term: term})
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
func (m *merger) swap(ctx context.Context, seen sight, plan crdt.Plan, ttl time.Duration) (kv.Outcome, error) {
	if len(plan.Edits) == 0 {
		return kv.CASKept, nil
	}
	if err := fits(plan); err != nil {
		return kv.CASFailed, err
	}
	_, err := m.node.write(ctx, func(physicalMS int64) engine.Tx {
		return engine.Tx{
			Check: func(r *engine.Root) error {
				if m.node.engine.Origin() != seen.self {
					return kv.ErrConflict // its own cells are those of another now
				}
				return seen.holds(r, plan.Watched)
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
	present, whose := m.look(seen.root, key)
	switch {
	case !w.Admits(present.Version):
		return "", kv.ErrConflict
	case whose == another || whose == ours && present.Codec != m.kind.ID():
		_, err := opened(present)
		return "", err
	}
	plan, err := m.kind.Plan(crdt.Intent{Read: seen.root.Tree, Key: key, Out: v, Self: seen.self, Term: w.term, Scope: crdt.All})
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
func (m *merger) admits(now *engine.Root, seen sight, plan crdt.Plan, w puts) error {
	lo, hi := cell.KeyRange(seen.key)
	if _, conditional := w.Expected(); conditional && !w.Admits(versionOf(now.Tree.AggOf(lo, hi))) {
		return kv.ErrConflict
	}
	if m.node.engine.Origin() != seen.self || seen.holds(now, plan.Watched) != nil {
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
