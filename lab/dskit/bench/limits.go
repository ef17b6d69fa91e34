package bench

import (
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/tidwall/btree"
)

// limits are what the hardware and the simplest code allow for some of the
// lines, measured in the same run: nothing can be faster. They are the same for
// every store, and their own table says how far starling is from them.
func limits(_ System, r *Report) error {
	keys := Keys("tenants/", manyKeys)
	index := make(map[string][]byte, len(keys))
	for _, k := range keys {
		index[k] = Value(k, 1)
	}
	var root atomic.Pointer[map[string][]byte]
	root.Store(&index)
	i, wrong := 0, 0
	took, _ := perCall(func() {
		if i++; len((*root.Load())[keys[i*7919%len(keys)]]) != ValueSize {
			wrong++
		}
	})
	if wrong > 0 {
		return errWrong
	}
	r.add("limit of Get: an atomic load and a map read", Nanoseconds, took)
	tree := btree.NewBTreeG(func(a, b pair) bool { return a.key < b.key })
	for _, k := range keys {
		tree.Set(pair{k, index[k]})
	}
	took, _ = perCall(func() { i++; k := keys[i*7919%len(keys)]; tree.Set(pair{k, index[k]}) })
	r.add("limit of a merge: Set of a B-tree of 100,000", Nanoseconds, took)
	took, err := roundTrip()
	if err != nil {
		return err
	}
	r.add("limit of a reconciliation in sync: one round trip of 64 B over loopback", Nanoseconds, took)
	r.State = fmt.Sprint(len(keys), " keys")
	return nil
}

type pair struct {
	key   string
	value []byte
}

// roundTrip is the time of 64 bytes there and back.
func roundTrip() (float64, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return // the other side says why
		}
		defer func() { _ = c.Close() }()
		_, _ = io.Copy(c, c)
	}()
	c, err := net.DialTimeout("tcp", l.Addr().String(), time.Second)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	b, failed := make([]byte, 64), error(nil)
	took, _ := perCall(func() {
		if _, err := c.Write(b); err != nil {
			failed = err
		}
		if _, err := io.ReadFull(c, b); err != nil {
			failed = err
		}
	})
	return took, failed
}
