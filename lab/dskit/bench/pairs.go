package bench

import (
	"fmt"
	"runtime"
	"time"
)

// reconcile lets two replicas compare their states, at first when they are equal
// and then when one of them has a few newer values.
func reconcile(s System, r *Report) error {
	keys := Keys("tenants/", manyKeys)
	p, err := s.Pair()
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	if err := p.Load(keys, 1); err != nil {
		return err
	}
	if err := exchanges(p, r, "100,000 keys in sync", func(int) error { return nil }); err != nil {
		return err
	}
	const differing = 100
	changed := make([]string, differing)
	if err := exchanges(p, r, "100 of 100,000 keys differ", func(round int) error {
		for i := range changed {
			changed[i] = keys[(i*997+round*31)%len(keys)]
		}
		return p.Change(changed, round+2)
	}); err != nil {
		return err
	}
	both := p.Replicas()
	return r.agreed(both[0], both[1])
}

// exchanges runs exchanges, each after its preparation, and reports the medians.
func exchanges(p Pair, r *Report, what string, prepare func(round int) error) error {
	const rounds = 9
	var used, took []time.Duration
	var bytes, legs []int
	for round := range rounds {
		if err := prepare(round); err != nil {
			return err
		}
		runtime.GC() // garbage of the preparation is not the exchange's
		busy, from := cpu(), time.Now()
		x, err := p.Exchange()
		if err != nil {
			return err
		}
		took, used = append(took, time.Since(from)), append(used, cpu()-busy)
		bytes, legs = append(bytes, x.Bytes), append(legs, x.Legs)
	}
	r.add(fmt.Sprintf("reconciliation, %s: bytes", what), Bytes, quantile(bytes, .5))
	r.add(fmt.Sprintf("reconciliation, %s: time without a network", what), Nanoseconds, quantile(took, .5))
	r.add(fmt.Sprintf("reconciliation, %s: processor time of both", what), Nanoseconds, quantile(used, .5))
	r.add(fmt.Sprintf("reconciliation, %s: legs", what), Count, quantile(legs, .5))
	return nil
}
