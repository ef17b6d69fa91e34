package bench

import (
	"fmt"
	"time"
)

const (
	// joinLimit has room for a store that gives up and tries again later.
	joinLimit = 5 * time.Minute
	// giveUp has room for two periodic full syncs.
	giveUp = 70 * time.Second
	// after is how long what joining set off is a part of its price.
	after = 5 * time.Second
)

// join takes the time from starting a fresh node to its having every key of the
// one node that it joins.
func join(s System, r *Report) error {
	keys := Keys("tenants/", manyKeys)
	old, err := loaded(s, keys)
	if err != nil {
		return err
	}
	defer func() { _ = old.Close() }()
	busy, from := cpu(), time.Now()
	fresh, err := s.Start("fresh", old.Addr())
	if err != nil {
		return err
	}
	defer func() { _ = fresh.Close() }()
	if !await(joinLimit, func() bool { return fresh.Keys() == len(keys) }) {
		return fmt.Errorf("%d of %d keys after %v", fresh.Keys(), len(keys), joinLimit)
	}
	took := float64(time.Since(from))
	time.Sleep(after)
	used := float64(cpu() - busy)
	least, err := carry(content(keys))
	if err != nil {
		return err
	}
	r.add("join until all of 100,000 keys are there", Nanoseconds, took).Limit = least.took
	r.add("join, processor time of both until 5 s after", Nanoseconds, used).Limit = least.used
	return r.agreed(old, fresh)
}

// The registry of joinLarge, 26 MB of addresses, zones and tokens of four bytes.
const (
	largeRows   = 10_000
	largeTokens = 640
)

// joinLarge is join for one large table. A store may fail at it.
func joinLarge(s System, r *Report) error {
	old, err := filled(s, largeRows, largeTokens)
	if err != nil {
		return err
	}
	defer func() { _ = old.Close() }()
	ids := InstanceIDs(largeRows)
	busy, from := cpu(), time.Now()
	fresh, err := s.StartRegistry("fresh", old.Addr())
	if err != nil {
		return err
	}
	defer func() { _ = fresh.Close() }()
	// Counting is dear: only when the last is there.
	whole := await(giveUp, func() bool {
		_, last := fresh.Open().Get(ids[len(ids)-1])
		return last && fresh.Len() == len(ids)
	})
	took := float64(time.Since(from))
	row := r.add("join of a registry of 26 MB until all is there", Nanoseconds, took)
	if !whole {
		row.Fails = fmt.Sprintf("%d of %d instances after %v", fresh.Len(), len(ids), giveUp)
		r.add("join of a registry of 26 MB, processor time of both until 5 s after", Nanoseconds, 0).Fails = "it did not join"
		return nil
	}
	time.Sleep(after)
	used := float64(cpu() - busy)
	size := 0
	for i := range ids {
		in := MakeInstance(i, largeTokens, 1)
		size += len(ids[i]) + len(in.Addr) + len(in.Zone) + 4*len(in.Tokens) + 8
	}
	least, err := carry(float64(size))
	if err != nil {
		return err
	}
	row.Limit = least.took
	r.add("join of a registry of 26 MB, processor time of both until 5 s after", Nanoseconds, used).Limit = least.used
	return r.registered(ids, old, fresh)
}
