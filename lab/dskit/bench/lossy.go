package bench

import (
	"errors"
	"fmt"
	"time"
)

// Lossy is a store whose clusters can be played on a network that loses packets.
type Lossy interface {
	// Spread lets nodes write in turn and tells how long it takes until all have an
	// update. It fails if one does not come to all.
	Spread(nodes int, loss float64) (Spread, error)
}

// Spread is the times of many updates.
type Spread struct {
	Updates          int
	Median, P90, P99 time.Duration
}

// lossy is how fast updates spread where packets get lost, in virtual time: no
// machine loses as many on its loopback, and 64 nodes on two processors would be
// measured with their scheduler.
func lossy(s System, r *Report) error {
	const nodes = 64
	l, is := s.(Lossy)
	if !is {
		return errors.New("this store is not played without a network")
	}
	got, err := l.Spread(nodes, 0.05)
	if err != nil {
		return err
	}
	line := fmt.Sprintf("%d nodes, 5 %% of packets lost, in virtual time: all nodes, ", nodes)
	r.add(line+"median", Nanoseconds, float64(got.Median))
	r.add(line+"p90", Nanoseconds, float64(got.P90))
	r.add(line+"p99", Nanoseconds, float64(got.P99))
	return r.note([]string{fmt.Sprintf("%d updates on all of %d nodes", got.Updates, nodes)})
}
