package tree

import "slices"

// Editor makes a new Tree out of an old one. It owns the nodes it has copied,
// so a batch of changes copies each path once. It is for one goroutine.
type Editor[T Item] struct {
	root   *node[T]
	owner  *owner
	finger finger[T]
}

// Edit begins a new version of t. t itself never changes.
func (t Tree[T]) Edit() *Editor[T] { return &Editor[T]{root: t.root, owner: new(owner)} }

// Tree is the present version. It is frozen from here on; the editor may be
// used further and makes new versions.
func (e *Editor[T]) Tree() Tree[T] {
	e.owner = new(owner)
	return Tree[T]{e.root}
}

// Get returns the item of a key as it is now.
func (e *Editor[T]) Get(key string) (item T, ok bool) {
	if e.root == nil {
		return item, false
	}
	e.finger.seek(e.root, key)
	return e.finger.leaf().at(key)
}

// Put stores an item under its key and returns the one it replaced, if any.
func (e *Editor[T]) Put(item T) (old T, replaced bool) {
	key := item.Key()
	if e.root == nil {
		e.root = newLeaf[T](e.owner, nil)
	}
	e.finger.seek(e.root, key)
	e.ownPath()
	var taken Agg
	if old, replaced = e.putItem(item); replaced {
		taken = old.Agg()
	}
	added := item.Agg()
	e.climb(&taken, &added)
	return old, replaced
}

// climb goes up the path of the finger after one change of its leaf: what has
// grown too large is split, and the aggregates are brought up to date.
//
// What has grown at its end keeps more than half: keys that come in rising order
// would leave all nodes half full behind them.
func (e *Editor[T]) climb(taken, added *Agg) {
	var right *node[T] // the upper half of what was split below
	var sep string     // parts it from the lower one
	path := e.finger.path[:e.finger.depth]
	for i := len(path) - 1; i >= 0; i-- {
		n := path[i].node
		if right != nil {
			n.inner.insert(path[i].at, sep, right)
			right = nil
			path[i].at++
		}
		fill := n.fill()
		if fill <= n.most() {
			n.exchange(taken, added)
			continue
		}
		half := fill / 2
		if path[i].at == fill-1 {
			half = fill - n.least()
		}
		n, right, sep = e.split(n, half)
		e.relink(i, n)
		e.finger.depth = 0 // it points into the lower half
	}
	if right != nil {
		e.root = newInner(e.owner, []*node[T]{e.root, right}, []string{sep})
	}
}

// putItem stores into the leaf of the finger, which the editor owns.
func (e *Editor[T]) putItem(item T) (old T, replaced bool) {
	last := e.finger.depth - 1
	leaf, at := e.finger.path[last].node, &e.finger.path[last].at
	i, ok := leaf.leaf.find(item.Key(), 0)
	if *at = i; ok {
		old, leaf.leaf.items[i] = leaf.leaf.items[i], item
		return old, true
	}
	if l := leaf.leaf; len(l.items) == cap(l.items) {
		wider := copyOfLeaf(e.owner, l, 1)
		wider.agg = leaf.agg
		e.relink(last, wider)
		leaf = wider
	}
	leaf.leaf.insert(i, item)
	return old, false
}

// split makes two nodes of n, of its entries before at and of the others, and
// returns what parts the two.
func (e *Editor[T]) split(n *node[T], at int) (left, right *node[T], sep string) {
	if n.inner == nil {
		return e.splitItems(n.leaf.items, at)
	}
	return e.splitKids(n.inner.kids, n.inner.seps, at)
}

// splitItems parts leaves by no more of a key than it takes: a range that begins
// right before the key begins in its leaf then.
func (e *Editor[T]) splitItems(items []T, at int) (left, right *node[T], sep string) {
	sep = Separator(items[at-1].Key(), items[at].Key())
	return newLeaf(e.owner, items[:at]), newLeaf(e.owner, items[at:]), sep
}

func (e *Editor[T]) splitKids(kids []*node[T], seps []string, at int) (left, right *node[T], sep string) {
	left = newInner(e.owner, kids[:at], slices.Clone(seps[:at-1]))
	right = newInner(e.owner, kids[at:], slices.Clone(seps[at:]))
	return left, right, seps[at-1]
}

// Delete removes the item of a key and returns it, if there was one.
func (e *Editor[T]) Delete(key string) (old T, ok bool) {
	old, ok = e.Get(key)
	if !ok {
		return old, false
	}
	e.finger.depth = 0
	root := e.del(e.root, key, old.Agg())
	switch {
	case root.fill() == 0:
		root = nil
	case root.inner != nil && root.fill() == 1:
		root = root.inner.kids[0]
	}
	e.root = root
	return old, true
}

// del removes key, which is there, from the subtree n.
func (e *Editor[T]) del(n *node[T], key string, taken Agg) *node[T] {
	n = e.own(n)
	if n.inner == nil {
		i, _ := n.leaf.find(key, 0)
		n.leaf.remove(i, i+1)
	} else {
		kids, i := n.inner.kids, n.inner.route(key, 0)
		kids[i] = e.del(kids[i], key, taken)
		if kids[i].fill() < kids[i].least() {
			e.refill(n, max(i, 1))
		}
	}
	n.exchange(&taken, &Agg{})
	return n
}

// refill evens out the kids i-1 and i of n, or makes one of them if they fit.
func (e *Editor[T]) refill(n *node[T], i int) {
	in := n.inner
	l, r := in.kids[i-1], in.kids[i]
	total := l.fill() + r.fill()
	seps := slices.Clone(in.seps)
	if l.inner == nil {
		items := slices.Concat(l.leaf.items, r.leaf.items)
		if total <= maxLeaf {
			in.merge(i, newLeaf(e.owner, items))
			return
		}
		in.kids[i-1], in.kids[i], seps[i-1] = e.splitItems(items, total/2)
	} else {
		kids := slices.Concat(l.inner.kids, r.inner.kids)
		parted := slices.Concat(l.inner.seps, seps[i-1:i], r.inner.seps)
		if total <= maxInner {
			in.merge(i, newInner(e.owner, kids, parted))
			return
		}
		in.kids[i-1], in.kids[i], seps[i-1] = e.splitKids(kids, parted, total/2)
	}
	in.parts = partsOf(seps)
}

// exchange brings the aggregate up to date after one change below n.
func (n *node[T]) exchange(taken, added *Agg) {
	if !n.agg.swap(taken, added) {
		n.agg = n.sum()
	}
}

// own returns n if the editor may write to it, else a copy.
func (e *Editor[T]) own(n *node[T]) *node[T] {
	if n.owner == e.owner {
		return n
	}
	return copyOf(e.owner, n)
}

// insert puts a kid behind another, and what parts the two.
func (in *inner[T]) insert(i int, sep string, kid *node[T]) {
	in.kids = slices.Insert(in.kids, i+1, kid)
	in.parts = partsOf(with(in.seps, i, sep))
}

// merge puts one kid in the place of the kids i-1 and i.
func (in *inner[T]) merge(i int, kid *node[T]) {
	in.kids[i-1] = kid
	in.kids = slices.Delete(in.kids, i, i+1)
	in.parts = partsOf(without(in.seps, i-1))
}

// with is a copy of seps with one more at an index.
func with(seps []string, i int, sep string) []string {
	out := make([]string, 0, len(seps)+1)
	return append(append(append(out, seps[:i]...), sep), seps[i:]...)
}

// without is a copy of seps with one less.
func without(seps []string, i int) []string {
	out := make([]string, 0, len(seps))
	return append(append(out, seps[:i]...), seps[i+1:]...)
}
