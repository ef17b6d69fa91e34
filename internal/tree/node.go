package tree

// Sizes of nodes. A leaf is narrower than an inner node, as every edit copies
// one with its marks. What must remain in a node is also what its upper half
// gets if keys come in rising order.
const (
	maxLeaf, minLeaf   = 19, 6 // items
	maxInner, minInner = 30, 7 // kids
)

// node is a leaf or an inner node. It is frozen for everybody but the editor
// whose owner it carries.
type node[T Item] struct {
	leaf  *leaf[T]
	inner *inner[T] // nil in a leaf
	owner *owner
	agg   Agg
}

// owner is the identity of one span of editing, between two freezes. It has a
// size because two pointers to nothing may be equal.
type owner struct{ _ byte }

// A node is one piece of memory, of one of three sizes: one for trees of few
// items, one for what is left below when keys come in rising order, and one with
// room for the entry that makes it split. What is searched first stands first.
type (
	smallLeaf[T Item] struct {
		leaf  leaf[T]
		node  node[T]
		marks [4]uint64
		slots [4]T
	}
	midLeaf[T Item] struct {
		leaf  leaf[T]
		node  node[T]
		marks [maxLeaf + 1 - minLeaf]uint64
		slots [maxLeaf + 1 - minLeaf]T
	}
	fullLeaf[T Item] struct {
		leaf  leaf[T]
		node  node[T]
		marks [maxLeaf + 1]uint64
		slots [maxLeaf + 1]T
	}
	smallInner[T Item] struct {
		inner inner[T]
		node  node[T]
		slots [12]*node[T]
	}
	midInner[T Item] struct {
		inner inner[T]
		node  node[T]
		slots [maxInner + 1 - minInner]*node[T]
	}
	fullInner[T Item] struct {
		inner inner[T]
		node  node[T]
		slots [maxInner + 1]*node[T]
	}
)

// roomyLeaf makes an empty leaf with room for n items.
func roomyLeaf[T Item](o *owner, n int) *node[T] {
	switch {
	case n <= len(smallLeaf[T]{}.slots):
		l := &smallLeaf[T]{}
		return l.node.of(o, &l.leaf, l.slots[:0], l.marks[:0])
	case n <= len(midLeaf[T]{}.slots):
		l := &midLeaf[T]{}
		return l.node.of(o, &l.leaf, l.slots[:0], l.marks[:0])
	}
	l := &fullLeaf[T]{}
	return l.node.of(o, &l.leaf, l.slots[:0], l.marks[:0])
}

func (n *node[T]) of(o *owner, l *leaf[T], items []T, marks []uint64) *node[T] {
	n.owner, n.leaf = o, l
	l.items, l.marks = items, marks
	return n
}

// newLeaf makes a leaf of items, which it copies.
func newLeaf[T Item](o *owner, items []T) *node[T] {
	n := roomyLeaf[T](o, len(items))
	n.leaf.items = append(n.leaf.items, items...)
	n.leaf.reindex()
	n.agg = n.sum()
	return n
}

// newInner makes an inner node of kids, which it copies, and of what parts them,
// which it keeps.
func newInner[T Item](o *owner, kids []*node[T], seps []string) *node[T] {
	n := roomyInner[T](o, len(kids))
	n.inner.kids, n.inner.parts = append(n.inner.kids, kids...), partsOf(seps)
	n.agg = n.sum()
	return n
}

// roomyInner makes an empty inner node with room for n kids.
func roomyInner[T Item](o *owner, n int) *node[T] {
	switch {
	case n <= len(smallInner[T]{}.slots):
		l := &smallInner[T]{}
		return l.node.over(o, &l.inner, l.slots[:0])
	case n <= len(midInner[T]{}.slots):
		l := &midInner[T]{}
		return l.node.over(o, &l.inner, l.slots[:0])
	}
	l := &fullInner[T]{}
	return l.node.over(o, &l.inner, l.slots[:0])
}

func (n *node[T]) over(o *owner, in *inner[T], kids []*node[T]) *node[T] {
	n.owner, n.inner, in.kids = o, in, kids
	return n
}

// copyOf makes a node like n.
func copyOf[T Item](o *owner, n *node[T]) *node[T] {
	var c *node[T]
	if n.inner != nil {
		c = roomyInner[T](o, len(n.inner.kids))
		c.inner.kids, c.inner.parts = append(c.inner.kids, n.inner.kids...), n.inner.parts
	} else {
		c = copyOfLeaf(o, n.leaf, 0)
	}
	c.agg = n.agg
	return c
}

// copyOfLeaf is copyOf of a leaf, with room for some more. Its aggregate has yet
// to be set.
func copyOfLeaf[T Item](o *owner, l *leaf[T], more int) *node[T] {
	c := roomyLeaf[T](o, len(l.items)+more)
	c.leaf.items, c.leaf.marks = append(c.leaf.items, l.items...), append(c.leaf.marks, l.marks...)
	c.leaf.stem = l.stem
	return c
}

// fill is how many entries a node has.
func (n *node[T]) fill() int {
	if n.inner != nil {
		return len(n.inner.kids)
	}
	return len(n.leaf.items)
}

// most and least are how many it may have and, if it is not the root, must have.
func (n *node[T]) most() int {
	if n.inner != nil {
		return maxInner
	}
	return maxLeaf
}

func (n *node[T]) least() int {
	if n.inner != nil {
		return minInner
	}
	return minLeaf
}

// sum visits what is directly below n to find its aggregate anew.
func (n *node[T]) sum() Agg {
	var a Agg
	if n.inner != nil {
		for _, k := range n.inner.kids {
			a = a.Add(k.agg)
		}
		return a
	}
	for _, it := range n.leaf.items {
		a = a.Add(it.Agg())
	}
	return a
}
