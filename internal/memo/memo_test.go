package memo

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// text is n bytes of one letter.
func text(letter byte, n int) []byte { return bytes.Repeat([]byte{letter}, n) }

func TestOneMakesForAll(t *testing.T) {
	m := New(1 << 20)
	var makes atomic.Int64
	goOn := make(chan struct{})
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			got := m.Get("k", func() []byte {
				makes.Add(1)
				<-goOn
				return text('x', Least)
			})
			if !bytes.Equal(got, text('x', Least)) {
				t.Errorf("got %d bytes, want what was made", len(got))
			}
		})
	}
	close(goOn)
	all.Wait()
	m.Get("k", func() []byte { makes.Add(1); return nil })
	if n := makes.Load(); n != 1 {
		t.Errorf("made %d times for 101 who want it, want once", n)
	}
}

func TestTheOldestMakesRoom(t *testing.T) {
	m := New(4 * Least)
	makes := 0
	get := func(name string, n int) {
		t.Helper()
		if got := m.Get(name, func() []byte { makes++; return text(name[0], n) }); len(got) != n {
			t.Errorf("%s has %d bytes, want %d", name, len(got), n)
		}
	}
	for i := range 5 {
		get(fmt.Sprint(i), Least)
	}
	if makes = 0; m.size != 4*Least || len(m.by) != 4 || len(m.order) != 4 {
		t.Errorf("%d bytes of %d are kept, in %d rows", m.size, len(m.by), len(m.order))
	}
	for i := 1; i < 5; i++ {
		get(fmt.Sprint(i), Least)
	}
	if makes != 0 {
		t.Errorf("%d of the last four were made again", makes)
	}
	get("0", Least)
	get("small", Least-1)
	get("small", Least-1)
	get("large", 5*Least)
	get("large", 5*Least)
	if makes != 5 {
		t.Errorf("made %d times, want the oldest, and twice each what is not kept", makes)
	}
	if m.Get("none", func() []byte { return nil }) != nil || len(m.by) != 4 || m.size != 4*Least {
		t.Errorf("after all that %d bytes of %d are kept", m.size, len(m.by))
	}
}
