package cell

import "strings"

// Addr is where a cell stands: Key 00 Sub. Keys hold no control characters, so
// nothing is escaped, and the cells of a key stand together in bytewise order,
// its Floor first.
type Addr string

// At is the address of the cell sub of a key. The first byte of sub is the
// class of the cell; an empty sub is the Floor.
func At(key, sub string) Addr { return Addr(key + "\x00" + sub) }

// FloorOf is the address of the Floor of a key.
func FloorOf(key string) Addr { return At(key, "") }

// Key is the key of a. Of bytes that are no address it is all of them.
func (a Addr) Key() string {
	key, _, _ := strings.Cut(string(a), "\x00")
	return key
}

// Sub is what stands behind the key.
func (a Addr) Sub() string {
	_, sub, _ := strings.Cut(string(a), "\x00")
	return sub
}

// Floor is the address of the Floor of the key of a. It costs no memory.
func (a Addr) Floor() Addr {
	if i := strings.IndexByte(string(a), 0); i >= 0 {
		return a[:i+1]
	}
	return FloorOf(string(a))
}

// Class is the first byte of Sub, 0 for a Floor.
func (a Addr) Class() byte {
	if i := strings.IndexByte(string(a), 0); i >= 0 && i+1 < len(a) {
		return a[i+1]
	}
	return 0
}

// IsFloor reports that a is the address of a Floor.
func (a Addr) IsFloor() bool {
	return len(a) > 0 && a[len(a)-1] == 0 && strings.IndexByte(string(a), 0) == len(a)-1
}

// KeyRange is the range of addresses [lo, hi) that holds all cells of a key.
func KeyRange(key string) (lo, hi string) { return key + "\x00", key + "\x01" }

// PrefixRange is the range of addresses [lo, hi) that holds all cells of all
// keys with a prefix. An empty hi is above every address.
func PrefixRange(prefix string) (lo, hi string) {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return prefix, string(b[:i+1])
		}
	}
	return prefix, ""
}
