package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// What the heartbeating cluster is.
const (
	loadNodes     = 16
	loadInstances = 1000
	loadTokens    = 128
	loadFor       = 30 * time.Second
)

// load lets each of 16 nodes heartbeat its own instance of a registry once a
// second, and takes what that costs and how old the news is when it comes.
func load(s System, r *Report) error {
	var nodes []Registry
	defer func() {
		for _, n := range nodes {
			_ = n.Close()
		}
	}()
	join := ""
	for i := range loadNodes {
		n, err := s.StartRegistry(fmt.Sprintf("node-%d", i), join)
		if err != nil {
			return err
		}
		nodes = append(nodes, n)
		if i == 0 {
			join = n.Addr()
			if err := n.Fill(loadInstances, loadTokens); err != nil {
				return err
			}
		}
	}
	whole := func() bool {
		for _, n := range nodes {
			if n.Members() != loadNodes || n.Len() != loadInstances {
				return false
			}
		}
		return true
	}
	if !await(2*time.Minute, whole) {
		return errors.New("the nodes did not all get the registry")
	}
	time.Sleep(5 * time.Second) // news about members end
	b := &pulses{nodes: nodes}
	return b.run(r)
}

// pulses is the cluster while it heartbeats.
type pulses struct {
	nodes []Registry

	mu     sync.Mutex
	sent   [loadNodes]map[int64]time.Time
	known  [loadNodes][loadNodes]int64
	delays []time.Duration
	failed error
}

func (b *pulses) run(r *Report) error {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for i, n := range b.nodes {
		b.sent[i] = make(map[int64]time.Time)
		all.Go(func() { n.Watch(ctx, func(seen func(int) int64) { b.saw(i, seen) }) })
	}
	time.Sleep(time.Second)
	busy, from := cpu(), time.Now()
	sent := b.bytes()
	var beats sync.WaitGroup
	for i, n := range b.nodes {
		beats.Go(func() { b.beat(i, n) })
	}
	beats.Wait()
	lasted := time.Since(from).Seconds()
	used, bytes := (cpu() - busy).Seconds(), b.bytes()-sent
	last := func() bool { return b.complete() }
	if !await(lastWait, last) {
		return errors.New("the last heartbeats did not reach all nodes")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed != nil {
		return b.failed
	}
	r.add("16 nodes heartbeat once a second in a registry of 1,000: processor seconds per second, in ns", Nanoseconds, used/lasted*1e9)
	r.add("16 nodes heartbeat: bytes in packets per second", Bytes, bytes/lasted)
	r.add("16 nodes heartbeat: delay until another node has it, median", Nanoseconds, quantile(b.delays, .5))
	r.add("16 nodes heartbeat: delay, p99", Nanoseconds, quantile(b.delays, .99))
	tables := make([]rows, len(b.nodes))
	for i, n := range b.nodes {
		tables[i] = n
	}
	return r.registered(loadInstances, tables...)
}

func (b *pulses) bytes() (sum float64) {
	for _, n := range b.nodes {
		sum += n.Traffic().Bytes
	}
	return sum
}

// lastTick is that of the last heartbeat of every node.
const lastTick = 1 + int64(loadFor/time.Second)

// beat heartbeats one instance, at its own phase of the second.
func (b *pulses) beat(i int, n Registry) {
	time.Sleep(time.Duration(i) * time.Second / loadNodes)
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for tick := int64(2); tick <= lastTick; tick++ {
		b.mu.Lock()
		b.sent[i][SeenAt(tick)] = time.Now()
		b.mu.Unlock()
		if err := n.Heartbeat(i, tick); err != nil {
			b.mu.Lock()
			b.failed = err
			b.mu.Unlock()
			return
		}
		<-t.C
	}
}

// saw notes what the watcher of a node was given.
func (b *pulses) saw(node int, seen func(int) int64) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.known[node] {
		at := seen(i)
		if at <= b.known[node][i] {
			continue
		}
		b.known[node][i] = at
		if from, ok := b.sent[i][at]; ok && i != node {
			b.delays = append(b.delays, now.Sub(from))
		}
	}
}

// complete reports whether every node knows the last heartbeat of every other.
func (b *pulses) complete() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for node := range b.known {
		for _, at := range b.known[node] {
			if at < SeenAt(lastTick) {
				return false
			}
		}
	}
	return true
}
