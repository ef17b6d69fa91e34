package tree

import (
	"slices"
	"strings"
)

// A search in a node looks at the marks of its keys: of each the eight bytes
// that stand behind the stem, which is what all keys of the node begin with.
// The marks lie side by side, where the keys are strewn over the memory.

// leaf is what a node has that holds items. It is one piece of memory with its
// node: a read waits for the memory, and so waits for one place less.
type leaf[T Item] struct {
	items []T
	marks []uint64
	stem  stem
}

// inner is what a node has that holds nodes.
type inner[T Item] struct {
	kids []*node[T]
	*parts
}

// parts is what parts the kids of a node. It is never written to: versions of
// the node share it until a kid comes or goes.
type parts struct {
	stem stem

	// seps[i] parts kids[i] (keys below it) from kids[i+1] (the others). A key began
	// with it when the two were split; none need do so now.
	seps  []string
	marks [maxInner]uint64
}

// stem is the beginning that all keys of a node share. head is all of it, if it
// is short enough; else one has to look at a key, wherever that is.
type stem struct {
	size int
	head [40]byte
}

// stemOf is the beginning that two keys share, and all keys between them.
func stemOf(a, b string) (s stem) {
	for s.size < len(a) && s.size < len(b) && a[s.size] == b[s.size] {
		s.size++
	}
	if s.short() {
		copy(s.head[:], a[:s.size])
	}
	return s
}

// Separator is the shortest string above lo and not above hi, which is the higher.
func Separator(lo, hi string) string { return hi[:min(stemOf(lo, hi).size+1, len(hi))] }

func (s *stem) short() bool { return s.size <= len(s.head) }

// side is where a key stands to all keys that begin with a stem.
type side int8

const (
	below side = iota - 1
	among
	above
)

// side tells it of a stem that is short.
func (s *stem) side(key string) side {
	if len(key) >= s.size && key[:s.size] == string(s.head[:s.size]) {
		return among
	}
	if key < string(s.head[:s.size]) {
		return below
	}
	return above
}

func sideOf(stem, key string) side {
	switch {
	case len(key) >= len(stem) && key[:len(stem)] == stem:
		return among
	case key < stem:
		return below
	}
	return above
}

// side is where a key stands to those of a leaf.
func (l *leaf[T]) side(key string) side {
	if l.stem.short() {
		return l.stem.side(key)
	}
	return sideOf(l.items[0].Key()[:l.stem.size], key)
}

// side is where a key stands to the separators.
func (p *parts) side(key string) side {
	if p.stem.short() {
		return p.stem.side(key)
	}
	return sideOf(p.seps[0][:p.stem.size], key)
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

// firstOf returns the index of the first of some marks not below m.
func firstOf(marks []uint64, m uint64) int {
	at, n := 0, len(marks)
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

// tied returns the range [lo, hi) of those of some marks that are m. It begins at
// an index from on; if that is not the first, the range is expected to be near.
func tied(marks []uint64, from int, m uint64) (lo, hi int) {
	const near = 3
	for lo = from; from > 0 && lo < len(marks) && lo < from+near && marks[lo] < m; lo++ {
	}
	if lo == 0 || lo == from+near {
		lo += firstOf(marks[lo:], m)
	}
	for hi = lo; hi < len(marks) && marks[hi] == m; hi++ {
	}
	return lo, hi
}

// find returns the index of the first item not below key, and whether it has
// that key. It is not below from.
func (l *leaf[T]) find(key string, from int) (int, bool) {
	switch l.side(key) {
	case below:
		return 0, false
	case above:
		return len(l.items), false
	}
	lo, hi := tied(l.marks, from, mark(key[l.stem.size:]))
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		switch k := l.items[mid].Key(); {
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

// at returns the item that has a key. To find where the key would stand, as find
// does, is more than one wants who only reads.
func (l *leaf[T]) at(key string) (item T, ok bool) {
	if len(key) < l.stem.size {
		return item, false
	}
	m := mark(key[l.stem.size:])
	for i := firstOf(l.marks, m); i < len(l.items) && l.marks[i] == m; i++ {
		if l.items[i].Key() == key {
			return l.items[i], true
		}
	}
	return item, false
}

// begins reports whether the key of the item at an index begins with start.
func (l *leaf[T]) begins(i int, start string) bool {
	if more := min(len(start)-l.stem.size, 8); more > 0 {
		// Other bits among those that start fills: to look at the key may mean to
		// wait for it.
		if (l.marks[i]^mark(start[l.stem.size:]))>>(64-8*more) != 0 {
			return false
		}
	}
	return strings.HasPrefix(l.items[i].Key(), start)
}

// route returns the index of the kid that holds key, if any does. It is not
// below from.
func (p *parts) route(key string, from int) int {
	switch p.side(key) {
	case below:
		return 0
	case above:
		return len(p.seps)
	}
	lo, hi := tied(p.marks[:len(p.seps)], from, mark(key[p.stem.size:]))
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); p.seps[mid] <= key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// insert puts an item at an index; there is room for it.
func (l *leaf[T]) insert(i int, item T) {
	key := item.Key()
	alike := len(l.items) > 0 && l.side(key) == among
	l.items = slices.Insert(l.items, i, item)
	if !alike {
		l.reindex()
		return
	}
	l.marks = slices.Insert(l.marks, i, mark(key[l.stem.size:]))
}

// remove takes out the items [from, to).
func (l *leaf[T]) remove(from, to int) {
	l.items = slices.Delete(l.items, from, to)
	l.marks = slices.Delete(l.marks, from, to)
}

// reindex finds the stem and the marks anew.
func (l *leaf[T]) reindex() {
	l.stem = stem{}
	if last := len(l.items) - 1; last >= 0 {
		l.stem = stemOf(l.items[0].Key(), l.items[last].Key())
	}
	l.marks = l.marks[:0]
	for _, it := range l.items {
		l.marks = append(l.marks, mark(it.Key()[l.stem.size:]))
	}
}

// partsOf makes what seps part; it keeps seps.
func partsOf(seps []string) *parts {
	p := &parts{seps: seps}
	if last := len(seps) - 1; last >= 0 {
		p.stem = stemOf(seps[0], seps[last])
	}
	for i, s := range seps {
		p.marks[i] = mark(s[p.stem.size:])
	}
	return p
}
