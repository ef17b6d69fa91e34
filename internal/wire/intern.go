package wire

import (
	"maps"
	"sync/atomic"
)

// maxInterned bounds how many codec ids are shared; a cluster uses a handful.
const maxInterned = 64

// interned keeps one string per codec id, so that a million cells of one codec
// do not hold a million copies of its name. It never forgets and stops growing
// at maxInterned, so that a peer cannot fill it.
type interned struct {
	ids atomic.Pointer[map[string]string]
}

func (in *interned) get(id []byte) string {
	old := in.ids.Load()
	if old != nil {
		if s, ok := (*old)[string(id)]; ok {
			return s
		}
		if len(*old) >= maxInterned {
			return string(id)
		}
	}
	s := string(id)
	next := map[string]string{s: s}
	if old != nil {
		maps.Copy(next, *old)
	}
	in.ids.CompareAndSwap(old, &next) // a lost race costs one copy of one id
	return s
}
