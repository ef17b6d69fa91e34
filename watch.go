package starling

import (
	"context"
	"iter"
	"sync"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/tree"
	"github.com/starlingkv/starling/kv"
)

// hub wakes the watchers whose addresses have changed. Waking is all it does:
// what has changed a watcher reads from two Roots.
type hub struct {
	mu       sync.Mutex // guards watchers
	watchers engine.Prefixes[slot]
}

// slot is how a watcher is woken. It has room for one, so that a watcher can be
// as slow as it likes.
type slot chan struct{}

// add has the slot poked for every address with the prefix, until remove.
func (h *hub) add(prefix string) (s slot, remove func()) {
	s = make(slot, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	handle := h.watchers.Add(prefix, s)
	return s, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.watchers.Remove(handle)
	}
}

// wakeAll wakes every watcher: the node has ended.
func (h *hub) wakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watchers.All(func(s slot) { poke(s) })
}

// touched wakes who watches one of the addresses.
func (h *hub) touched(addrs []cell.Addr) {
	if len(addrs) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range addrs {
		h.watchers.Touched(string(a), func(s slot) { poke(s) })
	}
}

const (
	// maxLag is how many changes a watcher may be behind before it is told the
	// state anew, or a quarter of the cells if that is more.
	maxLag = 100_000
	// lagPart is that quarter.
	lagPart = 4
)

// Feed is part of kv.Backend.
func (s *store) Feed(ctx context.Context, sel kv.Selection) iter.Seq2[kv.Event, error] {
	return s.node.feed(ctx, sel, s)
}

// source reads keys of one kind from Roots.
type source interface {
	// look reads one key.
	look(r *engine.Root, key string) (kv.Entry, belongs)
	// keys yields the keys in a range of addresses that have a value, in order.
	keys(r *engine.Root, lo, hi string) iter.Seq2[kv.Entry, belongs]
}

// feed tells the present values, Synced, then what differs between the Root told
// last and the present one, whenever something has.
func (n *Node) feed(ctx context.Context, sel kv.Selection, of source) iter.Seq2[kv.Event, error] {
	return func(yield func(kv.Event, error) bool) {
		lo, hi := bounds(sel)
		prefix := sel.Prefix
		if sel.Key != "" {
			prefix = lo // of a key's addresses that is their common beginning
		}
		woken, remove := n.hub.add(prefix)
		defer remove()
		t := teller{of: of, only: sel.Key, lo: lo, hi: hi, yield: yield}
		if err := n.usable(); err != nil {
			yield(kv.Event{}, err)
			return
		}
		if !t.whole(n.engine.Root()) {
			return
		}
		stop := context.AfterFunc(ctx, func() { poke(woken) })
		defer stop()
		for {
			// Of what may end the watch it is told through its own slot too: to wait
			// for channels that all watchers share costs as much as all else here.
			<-woken
			if err := n.ended(ctx); err != nil {
				yield(kv.Event{}, err)
				return
			}
			if !t.advance(n.engine.Root()) {
				return
			}
		}
	}
}

// ended returns why a watch has ended, if it has.
func (n *Node) ended(ctx context.Context) error {
	if err := n.usable(); err != nil {
		return err
	}
	return kv.Ended(ctx)
}

// teller tells one watcher, Root by Root.
type teller struct {
	of     source
	only   string // the key, if it is one
	fp     [2]uint64
	lo, hi string
	yield  func(kv.Event, error) bool
	told   *engine.Root
}

// put tells a value. A source that did not look for its version needs none, but
// of one key it is known.
func (t *teller) put(e kv.Entry) bool {
	if t.only != "" && e.Version == "" {
		e.Version = version(t.fp)
	}
	return t.yield(kv.Event{Kind: kv.Put, Entry: e}, nil)
}

// whole tells the whole state. It reports false when the watcher has enough.
func (t *teller) whole(r *engine.Root) bool {
	if t.only != "" {
		t.fp = r.Tree.AggOf(t.lo, t.hi).FPLive
	}
	for e, whose := range t.of.keys(r, t.lo, t.hi) {
		if whose == ours && !t.put(e) {
			return false
		}
	}
	t.told = r
	return t.yield(kv.Event{Kind: kv.Synced}, nil)
}

// advance tells what has changed since the Root that was told last.
func (t *teller) advance(r *engine.Root) bool {
	if r.Rev-t.told.Rev > max(maxLag, r.Tree.Agg().Count/lagPart) {
		t.told = nil
		return t.yield(kv.Event{Kind: kv.Reset}, nil) && t.whole(r)
	}
	var of change
	for was, is := range tree.Diff(t.told.Tree, r.Tree, t.lo, t.hi) {
		c := is
		if c == nil {
			c = was
		}
		if key := c.Addr.Key(); key != of.key {
			if !t.key(r, of) {
				return false
			}
			of = change{key: key}
		}
		of.add(was, is)
	}
	if !t.key(r, of) {
		return false
	}
	t.told = r
	return true
}

// change is by how much the version of a key has moved: its cells that differ
// tell that, where a sum of all of them would cost what the key is large.
type change struct {
	key string
	fp  [2]uint64
}

func (c *change) add(was, is *cell.Stored) {
	if was != nil {
		fp := was.Print()
		c.fp[0], c.fp[1] = c.fp[0]-fp[0], c.fp[1]-fp[1]
	}
	if is != nil {
		fp := is.Print()
		c.fp[0], c.fp[1] = c.fp[0]+fp[0], c.fp[1]+fp[1]
	}
}

// key tells what has become of one key.
func (t *teller) key(r *engine.Root, of change) bool {
	if of.fp == [2]uint64{} {
		return true
	}
	t.fp[0], t.fp[1] = t.fp[0]+of.fp[0], t.fp[1]+of.fp[1]
	is, whose := t.of.look(r, of.key)
	if whose == ours {
		return t.put(is)
	}
	if _, before := t.of.look(t.told, of.key); before == ours {
		return t.yield(kv.Event{Kind: kv.Delete, Entry: kv.Entry{Key: of.key}}, nil)
	}
	return true
}
