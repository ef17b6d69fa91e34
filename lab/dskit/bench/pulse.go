package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// What every heartbeating cluster is.
const (
	beating   = 16               // nodes, each of which heartbeats
	instances = 1000             // that all of them hold
	beatEvery = time.Second      // each node at its own moment of the second
	beatFor   = 60 * time.Second // that long: each node starts two full syncs of dskit's, or two sessions, in it
	beatCount = int(beatFor / beatEvery)
)

// pulse is a cluster while its nodes heartbeat.
type pulse struct {
	name    string
	payload float64                    // the bytes of one heartbeat: its name and its value
	beat    func(node, n int) error    // writes the n-th heartbeat of a node, from 1 on
	watch   func(context.Context, int) // tells saw of what comes to a node
	traffic func() Traffic             // of all nodes

	mu     sync.Mutex
	sent   [beating][beatCount + 1]time.Time
	known  [beating][beating]int // by node: the last heartbeat of each that it knows
	delays []time.Duration       // to other nodes
}

// run takes what heartbeats cost, and how old the news is when it comes.
func (p *pulse) run(r *Report) error {
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	for node := range beating {
		watching.Go(func() { p.watch(ctx, node) })
	}
	time.Sleep(5 * time.Second) // news about members end
	busy, sent, from := cpu(), p.traffic(), time.Now()
	if err := p.beats(); err != nil {
		return err
	}
	used, traffic, lasted := cpu()-busy, p.traffic(), time.Since(from).Seconds()
	if !await(lastWait, p.complete) {
		return errors.New("the last heartbeats did not reach all nodes")
	}
	trip, err := roundTrip()
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	const perSecond = beating * (beating - 1)
	name := func(what string) string { return p.name + ": " + what }
	r.add(name("processor time of all nodes, of one core"), Percent, 100*used.Seconds()/lasted).Limit = 100 * perSecond * trip / 2 / 1e9
	r.add(name("bytes per second, streams included"), Bytes, (traffic.All-sent.All)/lasted).Limit = perSecond * p.payload
	r.add(name("bytes in packets per second"), Bytes, (traffic.Bytes-sent.Bytes)/lasted).Limit = perSecond * p.payload
	r.add(name("packets per second"), Count, (traffic.Packets-sent.Packets)/lasted).Limit = perSecond
	r.add(name("delay to another node, median"), Nanoseconds, quantile(p.delays, .5)).Limit = hops(beating) * trip
	r.add(name("delay to another node, p99"), Nanoseconds, quantile(p.delays, .99)).Limit = hops(beating) * trip
	return nil
}

// beats lets every node heartbeat until all have.
func (p *pulse) beats() error {
	errs := make([]error, beating)
	var all sync.WaitGroup
	for node := range beating {
		all.Go(func() {
			time.Sleep(beatEvery * time.Duration(node) / beating)
			tick := time.NewTicker(beatEvery)
			defer tick.Stop()
			for n := 1; n <= beatCount; n++ {
				p.start(node, n)
				errs[node] = errors.Join(errs[node], p.beat(node, n))
				<-tick.C
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (p *pulse) start(node, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent[node][n] = time.Now()
}

// saw notes that a node has the n-th heartbeat of another; 0 stands for what was
// there before.
func (p *pulse) saw(node, of, n int) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if n <= p.known[node][of] || n > beatCount {
		return
	}
	p.known[node][of] = n
	if node != of {
		p.delays = append(p.delays, now.Sub(p.sent[of][n]))
	}
}

// complete reports whether every node knows the last heartbeat of every other.
func (p *pulse) complete() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !slices.ContainsFunc(p.known[:], func(of [beating]int) bool {
		return slices.ContainsFunc(of[:], func(n int) bool { return n < beatCount })
	})
}

// heartbeat is the registry of one key an instance: each node watches them all.
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
	own := func(node int) string { return keys[node*len(keys)/beating] }
	type which struct{ of, n int }
	told := make(map[string]which) // by the value
	for node := range beating {
		for n := range beatCount + 1 {
			told[string(Value(own(node), n+1))] = which{node, n}
		}
	}
	p := &pulse{name: "16 nodes heartbeat in 1,000 keys", payload: content(keys[:1]), traffic: c.traffic}
	p.beat = func(node, n int) error {
		v := Value(own(node), n+1)
		return c[node].CAS(own(node), func([]byte) []byte { return v })
	}
	p.watch = func(ctx context.Context, node int) {
		c[node].WatchPrefix(ctx, "instances/", func(_ string, v []byte) bool {
			if w, ok := told[string(v)]; ok {
				p.saw(node, w.of, w.n)
			}
			return true
		})
	}
	if err := p.run(r); err != nil {
		return err
	}
	return r.agreed(c.readers()...)
}

// load is the registry of one table: each node has the whole of it in hand when
// it is told.
func load(s System, r *Report) error {
	nodes, err := tables(s, beating, instances)
	defer func() {
		for _, n := range nodes {
			_ = n.Close()
		}
	}()
	if err != nil {
		return err
	}
	ids := InstanceIDs(instances)
	p := &pulse{name: "16 nodes heartbeat in a registry of 1,000", payload: float64(len(RegistryKey) + len(ids[0]) + 8)}
	p.traffic = func() (sum Traffic) {
		for _, n := range nodes {
			sum = sum.plus(n.Traffic())
		}
		return sum
	}
	// Filled in as of tick 1.
	p.beat = func(node, n int) error { return nodes[node].Heartbeat(ids[node], int64(n)+1) }
	p.watch = func(ctx context.Context, node int) {
		nodes[node].Watch(ctx, func(t Table) {
			for of := range beating {
				in, _ := t.Get(ids[of])
				p.saw(node, of, int(in.Seen-SeenAt(1)))
			}
		})
	}
	if err := p.run(r); err != nil {
		return err
	}
	opened := make([]opener, len(nodes))
	for i, n := range nodes {
		opened[i] = n
	}
	return r.registered(ids, opened...)
}

// loadTokens is how many tokens the instances of a heartbeating table have.
const loadTokens = 128

// tables starts nodes that all hold one table. What it started it returns in
// every case.
func tables(s System, nodes, rows int) (all []Registry, err error) {
	join := ""
	for i := range nodes {
		n, err := s.StartRegistry(fmt.Sprintf("node-%d", i), join)
		if err != nil {
			return all, err
		}
		all = append(all, n)
		if i > 0 {
			continue
		}
		join = n.Addr()
		if err := n.Fill(rows, loadTokens); err != nil {
			return all, err
		}
	}
	whole := func() bool {
		return !slices.ContainsFunc(all, func(n Registry) bool { return n.Members() != nodes || n.Len() != rows })
	}
	if !await(2*time.Minute, whole) {
		return all, errors.New("the nodes did not all get the registry")
	}
	return all, nil
}
