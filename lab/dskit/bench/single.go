package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// manyKeys is how many keys the nodes hold in most topics.
const manyKeys = 100_000

var errWrong = errors.New("not what was written")

// loaded starts a node that is alone and holds the keys in generation 1.
func loaded(s System, keys []string) (Node, error) {
	n, err := s.Start("node-0", "")
	if err != nil {
		return nil, err
	}
	if err := n.Load(keys, 1); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	if got := n.Keys(); got != len(keys) {
		return nil, errors.Join(fmt.Errorf("%d keys after loading %d", got, len(keys)), n.Close())
	}
	return n, nil
}

func get(s System, r *Report) error {
	keys := Keys("tenants/", manyKeys)
	n, err := loaded(s, keys)
	if err != nil {
		return err
	}
	defer func() { _ = n.Close() }()
	wrong, i := 0, 0
	c := perCall(func() {
		if i++; len(n.Get(keys[i*7919%len(keys)])) != ValueSize {
			wrong++
		}
	})
	if wrong > 0 {
		return errWrong
	}
	r.add("Get, one of 100,000 keys", Nanoseconds, c.took).Limit = readLimit(manyKeys)
	r.add("Get, allocated", Bytes, c.bytes)
	return r.agreed(n)
}

func cas(s System, r *Report) error {
	keys := Keys("tenants/", manyKeys)
	n, err := loaded(s, keys)
	if err != nil {
		return err
	}
	defer func() { _ = n.Close() }()
	// Values are made before: that is no part of a CAS.
	values := make([][]byte, 64)
	for i := range values {
		values[i] = Value(keys[0], i+2)
	}
	i, failed := 0, error(nil)
	write := func() {
		i++
		if err := n.CAS(keys[0], func([]byte) []byte { return values[i%len(values)] }); err != nil {
			failed = err
		}
	}
	before, calls := cpu(), 0
	c := perCall(func() { write(); calls++ })
	used := cpu() - before
	if failed != nil {
		return failed
	}
	// The last write is the same in every store, however many there were.
	if err := n.CAS(keys[0], func([]byte) []byte { return Value(keys[0], 1000) }); err != nil {
		return err
	}
	set := setLimit(manyKeys)
	r.add("CAS, one of 100,000 keys", Nanoseconds, c.took).Limit = set
	r.add("CAS, processor time", Nanoseconds, float64(used)/float64(calls)).Limit = set
	r.add("CAS, allocated", Bytes, c.bytes)
	return r.agreed(n)
}

func list(s System, r *Report) error {
	n, err := loaded(s, append(Keys("few/", 10), Keys("many/", manyKeys-10)...))
	if err != nil {
		return err
	}
	defer func() { _ = n.Close() }()
	wrong := 0
	c := perCall(func() {
		if len(n.List("few/")) != 10 {
			wrong++
		}
	})
	if wrong > 0 {
		return errWrong
	}
	r.add("List, 10 of 100,000 keys", Nanoseconds, c.took).Limit = scanLimit(manyKeys, 10)
	r.add("List, allocated", Bytes, c.bytes)
	return r.agreed(n)
}

// burst changes 10,000 keys under a prefix watcher that is slow, and counts the
// keys whose last value it was never called with, though nothing happens later.
func burst(s System, r *Report) error {
	for _, slow := range []time.Duration{0, 100 * time.Microsecond, time.Millisecond} {
		if err := burstOne(s, r, slow); err != nil {
			return err
		}
	}
	return nil
}

func burstOne(s System, r *Report, slow time.Duration) error {
	keys := Keys("tenants/", 10_000)
	n, err := loaded(s, keys)
	if err != nil {
		return err
	}
	defer func() { _ = n.Close() }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := &prefixWatcher{seen: make(map[string]bool)}
	go n.WatchPrefix(ctx, "tenants/", func(key string, v []byte) bool {
		for from := time.Now(); time.Since(from) < slow; {
			// The callback works: a sleep would be rounded up to a tick.
		}
		w.note(key, v)
		return true
	})
	// A write to another key under the prefix shows that the watcher listens.
	if !await(30*time.Second, func() bool {
		return n.CAS(readyKey, func(in []byte) []byte { return Value(readyKey, len(in)+w.calls()) }) == nil && w.saw(readyKey)
	}) {
		return errors.New("the watcher was never called")
	}
	w.settle() // a store may tell all present values first
	for _, k := range keys {
		if err := n.CAS(k, func([]byte) []byte { return Value(k, 2) }); err != nil {
			return err
		}
	}
	w.settle()
	lost := 0
	for _, k := range keys {
		if !w.saw(k) {
			lost++
		}
	}
	r.add(fmt.Sprintf("keys of a burst of 10,000 that a watcher never saw, callback %v", slow), Count, float64(lost))
	if err := n.CAS(readyKey, func([]byte) []byte { return Value(readyKey, -1) }); err != nil {
		return err
	}
	return r.agreed(n)
}

const readyKey = "tenants/ready"

// prefixWatcher is what a watcher of a prefix was told.
type prefixWatcher struct {
	mu    sync.Mutex
	count int
	seen  map[string]bool // of generation 2, and readyKey
}

func (w *prefixWatcher) note(key string, v []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	if key == readyKey || string(v) == string(Value(key, 2)) {
		w.seen[key] = true
	}
}

func (w *prefixWatcher) calls() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

func (w *prefixWatcher) saw(key string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[key]
}

// settle waits until the watcher has had no call for a second.
func (w *prefixWatcher) settle() {
	for last := -1; last != w.calls(); time.Sleep(time.Second) {
		last = w.calls()
	}
}
