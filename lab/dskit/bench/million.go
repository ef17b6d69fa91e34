package bench

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// million is what becomes of the operations of one node, or of two, when they
// hold 1,000,000 cells: each is measured with a tenth of them as well.
func million(s System, r *Report) error {
	tenth := &Report{}
	if err := sized(s, tenth, manyKeys); err != nil {
		return err
	}
	if err := sized(s, r, 10*manyKeys); err != nil {
		return err
	}
	for i, row := range tenth.Rows {
		r.Rows[i].Tenth = row.Value
	}
	return nil
}

// sized measures with so many cells: as many keys, or a table of half as many
// instances, which have two cells each. One thing is held at a time.
func sized(s System, r *Report, cells int) error {
	for _, part := range []func(System, *Report, int) error{sizedKeys, sizedTable, sizedReceiver, sizedPair} {
		if err := part(s, r, cells); err != nil {
			return err
		}
		runtime.GC() // what the part held
	}
	return nil
}

// steady is the processor time of a call, the middle one of three measurements:
// what stands beside each other here was not measured at the same time.
func steady(f func()) float64 {
	used := make([]float64, 3)
	for i := range used {
		used[i] = perCall(f).used
	}
	slices.Sort(used)
	return used[1]
}

func sizedKeys(s System, r *Report, cells int) error {
	few, keys := Keys("few/", 10), Keys("tenants/", cells-10)
	before := heap()
	n, err := loaded(s, append(keys, few...))
	if err != nil {
		return err
	}
	defer func() { _ = n.Close() }()
	r.add("heap per key of 16 B with a value of 100 B", Bytes, (heap()-before)/float64(cells))
	i, wrong := 0, error(nil)
	r.add("Get, one of all keys", Nanoseconds, steady(func() {
		if i++; len(n.Get(keys[i*7919%len(keys)])) != ValueSize {
			wrong = errWrong
		}
	}))
	r.add("List, 10 of all keys", Nanoseconds, steady(func() {
		if len(n.List("few/")) != len(few) {
			wrong = errWrong
		}
	}))
	values := [2][]byte{Value(keys[0], 2), Value(keys[0], 1)}
	r.add("CAS, one of all keys", Nanoseconds, steady(func() {
		i++
		if err := n.CAS(keys[0], func([]byte) []byte { return values[i%2] }); err != nil {
			wrong = err
		}
	}))
	wrong = errors.Join(wrong, n.CAS(keys[0], func([]byte) []byte { return values[1] }))
	runtime.KeepAlive(few)
	if wrong != nil {
		return wrong
	}
	return sizedJoin(s, r, n)
}

// sizedJoin lets a fresh node join one with keys, and watches both doing nothing.
func sizedJoin(s System, r *Report, old Node) error {
	cells := old.Keys()
	busy, from := cpu(), time.Now()
	fresh, err := s.Start("fresh", old.Addr())
	if err != nil {
		return err
	}
	defer func() { _ = fresh.Close() }()
	if !await(joinLimit, func() bool { return fresh.Keys() == cells }) {
		return fmt.Errorf("%d of %d keys after %v", fresh.Keys(), cells, joinLimit)
	}
	took := float64(time.Since(from))
	time.Sleep(after)
	r.add("join until all keys are there, per key", Nanoseconds, took/float64(cells))
	r.add("join, processor time of both until 5 s after, per key", Nanoseconds, float64(cpu()-busy)/float64(cells))
	runtime.GC() // what joining left behind
	busy, from = cpu(), time.Now()
	time.Sleep(quietTime)
	r.add("processor time of a node at rest, in each second", Nanoseconds, float64(cpu()-busy)/2/time.Since(from).Seconds())
	return r.agreed(old, fresh)
}

func sizedTable(s System, r *Report, cells int) error {
	reg, err := filled(s, cells/2, fieldTokens)
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	o := newOwner(reg, cells/2)
	r.add("Get of a table", Nanoseconds, steady(func() { reg.Open() }))
	r.add("one instance of a table", Nanoseconds, steady(o.look(reg.Open())))
	r.add("heartbeat by CAS", Nanoseconds, steady(o.beat))
	for _, watchers := range []int{1, 10} {
		took, err := o.told(watchers)
		if err != nil {
			return err
		}
		r.add(fmt.Sprintf("from the CAS to %d watchers with the value in hand", watchers), Nanoseconds, took)
	}
	if err := o.last(); err != nil {
		return err
	}
	return r.registered(o.ids, reg)
}

func sizedReceiver(s System, r *Report, cells int) error {
	rec, err := s.Receiver(cells/2, fieldTokens)
	if err != nil {
		return err
	}
	defer func() { _ = rec.Close() }()
	p := &peer{rec: rec, rows: cells / 2, each: 20_000, tick: 1}
	r.add("heartbeat from a peer, each another: processor time", Nanoseconds, p.perBeat(p.others, 1))
	r.add("heartbeat from a peer, 20 in a packet: processor time", Nanoseconds, p.perBeat(p.others, 20))
	return nil
}

func sizedPair(s System, r *Report, cells int) error {
	keys := Keys("tenants/", cells)
	p, err := s.Pair()
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	if err := p.Load(keys, 1); err != nil {
		return err
	}
	same, err := inSync(p)
	if err != nil {
		return err
	}
	apart, err := afterChange(p, keys)
	if err != nil {
		return err
	}
	r.add("reconciliation, in sync: bytes", Bytes, same.bytes)
	r.add("reconciliation, in sync: processor time of both", Nanoseconds, same.used)
	r.add("reconciliation, 100 keys differ: bytes", Bytes, apart.bytes)
	r.add("reconciliation, 100 keys differ: processor time of both", Nanoseconds, apart.used)
	r.add("reconciliation, 100 keys differ: legs", Count, apart.legs)
	both := p.Replicas()
	return r.agreed(both[0], both[1])
}
