package tree

import "iter"

// FirstLive returns the first item at or above lo that is counted as a value.
// Whole subtrees without one are passed over.
func (t Tree[T]) FirstLive(lo string) (item T, ok bool) {
	if t.root == nil {
		return item, false
	}
	return t.root.firstLive(lo)
}

func (n *node[T]) firstLive(lo string) (item T, ok bool) {
	if n.agg.Live == 0 {
		return item, false
	}
	first, last := n.cut(lo, "")
	if n.inner == nil {
		for _, it := range n.leaf.items[first:last] {
			if it.Agg().Live > 0 {
				return it, true
			}
		}
		return item, false
	}
	for _, k := range n.inner.kids[first:] {
		if item, ok = k.firstLive(lo); ok {
			return item, true
		}
		lo = ""
	}
	return item, false
}

// Live yields the items of Range that are counted as values, and passes over
// whole subtrees without one.
func (t Tree[T]) Live(lo, hi string) iter.Seq[T] {
	return t.within(lo, hi, func(a Agg) bool { return a.Live > 0 })
}

// Newest returns the item from lo up to but without hi that has the highest
// revision.
func (t Tree[T]) Newest(lo, hi string) (item T, ok bool) {
	rev := t.AggOf(lo, hi).MaxRev
	for it := range t.within(lo, hi, func(a Agg) bool { return a.MaxRev >= rev }) {
		return it, true
	}
	return item, false
}

// within yields the items of a range that pass. Whatever passes must pass
// together with anything added to it.
func (t Tree[T]) within(lo, hi string, pass func(Agg) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		if t.root != nil && (hi == "" || lo < hi) {
			t.root.within(lo, hi, seeking[T]{pass, yield})
		}
	}
}

// seeking is what a walk looks for, and whom it tells.
type seeking[T Item] struct {
	pass  func(Agg) bool
	yield func(T) bool
}

func (n *node[T]) within(lo, hi string, s seeking[T]) bool {
	if !s.pass(n.agg) {
		return true
	}
	first, last := n.cut(lo, hi)
	if n.inner == nil {
		for _, it := range n.leaf.items[first:last] {
			if s.pass(it.Agg()) && !s.yield(it) {
				return false
			}
		}
		return true
	}
	for _, k := range n.inner.kids[first : last+1] {
		if !k.within(lo, hi, s) {
			return false
		}
	}
	return true
}
