package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	beating   = 16               // nodes, each of which writes
	instances = 1000             // keys that are there
	beatEvery = time.Second      // to a key of its own
	beatFor   = 30 * time.Second // that long
)

// heartbeat is what a registry costs that nothing happens in: some of the
// instances that it holds say every second that they are alive, and everybody
// watches all of them.
func heartbeat(s System, r *Report) error {
	keys := Keys("instances/", instances)
	first, err := loaded(s, keys)
	if err != nil {
		return err
	}
	c, err := grow(s, cluster{first}, beating)
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }()
	for _, n := range c {
		if !await(time.Minute, func() bool { return n.Keys() == instances }) {
			return fmt.Errorf("%d of %d keys on a node that joined", n.Keys(), instances)
		}
	}
	return c.heartbeat(keys, r)
}

func (c cluster) heartbeat(keys []string, r *Report) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b := &beats{at: make(map[string]time.Time)}
	for _, n := range c {
		go n.WatchPrefix(ctx, "instances/", func(_ string, v []byte) bool { b.saw(v); return true })
	}
	time.Sleep(3 * time.Second) // news about members end
	busy, sent, from := cpu(), c.traffic(), time.Now()
	if err := c.beat(keys, b); err != nil {
		return err
	}
	used, traffic, lasted := cpu()-busy, c.traffic(), time.Since(from).Seconds()
	await(late, func() bool { return b.missing(len(c)) == 0 })
	name := func(what string) string {
		return fmt.Sprintf("heartbeat, %d nodes of %d instances: %s", len(c), len(keys), what)
	}
	r.add(name("processor time per second, all nodes"), Nanoseconds, float64(used)/lasted)
	r.add(name("bytes in packets per second, all nodes"), Bytes, (traffic.Bytes-sent.Bytes)/lasted)
	r.add(name("packets per second, all nodes"), Count, (traffic.Packets-sent.Packets)/lasted)
	b.mu.Lock()
	defer b.mu.Unlock()
	r.add(name("delay to another node, median"), Nanoseconds, quantile(b.late, .5))
	r.add(name("delay to another node, p99"), Nanoseconds, quantile(b.late, .99))
	return r.agreed(c.readers()...)
}

// beat lets every node write to its key, each at its own moment of the second.
func (c cluster) beat(keys []string, b *beats) error {
	errs := make([]error, len(c))
	var all sync.WaitGroup
	for i, n := range c {
		all.Go(func() {
			time.Sleep(beatEvery * time.Duration(i) / time.Duration(len(c)))
			tick := time.NewTicker(beatEvery)
			defer tick.Stop()
			key := keys[i*len(keys)/len(c)]
			for g := range int(beatFor / beatEvery) {
				v := Value(key, g+2)
				b.start(v)
				errs[i] = errors.Join(errs[i], n.CAS(key, func([]byte) []byte { return v }))
				<-tick.C
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// beats is which heartbeat was seen how late. Values tell them apart.
type beats struct {
	mu   sync.Mutex
	at   map[string]time.Time
	late []time.Duration
}

func (b *beats) start(v []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at[string(v)] = time.Now()
}

func (b *beats) saw(v []byte) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if at, known := b.at[string(v)]; known {
		b.late = append(b.late, now.Sub(at))
	}
}

// missing is how often a watcher of one of n nodes has not seen a heartbeat.
func (b *beats) missing(n int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return n*len(b.at) - len(b.late)
}
