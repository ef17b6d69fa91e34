// Package tree is a persistent B+tree whose nodes know aggregates.
//
// A Tree is a value: whoever holds one sees it for ever as it was, reads it
// without a lock, and pays nothing to keep it. Changes go through an Editor,
// which copies each node on the path to a change once and shares the rest.
//
// Items are pointers to things that never change and that know their own key.
// Every node carries the Agg of the items below it (count, fingerprint,
// highest revision, earliest expiry). So the fingerprint of any key range, the
// n-th item, what expired and what changed since a revision are found without
// visiting what does not matter; and two versions of a tree are compared in
// the time of their difference, because shared nodes are equal at sight.
package tree

import (
	"iter"
	"strings"
)

// Item is what a tree holds: a pointer type. Neither the key nor the aggregate
// of an item may ever change.
type Item interface {
	comparable
	Key() string
	Agg() Agg
}

// Tree is an immutable ordered set of items. The zero Tree is empty. It is safe
// for concurrent use.
type Tree[T Item] struct{ root *node[T] }

// Len is the number of items.
func (t Tree[T]) Len() int { return int(t.Agg().Count) }

// Agg is the aggregate of all items.
func (t Tree[T]) Agg() Agg {
	if t.root == nil {
		return Agg{}
	}
	return t.root.agg
}

// Same reports that t and u are the same version. False means nothing: equal
// trees may have been built apart.
func (t Tree[T]) Same(u Tree[T]) bool { return t.root == u.root }

// Get returns the item of a key.
func (t Tree[T]) Get(key string) (item T, ok bool) {
	if t.root == nil {
		return item, false
	}
	l, _ := t.root.seek(key)
	return l.at(key)
}

// AggOf is the aggregate of the items from lo up to but without hi. An empty hi
// is above every key.
func (t Tree[T]) AggOf(lo, hi string) Agg {
	switch {
	case t.root == nil || hi != "" && hi <= lo:
		return Agg{}
	case lo == "" && hi == "":
		return t.root.agg
	}
	return t.root.aggOf(lo, hi)
}

func (n *node[T]) aggOf(lo, hi string) Agg {
	first, last := n.cut(lo, hi)
	var a Agg
	if n.inner == nil {
		for _, it := range n.leaf.items[first:last] {
			a = a.Add(it.Agg())
		}
		return a
	}
	kids := n.inner.kids
	if first == last {
		return kids[first].aggOf(lo, hi)
	}
	a = kids[first].aggOf(lo, "")
	for _, k := range kids[first+1 : last] {
		a = a.Add(k.agg)
	}
	if hi == "" {
		return a.Add(kids[last].agg)
	}
	return a.Add(kids[last].aggOf("", hi))
}

// cut returns where the range [lo, hi) begins and ends in n: in a leaf the
// items [first, last), in an inner node the kids first to last, both included.
func (n *node[T]) cut(lo, hi string) (first, last int) {
	if n.inner == nil {
		if lo != "" {
			first, _ = n.leaf.find(lo, 0)
		}
		last = len(n.leaf.items)
		if hi != "" {
			last, _ = n.leaf.find(hi, first)
		}
		return first, last
	}
	if lo != "" {
		first = n.inner.route(lo, 0)
	}
	last = len(n.inner.kids) - 1
	if hi != "" {
		last = n.inner.route(hi, first)
	}
	return first, last
}

// Below is how many items have a key below key, and their fingerprint. It looks
// at less than half of the entries of each node on its way, as sums can be taken
// back; so that of a range is best had as the difference of its ends.
func (t Tree[T]) Below(key string) Sum {
	var s Sum
	n := t.root
	if n == nil {
		return s
	}
	for n.inner != nil {
		kids, at := n.inner.kids, n.inner.route(key, 0)
		if 2*at <= len(kids) {
			for _, k := range kids[:at] {
				s = s.Plus(k.agg.Sum())
			}
		} else {
			s = s.Plus(n.agg.Sum())
			for _, k := range kids[at:] {
				s = s.Minus(k.agg.Sum())
			}
		}
		n = kids[at]
	}
	items := n.leaf.items
	at, _ := n.leaf.find(key, 0)
	if 2*at <= len(items) {
		for _, it := range items[:at] {
			s = s.Plus(it.Agg().Sum())
		}
		return s
	}
	s = s.Plus(n.agg.Sum())
	for _, it := range items[at:] {
		s = s.Minus(it.Agg().Sum())
	}
	return s
}

// At returns the item with i items below it, and panics if there is none.
func (t Tree[T]) At(i int) T {
	if i < 0 || i >= t.Len() {
		panic("tree: index out of range")
	}
	n := t.root
	for n.inner != nil {
		for _, k := range n.inner.kids {
			if i < int(k.agg.Count) {
				n = k
				break
			}
			i -= int(k.agg.Count)
		}
	}
	return n.leaf.items[i]
}

