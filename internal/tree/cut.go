package tree

import (
	"iter"
	"slices"
)

// Cut removes the items from lo up to but without hi; an empty hi is above
// every key. It visits the two edges of the range only, however much lies
// between them.
func (e *Editor[T]) Cut(lo, hi string) {
	if e.root == nil || hi != "" && hi <= lo {
		return
	}
	e.finger.depth = 0
	e.root = e.cut(e.root, lo, hi)
	for e.root != nil && (e.mend(lo) || hi != "" && e.mend(hi)) {
	}
}

// cut returns what is left of the subtree n, nil if nothing is. The nodes at
// the edges of the range may be too empty; see mend.
func (e *Editor[T]) cut(n *node[T], lo, hi string) *node[T] {
	first, last := n.cut(lo, hi)
	if n.inner == nil {
		if last-first == len(n.leaf.items) {
			return nil
		}
		n = e.own(n)
		n.leaf.remove(first, last)
		n.agg = n.sum()
		return n
	}
	in := n.inner
	var left, right *node[T]
	if first == last {
		left = e.cut(in.kids[first], lo, hi)
	} else {
		left, right = e.cut(in.kids[first], lo, ""), e.cut(in.kids[last], "", hi)
	}
	kids, seps := slices.Clone(in.kids[:first]), slices.Clone(in.seps[:max(first-1, 0)])
	add := func(k *node[T], at int) {
		if k == nil {
			return
		}
		if len(kids) > 0 {
			seps = append(seps, in.seps[at-1])
		}
		kids = append(kids, k)
	}
	add(left, first)
	add(right, last)
	for at := last + 1; at < len(in.kids); at++ {
		add(in.kids[at], at)
	}
	if len(kids) == 0 {
		return nil
	}
	return newInner(e.owner, kids, seps)
}

// mend fills the highest node on the way to key that is too empty, out of a
// neighbour, and reports whether there was one.
func (e *Editor[T]) mend(key string) bool {
	if e.root.inner != nil && e.root.fill() == 1 {
		e.root = e.root.inner.kids[0]
		return true
	}
	e.root = e.own(e.root)
	for n := e.root; n.inner != nil; {
		kids, i := n.inner.kids, n.inner.route(key, 0)
		if kids[i].fill() < kids[i].least() {
			e.refill(n, max(i, 1))
			return true
		}
		kids[i] = e.own(kids[i])
		n = kids[i]
	}
	return false
}

// Above yields the items of Range whose Top is above a bound, and passes over
// whole subtrees without one.
func (t Tree[T]) Above(lo, hi string, bound uint64) iter.Seq[T] {
	return t.within(lo, hi, func(a Agg) bool { return a.Top > bound })
}
