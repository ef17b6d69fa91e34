package memkv

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/starlingkv/starling/kv"
)

// change is a key that changed, and what it held before: nil if it was absent.
type change struct {
	key string
	was *item
}

// watcher is one range over Feed: what changed in its key range since it was told last.
type watcher struct {
	lo, hi string        // from lo up to but without hi; an empty hi is above every key
	wake   chan struct{} // of 1: something is pending

	// Guarded by the store's mu.
	pending map[string]pending
	seq     uint64
}

// pending is a change of which the watcher was not told yet.
type pending struct {
	key string
	was *item  // what the watcher was told last
	seq uint64 // its place in the order of last changes
}

// note adds changes to what is pending. Caller holds the store's mu.
func (w *watcher) note(changes []change) {
	for _, c := range changes {
		if c.key < w.lo || w.hi != "" && c.key >= w.hi {
			continue
		}
		p, ok := w.pending[c.key]
		if !ok {
			// Nothing pends for the key, so the watcher was told, or is being told, of what it held until now.
			p = pending{key: c.key, was: c.was}
		}
		w.seq++
		p.seq = w.seq
		w.pending[c.key] = p
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// Feed is part of kv.Backend.
func (s *store) Feed(ctx context.Context, sel kv.Selection) iter.Seq2[kv.Event, error] {
	return func(yield func(kv.Event, error) bool) {
		w, root, err := s.watch(sel)
		if err != nil {
			yield(kv.Event{}, err)
			return
		}
		defer s.unwatch(w)
		for ev := range s.initial(root, w) {
			if !s.tell(ctx, ev, yield) {
				return
			}
		}
		for {
			select {
			case <-w.wake:
			case <-ctx.Done():
			case <-s.done:
			}
			if err := s.over(ctx); err != nil {
				yield(kv.Event{}, err)
				return
			}
			for _, ev := range s.drain(w) {
				if !s.tell(ctx, ev, yield) {
					return
				}
			}
		}
	}
}

// tell yields the event, or why the watch is over instead, and reports whether to go on.
func (s *store) tell(ctx context.Context, ev kv.Event, yield func(kv.Event, error) bool) bool {
	if err := s.over(ctx); err != nil {
		yield(kv.Event{}, err)
		return false
	}
	return yield(ev, nil)
}

// over returns why a watch is over, nil while it is not.
func (s *store) over(ctx context.Context) error {
	select {
	case <-s.done:
		return kv.ErrClosed
	default:
		return kv.Ended(ctx)
	}
}

// watch registers a watcher, in the same moment of which it returns the tree: later changes are noted.
func (s *store) watch(sel kv.Selection) (*watcher, *items, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, kv.ErrClosed
	}
	s.expire()
	w := &watcher{wake: make(chan struct{}, 1), pending: make(map[string]pending)}
	w.lo, w.hi = bounds(sel)
	s.watchers[w] = struct{}{}
	return w, s.root.Load(), nil
}

func (s *store) unwatch(w *watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watchers, w)
}

// initial yields the state a watch begins with, and that it has been told.
func (s *store) initial(root *items, w *watcher) iter.Seq[kv.Event] {
	return func(yield func(kv.Event) bool) {
		for it := range root.Range(w.lo, w.hi) {
			if !yield(kv.Event{Kind: kv.Put, Entry: s.entry(it)}) {
				return
			}
		}
		yield(kv.Event{Kind: kv.Synced})
	}
}

// drain takes what is pending, as events of this moment in the order of the last changes. It takes all at once, because
// with one at a time a key that changes often would wait behind others for ever.
func (s *store) drain(w *watcher) []kv.Event {
	s.mu.Lock()
	root, taken := s.root.Load(), w.pending
	w.pending = make(map[string]pending)
	s.mu.Unlock()

	changes := make([]pending, 0, len(taken))
	for _, p := range taken {
		changes = append(changes, p)
	}
	slices.SortFunc(changes, func(a, b pending) int { return cmp.Compare(a.seq, b.seq) })

	events := make([]kv.Event, 0, len(changes))
	for _, p := range changes {
		it, ok := root.Get(p.key)
		switch {
		case ok:
			events = append(events, kv.Event{Kind: kv.Put, Entry: s.entry(it)})
		case p.was != nil:
			events = append(events, kv.Event{Kind: kv.Delete, Entry: kv.Entry{Key: p.key}})
		}
	}
	return events
}

// bounds returns the key range of a selection: from lo up to but without hi, where an empty hi is above every key.
func bounds(sel kv.Selection) (lo, hi string) {
	if sel.Key != "" {
		return sel.Key, sel.Key + "\x00"
	}
	lo = sel.Prefix
	if sel.After != "" {
		lo = max(lo, sel.After+"\x00")
	}
	return lo, above(sel.Prefix)
}

// above returns the smallest string above all that have the prefix, "" if there is none.
func above(prefix string) string {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			return prefix[:i] + string([]byte{prefix[i] + 1})
		}
	}
	return ""
}
