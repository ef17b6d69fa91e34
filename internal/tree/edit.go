package tree

import "slices"

// Editor makes a new Tree out of an old one. It owns the nodes it has copied,
// so a batch of changes copies each path once. It is for one goroutine.
type Editor[T Item] struct {
	root  *node[T]
	owner *owner
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
func (e *Editor[T]) Get(key string) (T, bool) { return Tree[T]{e.root}.Get(key) }

// Put stores an item under its key and returns the one it replaced, if any.
func (e *Editor[T]) Put(item T) (old T, replaced bool) {
	if e.root == nil {
		e.root = &node[T]{owner: e.owner}
	}
	p := put[T]{key: item.Key(), item: item, added: item.Agg()}
	root, right := e.put(e.root, &p)
	if right != nil {
		root = &node[T]{
			owner: e.owner,
			kids:  []*node[T]{root, right},
			keys:  []string{p.sep},
		}
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
			n.keys = slices.Insert(n.keys, i, p.sep)
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
	if !ok {
		n.items = slices.Insert(n.items, i, p.item)
		n.keys = slices.Insert(n.keys, i, p.key)
		return
	}
	p.old, p.replaced, p.taken = n.items[i], true, n.items[i].Agg()
	n.items[i], n.keys[i] = p.item, p.key
}

// split moves the upper half of n to a new node.
func (e *Editor[T]) split(n *node[T], p *put[T]) *node[T] {
	right := &node[T]{owner: e.owner}
	at := n.fill() / 2
	if n.leaf() {
		right.items = moveTail(&n.items, at)
		right.keys = moveTail(&n.keys, at)
		p.sep = right.keys[0]
	} else {
		right.kids = moveTail(&n.kids, at)
		right.keys = moveTail(&n.keys, at)
		p.sep = n.keys[at-1]
		n.keys = slices.Delete(n.keys, at-1, at)
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
		n.keys = slices.Delete(n.keys, i, i+1)
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
	total := l.fill() + r.fill()
	if total <= maxFill {
		l.take(r, r.fill(), n.keys[i-1])
		l.agg = l.agg.Add(r.agg)
		n.kids[i-1] = l
		n.kids = slices.Delete(n.kids, i, i+1)
		n.keys = slices.Delete(n.keys, i-1, i)
		return
	}
	r = e.own(r)
	if d := total/2 - l.fill(); d > 0 {
		n.keys[i-1] = l.take(r, d, n.keys[i-1])
		r.drop(d)
	} else {
		n.keys[i-1] = l.give(r, -d, n.keys[i-1])
	}
	l.agg, r.agg = l.sum(), r.sum()
	n.kids[i-1], n.kids[i] = l, r
}

// take appends the first d entries of r, n's right neighbour, to n, and returns
// what then parts the two. sep parted them before.
func (n *node[T]) take(r *node[T], d int, sep string) string {
	if n.leaf() {
		n.items = append(n.items, r.items[:d]...)
		n.keys = append(n.keys, r.keys[:d]...)
		if d == len(r.items) {
			return ""
		}
		return r.keys[d]
	}
	n.kids = append(n.kids, r.kids[:d]...)
	n.keys = append(append(n.keys, sep), r.keys[:d-1]...)
	if d == len(r.kids) {
		return ""
	}
	return r.keys[d-1]
}

// drop removes the first d entries, which a neighbour has taken.
func (n *node[T]) drop(d int) {
	n.keys = slices.Delete(n.keys, 0, d)
	if n.leaf() {
		n.items = slices.Delete(n.items, 0, d)
		return
	}
	n.kids = slices.Delete(n.kids, 0, d)
}

// give moves the last d entries of n to its right neighbour and returns what
// then parts the two. sep parted them before.
func (n *node[T]) give(r *node[T], d int, sep string) string {
	if n.leaf() {
		at := len(n.items) - d
		r.items = slices.Insert(r.items, 0, moveTail(&n.items, at)...)
		r.keys = slices.Insert(r.keys, 0, moveTail(&n.keys, at)...)
		return r.keys[0]
	}
	at := len(n.kids) - d
	r.kids = slices.Insert(r.kids, 0, moveTail(&n.kids, at)...)
	r.keys = slices.Insert(r.keys, 0, append(moveTail(&n.keys, at), sep)...)
	sep = n.keys[at-1]
	n.keys = slices.Delete(n.keys, at-1, at)
	return sep
}

// exchange brings the aggregate up to date after one change below n.
func (n *node[T]) exchange(taken, added Agg) {
	agg, exact := n.agg.swap(taken, added)
	if !exact {
		agg = n.sum()
	}
	n.agg = agg
}

// own returns n if the editor may write to it, else a copy with room for one
// entry more.
func (e *Editor[T]) own(n *node[T]) *node[T] {
	if n.owner == e.owner {
		return n
	}
	c := &node[T]{owner: e.owner, agg: n.agg, keys: roomy(n.keys)}
	if n.leaf() {
		c.items = roomy(n.items)
	} else {
		c.kids = roomy(n.kids)
	}
	return c
}

func roomy[E any](s []E) []E { return append(make([]E, 0, len(s)+1), s...) }

// moveTail cuts s at the index and returns what was behind it, as a slice of
// its own.
func moveTail[E any](s *[]E, at int) []E {
	tail := slices.Clone((*s)[at:])
	*s = slices.Delete(*s, at, len(*s))
	return tail
}
