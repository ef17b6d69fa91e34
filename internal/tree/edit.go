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
		e.root.reindex(e.owner)
	}
	e.finger.seek(e.root, key)
	e.ownPath()
	var taken Agg
	if old, replaced = e.putItem(item); replaced {
		taken = old.Agg()
	}
	e.climb(taken, item.Agg())
	return old, replaced
}

// climb goes up the path of the finger after one change of its leaf: what has
// grown too large is split, and the aggregates are brought up to date.
//
// What has grown at its end keeps more than half: keys that come in rising order
// would leave all nodes half full behind them.
func (e *Editor[T]) climb(taken, added Agg) {
	var right *node[T] // the upper half of what was split below
	var sep string     // parts it from the lower one
	path := e.finger.path[:e.finger.depth]
	for i := len(path) - 1; i >= 0; i-- {
		n, at := path[i].node, path[i].at
		if right != nil {
			n.kids = slices.Insert(n.kids, at+1, right)
			n.partBy(e.owner, with(n.keys.seps, at, sep))
			right = nil
			path[i].at++
		}
		if n.fill() > maxFill {
			half := n.fill() / 2
			if path[i].at == n.fill()-1 {
				half = n.fill() - minFill
			}
			right, sep = e.split(n, half)
			e.finger.depth = 0 // it points into the lower half
			continue
		}
		n.exchange(&taken, &added)
	}
	if right == nil {
		return
	}
	root := newInner(e.owner, []*node[T]{e.root, right})
	root.partBy(e.owner, []string{sep})
	root.agg = root.sum()
	e.root = root
}

// putItem stores into the leaf of the finger, which the editor owns.
func (e *Editor[T]) putItem(item T) (old T, replaced bool) {
	leaf := &e.finger.path[e.finger.depth-1]
	n, key := leaf.node, item.Key()
	i, ok := n.find(key)
	if leaf.at = i; ok {
		old, n.items[i] = n.items[i], item
		return old, true
	}
	n.items = slices.Insert(n.items, i, item)
	if !e.ownKeys(n).insert(i, key) {
		n.reindex(e.owner)
	}
	return old, false
}

// split moves the entries of n from at on to a new node, and returns what parts
// the two.
func (e *Editor[T]) split(n *node[T], at int) (right *node[T], sep string) {
	if n.leaf() {
		right = newLeaf(e.owner, n.items[at:])
		n.items = slices.Delete(n.items, at, len(n.items))
		n.reindex(e.owner)
		right.reindex(e.owner)
		sep = right.items[0].Key()
	} else {
		right = newInner(e.owner, n.kids[at:])
		n.kids = slices.Delete(n.kids, at, len(n.kids))
		seps := n.keys.seps
		n.partBy(e.owner, slices.Clone(seps[:at-1]))
		right.partBy(e.owner, slices.Clone(seps[at:]))
		sep = seps[at-1]
	}
	n.agg, right.agg = n.sum(), right.sum()
	return right, sep
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
	case len(root.kids) == 1:
		root = root.kids[0]
	}
	e.root = root
	return old, true
}

// del removes key, which is there, from the subtree n.
func (e *Editor[T]) del(n *node[T], key string, taken Agg) *node[T] {
	n = e.own(n)
	if n.leaf() {
		i, _ := n.find(key)
		n.items = slices.Delete(n.items, i, i+1)
		e.ownKeys(n).remove(i)
	} else {
		i := n.route(key)
		n.kids[i] = e.del(n.kids[i], key, taken)
		if n.kids[i].fill() < minFill {
			e.refill(n, max(i, 1))
		}
	}
	n.exchange(&taken, &Agg{})
	return n
}

// refill evens out the kids i-1 and i of n, or makes one of them if they fit.
func (e *Editor[T]) refill(n *node[T], i int) {
	l, r := e.own(n.kids[i-1]), n.kids[i]
	seps := n.keys.seps
	total := l.fill() + r.fill()
	if total <= maxFill {
		e.take(l, r, r.fill(), seps[i-1])
		l.agg = l.agg.Add(r.agg)
		n.kids[i-1] = l
		n.kids = slices.Delete(n.kids, i, i+1)
		n.partBy(e.owner, without(seps, i-1))
		return
	}
	r = e.own(r)
	seps = slices.Clone(seps)
	if d := total/2 - l.fill(); d > 0 {
		seps[i-1] = e.take(l, r, d, seps[i-1])
		e.drop(r, d)
	} else {
		seps[i-1] = e.give(l, r, -d, seps[i-1])
	}
	l.agg, r.agg = l.sum(), r.sum()
	n.kids[i-1], n.kids[i] = l, r
	n.partBy(e.owner, seps)
}

// take appends the first d entries of r, the right neighbour of n, to n, and
// returns what then parts the two. sep parted them before.
func (e *Editor[T]) take(n, r *node[T], d int, sep string) string {
	if n.leaf() {
		n.items = append(n.items, r.items[:d]...)
		n.reindex(e.owner)
		if d == len(r.items) {
			return ""
		}
		return r.items[d].Key()
	}
	n.kids = append(n.kids, r.kids[:d]...)
	n.partBy(e.owner, slices.Concat(n.keys.seps, []string{sep}, r.keys.seps[:d-1]))
	if d == len(r.kids) {
		return ""
	}
	return r.keys.seps[d-1]
}

// drop removes the first d entries, which a neighbour has taken.
func (e *Editor[T]) drop(n *node[T], d int) {
	if n.leaf() {
		n.items = slices.Delete(n.items, 0, d)
		n.reindex(e.owner)
		return
	}
	n.kids = slices.Delete(n.kids, 0, d)
	n.partBy(e.owner, slices.Clone(n.keys.seps[d:]))
}

// give moves the last d entries of n to its right neighbour and returns what
// then parts the two. sep parted them before.
func (e *Editor[T]) give(n, r *node[T], d int, sep string) string {
	if n.leaf() {
		at := len(n.items) - d
		r.items = slices.Insert(r.items, 0, n.items[at:]...)
		n.items = slices.Delete(n.items, at, len(n.items))
		n.reindex(e.owner)
		r.reindex(e.owner)
		return r.items[0].Key()
	}
	at := len(n.kids) - d
	r.kids = slices.Insert(r.kids, 0, n.kids[at:]...)
	n.kids = slices.Delete(n.kids, at, len(n.kids))
	seps := n.keys.seps
	r.partBy(e.owner, slices.Concat(seps[at:], []string{sep}, r.keys.seps))
	n.partBy(e.owner, slices.Clone(seps[:at-1]))
	return seps[at-1]
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
	var c *node[T]
	if n.leaf() {
		c = newLeaf(e.owner, n.items)
	} else {
		c = newInner(e.owner, n.kids)
	}
	c.agg, c.keys = n.agg, n.keys
	return c
}

// ownKeys returns the index of a node that the editor owns, to be written to.
func (e *Editor[T]) ownKeys(n *node[T]) *index {
	if n.keys.owner != e.owner {
		x := *n.keys
		x.owner = e.owner
		n.keys = &x
	}
	return n.keys
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
