package tree

// index is what a search in a node looks at: of each key the eight bytes that
// stand behind what all keys of the node have in common. They lie side by side,
// where the keys are strewn over the memory, so that a search waits for few of
// them. Versions of a node share it until a key comes or goes.
type index struct {
	owner  *owner
	common string
	marks  [maxFill + 1]uint64

	// seps are the keys of an inner node: seps[i] parts kids[i] (keys below it)
	// from kids[i+1] (the others). It was a key when the two were split and need
	// not be one now. They are never written to.
	seps []string
}

// mark is the first eight bytes of s, as a number that orders as they do. Equal
// marks mean nothing: s may go on, or end in zeros.
func mark(s string) (m uint64) {
	if len(s) >= 8 {
		return uint64(s[7]) | uint64(s[6])<<8 | uint64(s[5])<<16 | uint64(s[4])<<24 |
			uint64(s[3])<<32 | uint64(s[2])<<40 | uint64(s[1])<<48 | uint64(s[0])<<56
	}
	for i := range len(s) {
		m |= uint64(s[i]) << (56 - 8*i)
	}
	return m
}

// from returns the index of the first of n marks not below m.
func (x *index) from(m uint64, n int) int {
	marks := x.marks[:n]
	at := 0
	for n > 1 {
		half := n / 2
		if marks[at+half-1] < m {
			at += half
		}
		n -= half
	}
	if n == 1 && marks[at] < m {
		at++
	}
	return at
}

// tied returns the range [lo, hi) of those of n keys that only a look at the
// keys themselves can compare with key. What stands before them is below key,
// what stands behind them above it.
func (x *index) tied(key string, n int) (lo, hi int) {
	switch c := x.common; {
	case len(key) >= len(c) && key[:len(c)] == c:
	case key < c:
		return 0, 0
	default:
		return n, n
	}
	m := mark(key[len(x.common):])
	lo = x.from(m, n)
	for hi = lo; hi < n && x.marks[hi] == m; hi++ {
	}
	return lo, hi
}

// insert adds the mark of a key at an index. It reports false, and does nothing,
// if the key lacks what is common to the others.
func (x *index) insert(i int, key string) bool {
	c := len(x.common)
	if len(key) < c || key[:c] != x.common {
		return false
	}
	copy(x.marks[i+1:], x.marks[i:])
	x.marks[i] = mark(key[c:])
	return true
}

// remove takes out the mark at an index.
func (x *index) remove(i int) { copy(x.marks[i:], x.marks[i+1:]) }

// reindex finds the index of a leaf anew.
func (n *node[T]) reindex(o *owner) {
	x := &index{owner: o}
	if last := len(n.items) - 1; last >= 0 {
		x.common = common(n.items[0].Key(), n.items[last].Key())
	}
	for i, it := range n.items {
		x.marks[i] = mark(it.Key()[len(x.common):])
	}
	n.keys = x
}

// partBy gives an inner node other separators. It keeps seps.
func (n *node[T]) partBy(o *owner, seps []string) {
	x := &index{owner: o, seps: seps}
	if last := len(seps) - 1; last >= 0 {
		x.common = common(seps[0], seps[last])
	}
	for i, s := range seps {
		x.marks[i] = mark(s[len(x.common):])
	}
	n.keys = x
}

// common is the beginning that two keys share, and all keys between them.
func common(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n]
}
