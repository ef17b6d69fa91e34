package engine

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/tree"
)

// Prefixes is the set of watched prefixes, as a radix tree: a changed key finds
// those who watch it without asking the others. The zero value is empty. It is
// not safe for concurrent use.
type Prefixes[T any] struct {
	root    prefixNode[T]
	handles map[Handle]string // the prefix of each watcher
	last    Handle
}

// Handle names one watcher of a Prefixes.
type Handle int

type prefixNode[T any] struct {
	label    string           // behind the parent's
	kids     []*prefixNode[T] // by the first byte of their labels, which differ
	watchers []watcher[T]     // in the order they came
}

type watcher[T any] struct {
	handle Handle
	who    T
}

// Add has who woken for every key that begins with prefix. The empty prefix is
// that of all keys.
func (p *Prefixes[T]) Add(prefix string, who T) Handle {
	if p.handles == nil {
		p.handles = make(map[Handle]string)
	}
	p.last++
	p.handles[p.last] = prefix
	n := p.root.make(prefix)
	n.watchers = append(n.watchers, watcher[T]{p.last, who})
	return p.last
}

// Remove ends a watch. A handle that is not there is ignored.
func (p *Prefixes[T]) Remove(h Handle) {
	prefix, ok := p.handles[h]
	if !ok {
		return
	}
	delete(p.handles, h)
	p.root.drop(prefix, h)
}

// Len is the number of watchers.
func (p *Prefixes[T]) Len() int { return len(p.handles) }

// Touched calls wake for every watcher of a prefix of key: shorter prefixes
// first, and those of one prefix in the order they came. wake must not change p.
func (p *Prefixes[T]) Touched(key string, wake func(T)) {
	for n, ok := &p.root, true; ok; {
		for _, w := range n.watchers {
			wake(w.who)
		}
		if key == "" {
			return
		}
		var i int
		if i, ok = n.kid(key[0]); ok {
			n = n.kids[i]
			key, ok = strings.CutPrefix(key, n.label)
		}
	}
}

// All calls wake for every watcher. wake must not change p.
func (p *Prefixes[T]) All(wake func(T)) { p.root.all(wake) }

func (n *prefixNode[T]) all(wake func(T)) {
	for _, w := range n.watchers {
		wake(w.who)
	}
	for _, k := range n.kids {
		k.all(wake)
	}
}

// kid is where the kid stands, or would, whose label begins with b.
func (n *prefixNode[T]) kid(b byte) (int, bool) {
	return slices.BinarySearchFunc(n.kids, b, func(k *prefixNode[T], b byte) int { return cmp.Compare(k.label[0], b) })
}

// make returns the node of a prefix below n, splitting an edge if it must.
func (n *prefixNode[T]) make(prefix string) *prefixNode[T] {
	for prefix != "" {
		i, ok := n.kid(prefix[0])
		if !ok {
			k := &prefixNode[T]{label: prefix}
			n.kids = slices.Insert(n.kids, i, k)
			return k
		}
		k := n.kids[i]
		same := len(commonPrefix(k.label, prefix))
		if same < len(k.label) {
			upper := &prefixNode[T]{label: k.label[:same], kids: []*prefixNode[T]{k}}
			k.label = k.label[same:]
			n.kids[i] = upper
			k = upper
		}
		n, prefix = k, prefix[same:]
	}
	return n
}

func commonPrefix(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n]
}

// drop removes a watcher below n, and the nodes that are of no use without it.
func (n *prefixNode[T]) drop(prefix string, h Handle) {
	if prefix == "" {
		n.watchers = slices.DeleteFunc(n.watchers, func(w watcher[T]) bool { return w.handle == h })
		return
	}
	i, ok := n.kid(prefix[0])
	if !ok {
		return
	}
	k := n.kids[i]
	rest, ok := strings.CutPrefix(prefix, k.label)
	if !ok {
		return
	}
	k.drop(rest, h)
	switch {
	case len(k.watchers) > 0 || len(k.kids) > 1:
	case len(k.kids) == 1:
		k.kids[0].label = k.label + k.kids[0].label
		n.kids[i] = k.kids[0]
	default:
		n.kids = slices.Delete(n.kids, i, i+1)
	}
}

// Changes yields, in key order, the keys with a prefix whose visible cells
// differ between two Roots. The work follows the difference: what both share is
// not visited.
func Changes(from, to *Root, prefix string) iter.Seq[string] {
	return func(yield func(string) bool) {
		lo, hi := cell.PrefixRange(prefix)
		last, any := "", false
		for old, now := range tree.Diff(from.Tree, to.Tree, lo, hi) {
			if sight(old) == sight(now) {
				continue
			}
			key := addrOf(old, now).Key()
			if any && key == last {
				continue
			}
			if last, any = key, true; !yield(key) {
				return
			}
		}
	}
}

// sight is what readers see of an address: its cell's hash, or nothing.
func sight(s *cell.Stored) [16]byte {
	if s == nil || !s.Visible() {
		return [16]byte{}
	}
	return s.Hash()
}

func addrOf(old, now *cell.Stored) cell.Addr {
	if now != nil {
		return now.Addr
	}
	return old.Addr
}
