package bench

import (
	"fmt"
	"runtime"
	"slices"
)

// memory is what keys cost a node that got them in the way that costs it least.
func memory(s System, r *Report) error {
	keys := Keys("tenants/", manyKeys)
	n, err := s.Start("node-0", "")
	if err != nil {
		return err
	}
	defer func() { _ = n.Close() }()
	before := heap()
	if err := n.Load(keys, 1); err != nil {
		return err
	}
	after := heap()
	runtime.KeepAlive(keys) // they were there before
	r.add("heap per key of 16 B with a value of 100 B", Bytes, (after-before)/manyKeys).Limit = content(keys) / manyKeys
	return r.agreed(n)
}

// memoryByGossip is what keys cost a node that got them by gossip.
func memoryByGossip(s System, r *Report) error {
	const n = 10_000
	g, err := gossiped(s, r, Keys("registry/zone", n), ValueSize)
	if err != nil {
		return err
	}
	r.add("heap per key of 20 B with a value of 100 B, 10,000 by gossip", Bytes, g.heap).Limit = 20 + ValueSize
	r.add("goroutines more on both nodes, after 10,000 keys", Count, g.goroutines)
	return nil
}

// memorySmall is the same for as many keys as other topics hold.
func memorySmall(s System, r *Report) error {
	const size = 32
	g, err := gossiped(s, r, Keys("registry/zone", manyKeys), size)
	if err != nil {
		return err
	}
	r.add("heap per key of 20 B with a value of 32 B, 100,000 by gossip", Bytes, g.heap).Limit = 20 + size
	return nil
}

// held is what keys cost: bytes for each key and node, and goroutines of both.
type held struct{ heap, goroutines float64 }

// gossiped writes keys on one of two nodes and takes half of what both hold then.
func gossiped(s System, r *Report, keys []string, size int) (held, error) {
	c, err := assemble(s, 2)
	if err != nil {
		return held{}, err
	}
	defer func() { _ = c.close() }()
	before, goroutines := heap(), runtime.NumGoroutine()
	for i, k := range keys {
		v := slices.Clone(Value(k, 1)[:size])
		if err := c[0].CAS(k, func([]byte) []byte { return v }); err != nil {
			return held{}, err
		}
		if i%100 == 99 && !await(lastWait, func() bool { return c[1].Keys() > i-200 }) {
			return held{}, fmt.Errorf("%d of %d keys came", c[1].Keys(), i)
		}
	}
	if !await(joinLimit, func() bool { return c[1].Keys() == len(keys) }) {
		return held{}, fmt.Errorf("%d of %d keys came", c[1].Keys(), len(keys))
	}
	after, more := heap(), runtime.NumGoroutine()
	runtime.KeepAlive(keys)
	return held{heap: (after - before) / float64(2*len(keys)), goroutines: float64(max(0, more-goroutines))}, r.agreed(c.readers()...)
}