// Rank is the number of items with a key below key.
func (t Tree[T]) Rank(key string) int {
	n, below := t.root, 0
	if n == nil {
		return 0
	}
	for n.inner != nil {
		at := n.inner.route(key, 0)
		for _, k := range n.inner.kids[:at] {
			below += int(k.agg.Count)
		}
		n = n.inner.kids[at]
	}
	at, _ := n.leaf.find(key, 0)
	return below + at
}

// All yields the items in key order.
func (t Tree[T]) All() iter.Seq[T] { return t.Range("", "") }

// Range yields the items from lo up to but without hi, in key order. An empty
// hi is above every key.
func (t Tree[T]) Range(lo, hi string) iter.Seq[T] {
	return func(yield func(T) bool) {
		if t.root != nil && (hi == "" || lo < hi) {
			t.root.walk(lo, hi, yield)
		}
	}
}

// Take appends the items of Range to into, as far as there is room in it. It is
// for ranges that mostly lie in one leaf: the way to each leaf is that of a Get.
func (t Tree[T]) Take(lo, hi string, into []T) []T {
	if t.root == nil || hi != "" && hi <= lo {
		return into
	}
	for {
		l, next := t.root.seek(lo)
		first, _ := l.find(lo, 0)
		last := len(l.items)
		if hi != "" {
			last, _ = l.find(hi, first)
		}
		room := cap(into) - len(into)
		into = append(into, l.items[first:min(last, first+room)]...)
		if last < len(l.items) || len(into) == cap(into) || next.over == nil {
			return into
		}
		// The leaf has no more, but the range may: it has to be looked at what
		// parts the leaf from the next one, which is another place in the memory.
		if lo = next.over.seps[next.at]; hi != "" && hi <= lo {
			return into
		}
	}
}

// TakeAlike is Take of the items from the key lo on whose keys begin with the
// first size bytes of lo. To know the end of a range takes no second key then,
// and where it ends is mostly told by marks.
func (t Tree[T]) TakeAlike(lo string, size int, into []T) []T {
	if t.root == nil {
		return into
	}
	start := lo[:size]
	for {
		l, next := t.root.seek(lo)
		i, _ := l.find(lo, 0)
		for ; i < len(l.items) && len(into) < cap(into) && l.begins(i, start); i++ {
			into = append(into, l.items[i])
		}
		if i < len(l.items) || len(into) == cap(into) || next.over == nil {
			return into
		}
		if lo = next.over.seps[next.at]; !strings.HasPrefix(lo, start) {
			return into // as in Take; what is above lo and not so is above all that is
		}
	}
}

// bound is a separator: seps[at] of over, or none if that is nil.
type bound struct {
	over *parts
	at   int
}

// seek returns the leaf where a key belongs, and what stands above its keys.
func (n *node[T]) seek(key string) (l *leaf[T], next bound) {
	for n.inner != nil {
		at := n.inner.route(key, 0)
		if at < len(n.inner.seps) {
			next = bound{n.inner.parts, at}
		}
		n = n.inner.kids[at]
	}
	return n.leaf, next
}

func (n *node[T]) walk(lo, hi string, yield func(T) bool) bool {
	first, last := n.cut(lo, hi)
	if n.inner == nil {
		for _, it := range n.leaf.items[first:last] {
			if !yield(it) {
				return false
			}
		}
		return true
	}
	for _, k := range n.inner.kids[first : last+1] {
		if !k.walk(lo, hi, yield) {
			return false
		}
	}
	return true
}

// ExpiredBefore yields the items whose expiry is below ms, in key order, and
// passes over whole subtrees without one.
func (t Tree[T]) ExpiredBefore(ms int64) iter.Seq[T] {
	return t.where(func(a Agg) bool { return a.MinExp != 0 && a.MinExp < ms })
}

// Since yields the items with a revision above rev, in key order, and passes
// over whole subtrees without one.
func (t Tree[T]) Since(rev uint64) iter.Seq[T] {
	return t.where(func(a Agg) bool { return a.MaxRev > rev })
}

// where yields the items that pass. Whatever passes must pass together with
// anything added to it.
func (t Tree[T]) where(pass func(Agg) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		if t.root != nil && pass(t.root.agg) {
			t.root.where(pass, yield)
		}
	}
}

func (n *node[T]) where(pass func(Agg) bool, yield func(T) bool) bool {
	if n.inner != nil {
		for _, k := range n.inner.kids {
			if pass(k.agg) && !k.where(pass, yield) {
				return false
			}
		}
		return true
	}
	for _, it := range n.leaf.items {
		if pass(it.Agg()) && !yield(it) {
			return false
		}
	}
	return true
}
