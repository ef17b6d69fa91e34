package tree

// maxDepth bounds the levels of a tree: every node but the root holds at least
// minFill entries.
const maxDepth = 24

// finger is the path to the leaf that an editor last came to, and the bounds of
// the keys that belong there. Who changes a key has looked at it and at its
// neighbours before, and a packet brings neighbours together: they are found
// without a search from the root.
type finger[T Item] struct {
	path   [maxDepth]place[T]
	depth  int // 0: nowhere
	lo, hi string
}

// place is a node of the path, and which of its entries the path goes on with.
type place[T Item] struct {
	node *node[T]
	at   int
}

// seek points the finger at the leaf where a key belongs. There must be a root.
func (f *finger[T]) seek(root *node[T], key string) {
	if f.depth > 0 && key >= f.lo && (f.hi == "" || key < f.hi) {
		return
	}
	f.depth, f.lo, f.hi = 1, "", ""
	n := root
	for n.inner != nil {
		at, seps := n.inner.route(key, 0), n.inner.seps
		if at > 0 {
			f.lo = seps[at-1]
		}
		if at < len(seps) {
			f.hi = seps[at]
		}
		f.path[f.depth-1] = place[T]{n, at}
		f.depth++
		n = n.inner.kids[at]
	}
	f.path[f.depth-1] = place[T]{node: n}
}

func (f *finger[T]) leaf() *leaf[T] { return f.path[f.depth-1].node.leaf }

// ownPath has the editor own every node of the path.
func (e *Editor[T]) ownPath() {
	for i := range e.finger.depth {
		if n := e.finger.path[i].node; n.owner != e.owner {
			e.relink(i, copyOf(e.owner, n))
		}
	}
}

// relink puts another node into the path, below one that the editor owns.
func (e *Editor[T]) relink(i int, n *node[T]) {
	path := &e.finger.path
	if path[i].node = n; i == 0 {
		e.root = n
	} else {
		path[i-1].node.inner.kids[path[i-1].at] = n
	}
}
