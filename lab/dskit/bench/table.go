package bench

import (
	"context"
	"fmt"
	"time"
)

// registry is what the owner of a large table does on his own node.
func registry(s System, r *Report) error {
	reg, err := filled(s, tableRows, tableTokens)
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	o := newOwner(reg, tableRows)
	if err := o.reads(r, "registry of 5,000 x 512 tokens"); err != nil {
		return err
	}
	set := setLimit(tableRows)
	c := perCall(o.beat)
	r.add("registry, heartbeat by CAS", Nanoseconds, c.took).Limit = set
	r.add("registry, heartbeat by CAS: allocated", Bytes, c.bytes)
	for _, watchers := range []int{1, 10} {
		took, err := o.told(watchers)
		if err != nil {
			return err
		}
		r.add(fmt.Sprintf("registry, from the CAS to %d watchers with the value in hand", watchers), Nanoseconds, took).Limit = handOver(watchers)
	}
	const idle = 10_000
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for i := range idle {
		go reg.WatchOther(ctx, fmt.Sprintf("elsewhere/%d", i))
	}
	time.Sleep(time.Second) // they register
	r.add("registry, heartbeat by CAS beside 10,000 idle watchers", Nanoseconds, perCall(o.beat).took).Limit = set
	if err := o.last(); err != nil {
		return err
	}
	return r.registered(o.ids, reg)
}

// fieldTokens is how many tokens the instances of tables have whose number of
// instances is what matters.
const fieldTokens = 8

// fields is reading and writing one instance of ever larger tables.
func fields(s System, r *Report) error {
	for _, n := range []struct {
		rows int
		name string
	}{{10, "10"}, {1000, "1,000"}, {100_000, "100,000"}} {
		if err := fieldsOf(s, r, n.rows, "table of "+n.name); err != nil {
			return err
		}
	}
	return nil
}

func fieldsOf(s System, r *Report, rows int, name string) error {
	reg, err := filled(s, rows, fieldTokens)
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	o := newOwner(reg, rows)
	if err := o.reads(r, name); err != nil {
		return err
	}
	r.add(name+", heartbeat by CAS", Nanoseconds, perCall(o.beat).took).Limit = setLimit(rows)
	if err := o.last(); err != nil {
		return err
	}
	return r.registered(o.ids, reg)
}

// owner heartbeats one instance of a table, always the same.
type owner struct {
	reg    Registry
	ids    []string
	tick   int64
	failed error
}

func newOwner(reg Registry, rows int) *owner {
	return &owner{reg: reg, ids: InstanceIDs(rows), tick: 1}
}

// own is the instance that an owner of a table is.
const own = 7

func (o *owner) beat() {
	o.tick++
	if err := o.reg.Heartbeat(o.ids[own], o.tick); err != nil {
		o.failed = err
	}
}

// last is a write that is the same in every store, however many there were.
func (o *owner) last() error {
	o.tick = 1 << 28
	o.beat()
	return o.failed
}

// reads takes what it costs to get the table, and to look at an instance of it.
func (o *owner) reads(r *Report, name string) error {
	var table Table
	got := perCall(func() { table = o.reg.Open() })
	look := perCall(o.look(table))
	if o.failed != nil {
		return o.failed
	}
	limit := readLimit(len(o.ids))
	r.add(name+": Get", Nanoseconds, got.took).Limit = limit
	r.add(name+": Get, allocated", Bytes, got.bytes)
	r.add(name+": Get, allocations", Count, got.allocs)
	r.add(name+": one instance of what was got", Nanoseconds, look.took).Limit = limit
	return nil
}

// looks is how many instances are looked at, again and again, all over the table:
// whatever a store keeps of a first look, it keeps for a table of any size.
const looks = 1000

// look reads the next one of some instances.
func (o *owner) look(table Table) func() {
	n, i := min(looks, len(o.ids)), 0
	return func() {
		i++
		if in, ok := table.Get(o.ids[i%n*len(o.ids)/n]); !ok || in.Seen != SeenAt(1) {
			o.failed = errWrong
		}
	}
}

// told is the median of the time from a CAS to the last watcher's having it.
func (o *owner) told(watchers int) (float64, error) {
	const rounds = 101
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	seen := make([]chan int64, watchers)
	for i := range seen {
		seen[i] = make(chan int64, 16)
		go o.reg.Watch(ctx, func(t Table) {
			in, _ := t.Get(o.ids[own])
			select {
			case seen[i] <- in.Seen:
			case <-ctx.Done():
			}
		})
	}
	// Not every store tells a new watcher the present value: write until all watch.
	for i := 0; i < len(seen) && o.failed == nil; {
		o.beat()
		select {
		case <-seen[i]:
			i++
		case <-time.After(50 * time.Millisecond):
		}
	}
	took := make([]time.Duration, 0, rounds)
	for range rounds {
		from := time.Now()
		if o.beat(); o.failed != nil {
			return 0, o.failed
		}
		for _, c := range seen {
			for <-c < SeenAt(o.tick) {
			}
		}
		took = append(took, time.Since(from))
	}
	return quantile(took, .5), nil
}
