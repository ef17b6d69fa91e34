package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// cluster is nodes in this process, over loopback.
type cluster []Node

// assemble starts n nodes, all of which join the first.
func assemble(s System, n int) (cluster, error) { return grow(s, nil, n) }

// grow starts nodes until there are n. All join the first.
func grow(s System, c cluster, n int) (cluster, error) {
	join := ""
	if len(c) > 0 {
		join = c[0].Addr()
	}
	for i := len(c); i < n; i++ {
		node, err := s.Start(fmt.Sprintf("node-%d", i), join)
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		c = append(c, node)
		join = c[0].Addr()
	}
	complete := func() bool {
		return !slices.ContainsFunc(c, func(m Node) bool { return m.Members() != n })
	}
	if !await(time.Minute, complete) {
		return nil, errors.Join(fmt.Errorf("%d nodes did not all find each other", n), c.close())
	}
	return c, nil
}

func (c cluster) close() error {
	errs := make([]error, len(c))
	var all sync.WaitGroup
	for i, n := range c {
		all.Go(func() { errs[i] = n.Close() })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (c cluster) traffic() (sum Traffic) {
	for _, n := range c {
		sum = sum.plus(n.Traffic())
	}
	return sum
}

func (t Traffic) plus(o Traffic) Traffic {
	return Traffic{Packets: t.Packets + o.Packets, Bytes: t.Bytes + o.Bytes, All: t.All + o.All}
}

func (c cluster) readers() []Reader {
	out := make([]Reader, len(c))
	for i, n := range c {
		out[i] = n
	}
	return out
}

const (
	updates   = 30
	late      = 3 * time.Second  // the next update does not wait for longer
	lastWait  = 40 * time.Second // for the late ones: past one periodic full sync
	quietTime = 10 * time.Second // how long the idle cluster is measured
	smallKey  = "small"
)

// converge writes one small value on one node, again and again, and takes the time
// until the watchers of all nodes have it.
func converge(nodes int) func(s System, r *Report) error {
	return func(s System, r *Report) error {
		c, err := assemble(s, nodes)
		if err != nil {
			return err
		}
		defer func() { _ = c.close() }()
		return c.converge(r)
	}
}

func (c cluster) converge(r *Report) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a := newRace(len(c))
	for i, n := range c {
		go n.WatchKey(ctx, smallKey, func(v []byte) bool { a.saw(i, v); return true })
	}
	time.Sleep(3 * time.Second) // news about members end
	busy, sent, from := cpu(), c.traffic(), time.Now()
	for u := range updates {
		v := Value(smallKey, u)
		a.start(u, v)
		if err := c[0].CAS(smallKey, func([]byte) []byte { return v }); err != nil {
			return err
		}
		a.await(u, late)
		// Retransmissions end, and the next update meets another phase of the ticks.
		time.Sleep(1200*time.Millisecond + rand.N(200*time.Millisecond))
	}
	used, traffic, lasted := cpu()-busy, c.traffic(), time.Since(from)
	var half, each, all []time.Duration
	for u := range updates {
		took := a.await(u, lastWait)
		half, each, all = append(half, took[(len(c)+1)/2-1]), append(each, took...), append(all, took[len(took)-1])
	}
	busy, quiet, from := cpu(), c.traffic(), time.Now()
	time.Sleep(quietTime)
	share := float64(lasted) / float64(time.Since(from)) // probes are no part of an update
	idle, idleUsed := c.traffic(), cpu()-busy
	trip, err := roundTrip()
	if err != nil {
		return err
	}
	deepest, others := hops(len(c))*trip, float64(len(c)-1)
	name := func(what string) string { return fmt.Sprintf("converge, %d nodes: %s", len(c), what) }
	r.add(name("half of the nodes"), Nanoseconds, quantile(half, .5)).Limit = deepest
	r.add(name("99 % of all (node, update)"), Nanoseconds, quantile(each, .99)).Limit = deepest
	r.add(name("all nodes, median"), Nanoseconds, quantile(all, .5)).Limit = deepest
	r.add(name("all nodes, p90"), Nanoseconds, quantile(all, .9)).Limit = deepest
	r.add(name("packets per update"), Count, (traffic.Packets-sent.Packets-share*(idle.Packets-quiet.Packets))/updates).Limit = others
	r.add(name("bytes in packets per update"), Bytes, (traffic.Bytes-sent.Bytes-share*(idle.Bytes-quiet.Bytes))/updates).
		Limit = others * content([]string{smallKey})
	r.add(name("processor time per update, all nodes"), Nanoseconds, (float64(used)-share*float64(idleUsed))/updates).
		Limit = others * trip / 2
	return r.agreed(c.readers()...)
}

// race is who saw which update when. A node that saw a later one has seen it.
type race struct {
	mu   sync.Mutex
	at   []time.Time
	now  map[string]int    // update by its value
	took [][]time.Duration // by update and node; 0: not yet
}

func newRace(nodes int) *race {
	a := &race{at: make([]time.Time, updates), now: make(map[string]int), took: make([][]time.Duration, updates)}
	for u := range a.took {
		a.took[u] = make([]time.Duration, nodes)
	}
	return a
}

func (a *race) start(u int, v []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now[string(v)], a.at[u] = u, time.Now()
}

func (a *race) saw(node int, v []byte) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	last, known := a.now[string(v)]
	if !known {
		return
	}
	for u := range last + 1 {
		if a.took[u][node] == 0 {
			a.took[u][node] = now.Sub(a.at[u])
		}
	}
}

// await returns the sorted times of an update; a node that has not seen it within
// the limit counts as having taken an hour.
func (a *race) await(u int, limit time.Duration) []time.Duration {
	missing := func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return slices.Contains(a.took[u], 0)
	}
	for missing() && time.Since(a.at[u]) < limit {
		time.Sleep(2 * time.Millisecond)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	took := slices.Clone(a.took[u])
	for i := range took {
		if took[i] == 0 {
			took[i] = time.Hour
		}
	}
	slices.Sort(took)
	return took
}
