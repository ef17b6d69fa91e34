package bench

import (
	"fmt"
	"time"
)

// differing is how many of the keys differ in the second part of reconcile.
const differing = 100

// reconcile lets two replicas compare their states, at first when they are equal
// and then when one of them has a few newer values.
func reconcile(s System, r *Report) error {
	p, err := s.Pair()
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	keys := Keys("tenants/", manyKeys)
	if err := p.Load(keys, 1); err != nil {
		return err
	}
	trip, err := roundTrip()
	if err != nil {
		return err
	}
	same, err := inSync(p)
	if err != nil {
		return err
	}
	same.add(r, "100,000 keys in sync", exchanged{took: trip, used: trip})
	apart, err := afterChange(p, keys)
	if err != nil {
		return err
	}
	sets := trip + differing*setLimit(manyKeys)
	apart.add(r, "100 of 100,000 keys differ", exchanged{bytes: content(keys[:differing]), took: sets, used: sets})
	both := p.Replicas()
	return r.agreed(both[0], both[1])
}

// inSync is exchanges between equals: many in a row, as what else is called often,
// and the first after a garbage collection.
func inSync(p Pair) (exchanged, error) {
	x, err := exchanges(p, func(int) error { return nil })
	if err != nil {
		return x, err
	}
	x.first = x.used
	x.took, x.used, err = inARow(p)
	x.same = 0 // they did before
	return x, err
}

// inARow is the median of the means of some rows of exchanges: what a store does
// once in a while by its own clock is no part of them.
func inARow(p Pair) (took, used float64, err error) {
	const (
		rows = 9
		long = 30 * time.Millisecond // each; one exchange at least
	)
	var tooks, useds []float64
	for range rows {
		busy, from, n := cpu(), time.Now(), 0.
		for ; n == 0 || time.Since(from) < long; n++ {
			if _, err := p.Exchange(); err != nil {
				return 0, 0, err
			}
		}
		tooks, useds = append(tooks, float64(time.Since(from))/n), append(useds, float64(cpu()-busy)/n)
	}
	return quantile(tooks, .5), quantile(useds, .5), nil
}

// afterChange is an exchange after one side wrote some of the keys.
func afterChange(p Pair, keys []string) (exchanged, error) {
	changed := make([]string, differing)
	return exchanges(p, func(round int) error {
		for i := range changed {
			changed[i] = keys[(i*997+round*31)%len(keys)]
		}
		return p.Change(changed, round+2)
	})
}

// exchanged is what an exchange took, in medians.
type exchanged struct {
	bytes, took, used, legs float64
	same                    float64 // the legs until both held the same; 0: they did before
	first                   float64 // processor time right after a garbage collection, where used is that of many in a row
}

func (x exchanged) add(r *Report, what string, limit exchanged) {
	r.add(reconciling(what, "bytes"), Bytes, x.bytes).Limit = limit.bytes
	r.add(reconciling(what, "time without a network"), Nanoseconds, x.took).Limit = limit.took
	r.add(reconciling(what, "processor time of both"), Nanoseconds, x.used).Limit = limit.used
	if x.first > 0 {
		r.add(reconciling(what, "processor time of both, the first after a garbage collection"), Nanoseconds, x.first).Limit = limit.used
	}
	r.add(reconciling(what, "legs"), Count, x.legs)
	if x.same > 0 {
		r.add(reconciling(what, "legs until both hold the same"), Count, x.same)
	}
}

func reconciling(what, figure string) string {
	return fmt.Sprintf("reconciliation, %s: %s", what, figure)
}

// exchanges runs exchanges, each after its preparation, so often that the first
// ones, which take longer, are the lesser part.
func exchanges(p Pair, prepare func(round int) error) (exchanged, error) {
	const rounds = 9
	var used, took []time.Duration
	var bytes, legs, same []int
	for round := range rounds {
		if err := prepare(round); err != nil {
			return exchanged{}, err
		}
		rest() // garbage of the preparation is not the exchange's
		busy, from := cpu(), time.Now()
		x, err := p.Exchange()
		if err != nil {
			return exchanged{}, err
		}
		took, used = append(took, time.Since(from)), append(used, cpu()-busy)
		bytes, legs, same = append(bytes, x.Bytes), append(legs, x.Legs), append(same, x.Same)
	}
	return exchanged{
		bytes: quantile(bytes, .5), took: quantile(took, .5), used: quantile(used, .5),
		legs: quantile(legs, .5), same: quantile(same, .5),
	}, nil
}
