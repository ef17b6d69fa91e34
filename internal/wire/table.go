package wire

// few is how many entries of a table are found faster by looking through them
// than in a map.
const few = 16

// table is what a frame says once and then refers to by number. Small ones, as
// those of packets are, live inside the value and need no memory of their own.
type table[T comparable] struct {
	small [few]T
	n     int
	many  []T       // all of them, once they are more than few
	index map[T]int // of many, while writing
}

// at returns the entry with a number below n.
func (t *table[T]) at(i int) T {
	if t.many != nil {
		return t.many[i]
	}
	return t.small[i]
}

// find returns the number of an entry, or -1.
func (t *table[T]) find(v T) int {
	if t.index != nil {
		if i, ok := t.index[v]; ok {
			return i
		}
		return -1
	}
	for i := range t.n {
		if t.small[i] == v {
			return i
		}
	}
	return -1
}

// note adds an entry unless it is there.
func (t *table[T]) note(v T) {
	if t.find(v) >= 0 {
		return
	}
	if t.n < few {
		t.small[t.n] = v
		t.n++
		return
	}
	if t.index == nil {
		t.index = make(map[T]int, 4*few)
		t.many = append(make([]T, 0, 4*few), t.small[:]...)
		for i, v := range t.many {
			t.index[v] = i
		}
	}
	t.many = append(t.many, v)
	t.index[v] = t.n
	t.n++
}

// room makes place for n entries, which add then adds.
func (t *table[T]) room(n int) {
	if n > few {
		t.many = make([]T, 0, n)
	}
}

// add adds an entry as it comes, twice if it comes twice.
func (t *table[T]) add(v T) {
	if t.many != nil {
		t.many = append(t.many, v)
	} else {
		t.small[t.n] = v
	}
	t.n++
}
