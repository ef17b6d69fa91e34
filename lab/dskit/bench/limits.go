package bench

import (
	"io"
	"math"
	"net"
	"sync/atomic"
	"time"

	"github.com/tidwall/btree"
)

// What follows is what the hardware and the simplest code allow: no store at
// all. A line stands beside the one of them that it could at best come down to.

// readLimit is an atomic load and a read of a map of n keys.
func readLimit(n int) float64 {
	keys, index := Keys("tenants/", n), make(map[string][]byte, n)
	for _, k := range keys {
		index[k] = Value(k, 1)
	}
	var root atomic.Pointer[map[string][]byte]
	root.Store(&index)
	i, bytes := 0, 0
	c := perCall(func() { i++; bytes += len((*root.Load())[keys[i*7919%len(keys)]]) })
	if bytes == 0 {
		panic("the map read nothing")
	}
	return c.took
}

type pair struct {
	key   string
	value []byte
}

// ordered is a B-tree of the keys.
func ordered(keys []string) *btree.BTreeG[pair] {
	t := btree.NewBTreeG(func(a, b pair) bool { return a.key < b.key })
	for _, k := range keys {
		t.Set(pair{k, Value(k, 1)})
	}
	return t
}

// setLimit is one Set of a B-tree of n keys.
func setLimit(n int) float64 {
	keys := Keys("tenants/", n)
	tree, value, i := ordered(keys), Value("", 2), 0
	return perCall(func() { i++; tree.Set(pair{keys[i*7919%len(keys)], value}) }).took
}

// scanLimit is reading m neighbours in a B-tree of n keys into a slice.
func scanLimit(n, m int) float64 {
	keys := Keys("tenants/", n)
	tree, got := ordered(keys), 0
	c := perCall(func() {
		some := make([]string, 0, m)
		tree.Ascend(pair{key: keys[n/2]}, func(p pair) bool {
			some = append(some, p.key)
			return len(some) < m
		})
		got += len(some)
	})
	if got == 0 {
		panic("the tree read nothing")
	}
	return c.took
}

// handOver is handing a pointer over a channel to n goroutines that wait for it,
// until each has said that it has it.
func handOver(n int) float64 {
	wake, done := make([]chan *Instance, n), make(chan *Instance, n)
	for i := range wake {
		wake[i] = make(chan *Instance)
		go func() {
			for in := range wake[i] {
				done <- in
			}
		}()
	}
	in := new(Instance)
	c := perCall(func() {
		for _, w := range wake {
			w <- in
		}
		for range wake {
			<-done
		}
	})
	for _, w := range wake {
		close(w)
	}
	return c.took
}

// loopback connects to something that serves the other end of the connection.
func loopback(serve func(c net.Conn)) (net.Conn, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }()
	accepted := make(chan struct{})
	go func() {
		c, err := l.Accept()
		close(accepted)
		if err != nil {
			return // the other side says why
		}
		defer func() { _ = c.Close() }()
		serve(c)
	}()
	c, err := net.DialTimeout("tcp", l.Addr().String(), time.Second)
	if err == nil {
		<-accepted
	}
	return c, err
}

// roundTrip is the time of 64 bytes over loopback, there and back.
func roundTrip() (float64, error) {
	c, err := loopback(func(c net.Conn) { _, _ = io.Copy(c, c) })
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	b, failed := make([]byte, 64), error(nil)
	cost := perCall(func() {
		if _, err := c.Write(b); err != nil {
			failed = err
		}
		if _, err := io.ReadFull(c, b); err != nil {
			failed = err
		}
	})
	return cost.took, failed
}

// carried is what carrying bytes over loopback, one way, takes on the clock and of
// the processors, in nanoseconds.
type carried struct{ took, used float64 }

// carry writes so many bytes into a connection that somebody reads.
func carry(bytes float64) (carried, error) {
	read := make(chan error, 1)
	c, err := loopback(func(c net.Conn) {
		_, err := io.CopyN(io.Discard, c, int64(bytes))
		read <- err
	})
	if err != nil {
		return carried{}, err
	}
	defer func() { _ = c.Close() }()
	b := make([]byte, 64<<10)
	busy, from := cpu(), time.Now()
	for left := int(bytes); left > 0; left -= len(b) {
		if _, err := c.Write(b[:min(left, len(b))]); err != nil {
			return carried{}, err
		}
	}
	err = <-read
	return carried{took: float64(time.Since(from)), used: float64(cpu() - busy)}, err
}

// hops is how many members pass on a write until n have it, if each passes it on to
// four.
func hops(n int) float64 { return math.Ceil(math.Log2(float64(n)) / 2) }

// content is the bytes of the keys and their values.
func content(keys []string) (sum float64) {
	for _, k := range keys {
		sum += float64(len(k) + ValueSize)
	}
	return sum
}
