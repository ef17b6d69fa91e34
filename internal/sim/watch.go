package sim

import (
	"fmt"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
)

// watch is one watcher on one node: slow, woken only for its prefix, and fed
// by the difference of two roots.
type watch struct {
	node   *Node
	life   int
	prefix string
	last   *engine.Root
	state  map[string][2]uint64 // per key, the fingerprint of what is visible
	awake  bool
}

// watchAll gives every node watchers over everything and over a part.
func (d *drama) watchAll() {
	for _, m := range d.nodes {
		d.rewatch(m)
	}
}

// rewatch starts the watchers of a node's new process.
func (d *drama) rewatch(m *Node) {
	kept := d.watches[:0]
	for _, w := range d.watches {
		if w.node != m {
			kept = append(kept, w)
		}
	}
	d.watches = kept
	for _, prefix := range []string{"", "k/0"} {
		w := &watch{node: m, life: m.life, prefix: prefix, last: &engine.Root{}, state: map[string][2]uint64{}}
		d.watches = append(d.watches, w)
		d.wake(w)
	}
}

// wakeWatches wakes the watchers of a node whose prefix covers a change.
func (d *drama) wakeWatches(n *Node, changed []cell.Addr) {
	var touched engine.Prefixes[*watch]
	for _, w := range d.watches {
		if w.node == n {
			touched.Add(w.prefix, w)
		}
	}
	for _, a := range changed {
		touched.Touched(a.Key(), func(w *watch) { d.wake(w) })
	}
}

// wake lets a watcher look, some time later.
func (d *drama) wake(w *watch) {
	if w.awake {
		return
	}
	w.awake = true
	d.After(time.Duration(d.rnd.IntN(400))*time.Millisecond, func() {
		w.awake = false
		if w.node.life == w.life {
			w.look()
		}
	})
}

// look takes in what changed since the last look.
func (w *watch) look() {
	now := w.node.Root()
	for key := range engine.Changes(w.last, now, w.prefix) {
		if fp := keySum(now, key); fp != [2]uint64{} {
			w.state[key] = fp
		} else {
			delete(w.state, key)
		}
	}
	w.last = now
}

// keySum is the fingerprint of what is visible under a key.
func keySum(r *engine.Root, key string) [2]uint64 {
	lo, hi := cell.KeyRange(key)
	return r.Tree.AggOf(lo, hi).FPLive
}

// judgeWatches judges I7: what every watcher was last told is the final state.
func (j *judge) judgeWatches() {
	j.d.Advance(500 * time.Millisecond)
	for _, w := range j.d.watches {
		want := map[string][2]uint64{}
		lo, hi := cell.PrefixRange(w.prefix)
		r := w.node.Root()
		for s := range r.Tree.Range(lo, hi) {
			if s.Visible() {
				want[s.Addr.Key()] = keySum(r, s.Addr.Key())
			}
		}
		if fmt.Sprint(want) != fmt.Sprint(w.state) {
			j.fail("I7", w.node, "the watcher of %q was told %d keys, there are %d, or their last values differ", w.prefix, len(w.state), len(want))
		}
	}
}
