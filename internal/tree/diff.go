package tree

import (
	"iter"
	"strings"
)

// Diff yields, in key order, what differs between two versions of a tree from
// lo up to but without hi: the old and the new item of each key, the zero T
// where a side has none. Items are compared by identity. Nodes that both sides
// share are not visited, so the work follows the difference.
func Diff[T Item](old, new Tree[T], lo, hi string) iter.Seq2[T, T] {
	return func(yield func(old, new T) bool) {
		if old.root != new.root && (hi == "" || lo < hi) {
			diffNodes(old.root, new.root, lo, hi, yield)
		}
	}
}

// diffNodes is Diff of two nodes that stand for the same range of keys. Versions that
// are near each other have the same shape nearly everywhere: what parts the kids
// is shared then, and so the kids stand for the same ranges too.
func diffNodes[T Item](a, b *node[T], lo, hi string, yield func(old, new T) bool) bool {
	switch {
	case a == nil || b == nil:
	case a.inner == nil && b.inner == nil:
		return diffItems(a, b, lo, hi, yield)
	case a.inner != nil && b.inner != nil && a.inner.parts == b.inner.parts:
		first, last := a.cut(lo, hi)
		kids := b.inner.kids[first : last+1]
		for i, was := range a.inner.kids[first : last+1] {
			if was == kids[i] {
				continue
			}
			from, upTo := "", ""
			if i == 0 {
				from = lo
			}
			if i == last-first {
				upTo = hi
			}
			if !diffNodes(was, kids[i], from, upTo, yield) {
				return false
			}
		}
		return true
	}
	d := differ[T]{newCursor(a, lo, hi), newCursor(b, lo, hi)}
	for !d.a.over || !d.b.over {
		if x, y, found := d.next(); found && !yield(x, y) {
			return false
		}
	}
	return true
}

// diffItems is diffNodes of two leaves.
func diffItems[T Item](a, b *node[T], lo, hi string, yield func(old, new T) bool) bool {
	first, last := a.cut(lo, hi)
	was := a.leaf.items[first:last]
	first, last = b.cut(lo, hi)
	is := b.leaf.items[first:last]
	for {
		same := 0
		for same < min(len(was), len(is)) && was[same] == is[same] {
			same++
		}
		was, is = was[same:], is[same:]
		var x, y T
		side := 0
		switch {
		case len(was) == 0 && len(is) == 0:
			return true
		case len(was) == 0:
			side = 1
		case len(is) == 0:
			side = -1
		default:
			side = strings.Compare(was[0].Key(), is[0].Key())
		}
		if side <= 0 {
			x, was = was[0], was[1:]
		}
		if side >= 0 {
			y, is = is[0], is[1:]
		}
		if !yield(x, y) {
			return false
		}
	}
}

// differ walks two trees of different shapes side by side.
type differ[T Item] struct{ a, b *cursor[T] }

// next makes one step: it passes over what is shared, opens a node that may
// hide something, or moves past an item. found tells of a difference.
//
// A subtree shared by both sides stands in both at the same place in key order.
// So a node stays closed while the other side still stands before lower keys,
// and in time both sides stand before the same node.
func (d *differ[T]) next() (x, y T, found bool) {
	a, b := d.a, d.b
	switch {
	case a.over:
		y, found = b.advance()
		return x, y, found
	case b.over:
		x, found = a.advance()
		return x, y, found
	case a.node == b.node && a.item == b.item:
		a.skip()
		b.skip()
		return x, y, false
	}
	switch low, high := a.floor(), b.floor(); {
	case low < high:
		x, found = a.advance()
	case high < low:
		y, found = b.advance()
	case a.height > b.height:
		a.open()
	case b.height > a.height:
		b.open()
	default:
		x, found = a.advance()
		y, _ = b.advance()
	}
	return x, y, found
}

// cursor stands before a closed node or, if node is nil, before an item.
type cursor[T Item] struct {
	lo, hi string
	stack  []frame[T]
	node   *node[T]
	bound  string // no key of node is below it
	height int    // of what it stands before: 0 for an item, 1 for a leaf
	item   T
	over   bool
}

// frame is an opened node: the cursor stands before its entry at, and leaves it
// before the entry end.
type frame[T Item] struct {
	node    *node[T]
	at, end int
}

func newCursor[T Item](root *node[T], lo, hi string) *cursor[T] {
	c := &cursor[T]{lo: lo, hi: hi, node: root, over: root == nil}
	for n := root; n != nil; n = n.inner.kids[0] {
		c.height++
		if n.inner == nil {
			break
		}
	}
	return c
}

// floor is a key that nothing the cursor still has to tell is below.
func (c *cursor[T]) floor() string {
	if c.node != nil {
		return c.bound
	}
	return c.item.Key()
}

// advance opens the node it stands before, or returns the item and moves past
// it.
func (c *cursor[T]) advance() (item T, ok bool) {
	if c.node != nil {
		c.open()
		return item, false
	}
	item = c.item
	c.skip()
	return item, true
}

// open enters the node, at the first entry that may be in range.
func (c *cursor[T]) open() {
	first, end := c.node.cut(c.lo, c.hi)
	if c.node.inner != nil {
		end++
	}
	c.stack = append(c.stack, frame[T]{c.node, first - 1, end})
	c.height--
	c.skip()
}

// skip moves to the next entry without opening the present one.
func (c *cursor[T]) skip() {
	for len(c.stack) > 0 {
		f := &c.stack[len(c.stack)-1]
		f.at++
		if f.at < f.end {
			c.stand(f)
			return
		}
		c.stack = c.stack[:len(c.stack)-1]
		c.height++
	}
	c.over = true
}

func (c *cursor[T]) stand(f *frame[T]) {
	var none T
	c.node, c.item = nil, none
	in := f.node.inner
	if in == nil {
		c.item = f.node.leaf.items[f.at]
		return
	}
	if f.at > 0 { // else the node was just opened, and its bound is still right
		c.bound = in.seps[f.at-1]
	}
	c.node = in.kids[f.at]
}
