package tree

import "slices"

// Editor makes a new Tree out of an old one. It owns the nodes it has copied,
// so a batch of changes copies each path once. It is for one goroutine.
type Editor[T Item] struct {
	root  *node[T]
	owner *owner
	near  near[T]
}

// near is the leaf that a Get last came to, and the bounds of its keys. Who
// changes a key has looked at it and at its neighbours before.
type near[T Item] struct {
	leaf   *node[T]
	lo, hi string
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
	if n := e.near; n.leaf != nil && key >= n.lo && (n.hi == "" || key < n.hi) {
		return n.leaf.at(key)
	}
	n := near[T]{leaf: e.root}
	if n.leaf == nil {
		return item, false
	}
	for !n.leaf.leaf() {
		at, seps := n.leaf.route(key), n.leaf.keys.seps
		if at > 0 {
			n.lo = seps[at-1]
		}
		if at < len(seps) {
			n.hi = seps[at]
		}
		n.leaf = n.leaf.kids[at]
	}
	e.near = n
	return n.leaf.at(key)
}

// Put stores an item under its key and returns the one it replaced, if any.
func (e *Editor[T]) Put(item T) (old T, replaced bool) {
	e.near = near[T]{}
	if e.root == nil {
		e.root = newLeaf[T](e.owner, nil)
		e.root.reindex(e.owner)
	}
	p := put[T]{key: item.Key(), item: item, added: item.Agg()}
	root, right := e.put(e.root, &p)
	if right != nil {
		root = newInner(e.owner, []*node[T]{root, right})
		root.partBy(e.owner, []string{p.sep})
		root.agg = root.sum()
	}
	e.root = root
	return p.old, p.replaced
}

// put is one Put on its way down and up.
type put[T Item] struct {
	key          string
	item         T
	added, taken Agg
	old          T
	replaced     bool
	sep          string // parts the two halves of the node last split
}

// put stores into the subtree n and returns what takes its place: one node, or
// two if it had to be split.
func (e *Editor[T]) put(n *node[T], p *put[T]) (left, right *node[T]) {
	n = e.own(n)
	if n.leaf() {
		e.putItem(n, p)
	} else {
		i := n.route(p.key)
		kid, half := e.put(n.kids[i], p)
		n.kids[i] = kid
		if half != nil {
			n.kids = slices.Insert(n.kids, i+1, half)
			n.partBy(e.owner, with(n.keys.seps, i, p.sep))
		}
	}
	if n.fill() > maxFill {
		return n, e.split(n, p)
	}
	n.exchange(p.taken, p.added)
	return n, nil
}

func (e *Editor[T]) putItem(n *node[T], p *put[T]) {
	i, ok := n.find(p.key)
	if ok {
		p.old, p.replaced, p.taken = n.items[i], true, n.items[i].Agg()
		n.items[i] = p.item
		return
	}
	n.items = slices.Insert(n.items, i, p.item)
	if !e.ownKeys(n).insert(i, p.key) {
		n.reindex(e.owner)
	}
}

// split moves the upper half of n to a new node.
func (e *Editor[T]) split(n *node[T], p *put[T]) (right *node[T]) {
	at := n.fill() / 2
	if n.leaf() {
		right = newLeaf(e.owner, n.items[at:])
		n.items = slices.Delete(n.items, at, len(n.items))
		n.reindex(e.owner)
		right.reindex(e.owner)
		p.sep = right.items[0].Key()
	} else {
		right = newInner(e.owner, n.kids[at:])
		n.kids = slices.Delete(n.kids, at, len(n.kids))
		seps := n.keys.seps
		n.partBy(e.owner, slices.Clone(seps[:at-1]))
		right.partBy(e.owner, slices.Clone(seps[at:]))
		p.sep = seps[at-1]
	}
	n.agg, right.agg = n.sum(), right.sum()
	return right
}

// Delete removes the item of a key and returns it, if there was one.
func (e *Editor[T]) Delete(key string) (old T, ok bool) {
	old, ok = e.Get(key)
	if !ok {
		return old, false
	}
	e.near = near[T]{}
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
	n.exchange(taken, Agg{})
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
func (n *node[T]) exchange(taken, added Agg) {
	agg, exact := n.agg.swap(taken, added)
	if !exact {
		agg = n.sum()
	}
	n.agg = agg
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
