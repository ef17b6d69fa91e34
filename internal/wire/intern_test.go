package wire

import (
	"fmt"
	"testing"
	"unsafe"
)

func TestInterned(t *testing.T) {
	var in interned
	same := func(a, b string) bool { return a == b && unsafe.StringData(a) == unsafe.StringData(b) }
	if a, b := in.get([]byte("json")), in.get([]byte("json")); !same(a, b) {
		t.Errorf("%q and %q are two strings", a, b)
	}
	for i := range 3 * maxInterned {
		id := fmt.Sprintf("codec-%d", i)
		if got := in.get([]byte(id)); got != id {
			t.Fatalf("%q became %q", id, got)
		}
	}
	if n := len(*in.ids.Load()); n != maxInterned {
		t.Errorf("%d ids are kept, want %d", n, maxInterned)
	}
	if a, b := in.get([]byte("json")), in.get([]byte("json")); !same(a, b) {
		t.Errorf("%q was forgotten", a)
	}
}
