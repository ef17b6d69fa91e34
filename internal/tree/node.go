package tree

const (
	maxFill = 32          // items in a leaf, kids of an inner node
	minFill = maxFill / 2 // of every node but the root
)

// node is a leaf (items) or an inner node (kids). It is frozen for everybody
// but the editor whose owner it carries.
type node[T Item] struct {
	owner *owner
	agg   Agg
	items []T
	kids  []*node[T]
	// In a leaf keys[i] is the key of items[i]: it stands here too because a
	// search that has to look into each item waits for memory at each.
	//
	// In an inner node keys[i] parts kids[i] (keys below it) from kids[i+1] (the
	// others). It was a key when the two were split and need not be one now.
	keys []string
}

// owner is the identity of one span of editing, between two freezes. It has a
// size because two pointers to nothing may be equal.
type owner struct{ _ byte }

func (n *node[T]) leaf() bool { return n.kids == nil }

func (n *node[T]) fill() int { return max(len(n.items), len(n.kids)) }

// find returns the index of the first item of a leaf not below key, and whether
// it has that key.
func (n *node[T]) find(key string) (int, bool) {
	i := bound(n.keys, key)
	if i > 0 && n.keys[i-1] == key {
		return i - 1, true
	}
	return i, false
}

// route returns the index of the kid that holds key, if any does.
func (n *node[T]) route(key string) int { return bound(n.keys, key) }

// bound returns the index of the first of keys above key.
func bound(keys []string, key string) int {
	lo, hi := 0, len(keys)
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); keys[mid] <= key {
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
