package tree

const (
	maxFill = 30          // items in a leaf, kids of an inner node: a node is 384 bytes
	minFill = maxFill / 4 // of every node but the root
)

// node is a leaf (items) or an inner node (kids). It is frozen for everybody
// but the editor whose owner it carries.
type node[T Item] struct {
	owner *owner
	agg   Agg
	items []T
	kids  []*node[T]
	keys  *index // of the items; of the kids, what parts them. Versions share it
}

// leafNode and innerNode are a node in one allocation with its entries, and
// with room for the one that makes it split.
type leafNode[T Item] struct {
	node[T]
	slots [maxFill + 1]T
}

type innerNode[T Item] struct {
	node[T]
	slots [maxFill + 1]*node[T]
}

// fewFill is how many items the smaller of two sizes of a leaf holds, which is
// that of trees of few items.
const fewFill = 7

type smallNode[T Item] struct {
	node[T]
	slots [fewFill]T
}

// newLeaf makes a leaf of a copy of items; its keys and its aggregate have yet
// to be set.
func newLeaf[T Item](o *owner, items []T) *node[T] {
	if len(items) < fewFill {
		l := &smallNode[T]{}
		l.owner = o
		l.items = append(l.slots[:0], items...)
		return &l.node
	}
	l := &leafNode[T]{}
	l.owner = o
	l.items = append(l.slots[:0], items...)
	return &l.node
}

// newInner is newLeaf of an inner node.
func newInner[T Item](o *owner, kids []*node[T]) *node[T] {
	l := &innerNode[T]{}
	l.owner = o
	l.kids = append(l.slots[:0], kids...)
	return &l.node
}

// owner is the identity of one span of editing, between two freezes. It has a
// size because two pointers to nothing may be equal.
type owner struct{ _ byte }

func (n *node[T]) leaf() bool { return n.kids == nil }

func (n *node[T]) fill() int { return max(len(n.items), len(n.kids)) }

// find returns the index of the first item of a leaf not below key, and whether
// it has that key.
func (n *node[T]) find(key string) (int, bool) {
	lo, hi := n.keys.tied(key, len(n.items))
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		switch k := n.items[mid].Key(); {
		case k == key:
			return mid, true
		case k < key:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return lo, false
}

// at returns the item of a leaf that has a key. To find where the key would
// stand, as find does, is more than one wants who only reads.
func (n *node[T]) at(key string) (item T, ok bool) {
	x := n.keys
	if len(key) < len(x.common) {
		return item, false
	}
	m := mark(key[len(x.common):])
	for i := x.from(m, len(n.items)); i < len(n.items) && x.marks[i] == m; i++ {
		if n.items[i].Key() == key {
			return n.items[i], true
		}
	}
	return item, false
}

// route returns the index of the kid that holds key, if any does.
func (n *node[T]) route(key string) int {
	lo, hi := n.keys.tied(key, len(n.kids)-1)
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); n.keys.seps[mid] <= key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// sum visits what is directly below n to find its aggregate anew.
func (n *node[T]) sum() Agg {
	var a Agg
	for _, it := range n.items {
		a = a.Add(it.Agg())
	}
	for _, k := range n.kids {
		a = a.Add(k.agg)
	}
	return a
}
