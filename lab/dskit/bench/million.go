package bench

import (
	"errors"
	"fmt"
	"runtime"
	"time"
)

// The two sizes that million compares, in cells: keys have one, instances two.
var sizes = [2]int{manyKeys, 10 * manyKeys}

// million is what becomes of the operations of one node, or of two, when they
// hold 1,000,000 cells instead of a tenth of them.
func million(s System, r *Report) error {
	for _, part := range []func(s System, r *Report, cells int) error{sizedCluster, sizedReceiver, sizedPair} {
		if err := apart(s, r, part); err != nil {
			return err
		}
	}
	for _, part := range []func(s System, cells int) (*subject, error){sizedKeys, sizedTable} {
		if err := beside(s, r, part); err != nil {
			return err
		}
	}
	return nil
}

// apart does one size after the other: what is measured takes so many calls, or so
// much memory, that nothing else should be there.
func apart(s System, r *Report, part func(s System, r *Report, cells int) error) error {
	var found [2]Report
	for i, cells := range sizes {
		if err := part(s, &found[i], cells); err != nil {
			return err
		}
		runtime.GC() // what it held
	}
	r.grown(found[:1], found[1:])
	return r.note([]string{found[0].State + " " + found[1].State})
}

// subject is a node, or two, of some size.
type subject struct {
	steps []step
	end   func(r *Report) error // notes the state
	close func() error
}

// step measures something, and adds the same rows each time.
type step func(r *Report) error

// again is how often a step is taken with each size, by turns: whatever else the
// machine does hits both.
const again = 3

// beside takes every step with both sizes.
func beside(s System, r *Report, part func(s System, cells int) (*subject, error)) (err error) {
	var both [2]*subject
	for i, cells := range sizes {
		if both[i], err = part(s, cells); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, both[i].close()) }()
	}
	for n := range both[0].steps {
		var found [2][]Report
		for range again {
			for i := range both {
				var one Report
				if err := both[i].steps[n](&one); err != nil {
					return err
				}
				found[i] = append(found[i], one)
			}
		}
		r.grown(found[0], found[1])
	}
	return errors.Join(both[0].end(r), both[1].end(r))
}

// grown adds the medians of the second reports, beside those of the first.
func (r *Report) grown(tenth, whole []Report) {
	middle := func(of []Report, row int) float64 {
		values := make([]float64, len(of))
		for i := range of {
			values[i] = of[i].Rows[row].Value
		}
		return quantile(values, .5)
	}
	for i, row := range whole[0].Rows {
		r.add(row.Name, row.Unit, middle(whole, i)).Tenth = middle(tenth, i)
	}
}

// sizedCluster lets a fresh node join one with keys, and watches both doing
// nothing.
func sizedCluster(s System, r *Report, cells int) error {
	keys := Keys("tenants/", cells)
	before := heap()
	old, err := loaded(s, keys)
	if err != nil {
		return err
	}
	defer func() { _ = old.Close() }()
	r.add("heap per key of 16 B with a value of 100 B", Bytes, (heap()-before)/float64(cells))
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
	r.add("join until all keys are there, time per key", Nanoseconds, took/float64(cells))
	r.add("join, of both until 5 s after, per key", Nanoseconds, float64(cpu()-busy)/float64(cells))
	rest() // what joining left behind
	busy, from = cpu(), time.Now()
	time.Sleep(quietTime)
	r.add("one node of two at rest, in each second", Nanoseconds, float64(cpu()-busy)/2/time.Since(from).Seconds())
	return r.agreed(old, fresh)
}

// used takes the processor time of a call.
func used(name string, f func() error) step {
	return func(r *Report) error {
		var failed error
		c := perCall(func() {
			if err := f(); err != nil {
				failed = err
			}
		})
		r.add(name, Nanoseconds, c.used)
		return failed
	}
}

func sizedKeys(s System, cells int) (*subject, error) {
	few, keys := Keys("few/", 10), Keys("tenants/", cells-10)
	n, err := loaded(s, append(keys, few...))
	if err != nil {
		return nil, err
	}
	i, values := 0, [2][]byte{Value(keys[0], 1), Value(keys[0], 2)}
	steps := []step{
		used("Get, one of all keys", func() error {
			if i++; len(n.Get(keys[i*7919%len(keys)])) != ValueSize {
				return errWrong
			}
			return nil
		}),
		used("List, 10 of all keys", func() error {
			if len(n.List("few/")) != len(few) {
				return errWrong
			}
			return nil
		}),
		used("CAS, one of all keys", func() error {
			i++
			return n.CAS(keys[0], func([]byte) []byte { return values[i%2] })
		}),
	}
	end := func(r *Report) error {
		return errors.Join(n.CAS(keys[0], func([]byte) []byte { return values[0] }), r.agreed(n))
	}
	return &subject{steps, end, n.Close}, nil
}

func sizedTable(s System, cells int) (*subject, error) {
	reg, err := filled(s, cells/2, fieldTokens)
	if err != nil {
		return nil, err
	}
	o := newOwner(reg, cells/2)
	call := func(f func()) func() error {
		return func() error { f(); return o.failed }
	}
	told := func(watchers int) step {
		return func(r *Report) error {
			took, err := o.told(watchers)
			r.add(fmt.Sprintf("from the CAS to %d watchers with the value in hand, time", watchers), Nanoseconds, took)
			return err
		}
	}
	steps := []step{
		used("Get of a table", call(func() { reg.Open() })),
		used("one instance of a table", call(o.look(reg.Open()))),
		used("heartbeat by CAS", call(o.beat)),
		told(1),
		told(10),
	}
	end := func(r *Report) error { return errors.Join(o.last(), r.registered(o.ids, reg)) }
	return &subject{steps, end, reg.Close}, nil
}

func sizedReceiver(s System, r *Report, cells int) error {
	rec, err := s.Receiver(cells/2, fieldTokens)
	if err != nil {
		return err
	}
	defer func() { _ = rec.Close() }()
	p := &peer{rec: rec, rows: cells / 2, rounds: 2, each: 20_000, tick: 1}
	for _, per := range []int{1, 20} {
		r.add(fmt.Sprintf("heartbeat from a peer, %d from all over the table in a packet", per), Nanoseconds, p.perBeat(p.strewn, per))
	}
	p.tick = 1 << 28
	p.paced(p.others(p.rows), 20)
	return r.registered(InstanceIDs(p.rows), rec)
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
	changed, err := afterChange(p, keys)
	if err != nil {
		return err
	}
	r.add("reconciliation, in sync: bytes", Bytes, same.bytes)
	r.add("reconciliation, in sync: both nodes", Nanoseconds, same.used)
	r.add("reconciliation, in sync: both nodes, the first after a garbage collection", Nanoseconds, same.first)
	r.add("reconciliation, 100 keys differ: bytes", Bytes, changed.bytes)
	r.add("reconciliation, 100 keys differ: both nodes", Nanoseconds, changed.used)
	r.add("reconciliation, 100 keys differ: legs", Count, changed.legs)
	both := p.Replicas()
	return r.agreed(both[0], both[1])
}
