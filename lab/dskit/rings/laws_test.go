package rings_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/grafana/dskit/ring"

	"github.com/starlingkv/starling/crdt/crdttest"
	"github.com/starlingkv/starling/lab/dskit/rings"
)

// TestLaws holds both kinds to the laws of all kinds. Times rise from value to
// value, whoever writes, and lie before the present: removing is dskit's, whose
// tombstones are of now, and is told in histories_test.go.
func TestLaws(t *testing.T) {
	t.Run("desc", func(t *testing.T) {
		t.Parallel()
		crdttest.Laws(t, rings.DescKind(), descGen())
	})
	t.Run("partitions", func(t *testing.T) {
		t.Parallel()
		crdttest.Laws(t, rings.PartitionsKind(), partitionsGen())
	})
}

func descGen() crdttest.Gen {
	clocks := map[*rand.Rand]int64{} // by case
	return func(r *rand.Rand, present any) any {
		d, ok := present.(*ring.Desc)
		if !ok {
			d = ring.NewDesc()
		}
		clocks[r] += 1 + int64(r.IntN(2))
		i := r.IntN(3)
		name := fmt.Sprint("gi-", i)
		in := d.Ingesters[name]
		in.Timestamp, in.State = 1_700_000_000+clocks[r], ring.InstanceState(r.IntN(5))
		if r.IntN(3) == 0 {
			in.Addr, in.Zone = fmt.Sprint("10.0.0.", r.IntN(9)), "zone-"+name
			in.Tokens = randomTokens(r, uint32(i))
			in.Versions = ring.InstanceVersions{1: r.Uint64(), 2: 7, 9: 0}
		}
		d.Ingesters[name] = in
		return d
	}
}

// randomTokens draws tokens that no other instance has.
func randomTokens(r *rand.Rand, i uint32) []uint32 {
	tokens := map[uint32]bool{}
	for range 1 + r.IntN(5) {
		tokens[1000*i+r.Uint32N(1000)] = true
	}
	return slices.Sorted(maps.Keys(tokens))
}

func partitionsGen() crdttest.Gen {
	clocks := map[*rand.Rand]int64{} // by case
	return func(r *rand.Rand, present any) any {
		d := ring.GetOrCreatePartitionRingDesc(present)
		clocks[r] += 1 + int64(r.IntN(2))
		now := 1_700_000_000 + clocks[r]
		id := int32(r.IntN(2))
		p, ok := d.Partitions[id]
		if !ok {
			p = ring.PartitionDesc{Id: id, Tokens: []uint32{7 + uint32(id), 77 + uint32(id)}}
		}
		if !ok || r.IntN(2) == 0 {
			p.State, p.StateTimestamp = ring.PartitionState(1+r.IntN(3)), now
		}
		if !ok || p.StateTimestamp != now { // of a partition that is not whole yet the lock may be here
			p.StateChangeLocked, p.StateChangeLockedTimestamp = r.IntN(2) == 0, now
		}
		d.Partitions[id] = p
		d.Owners[fmt.Sprint("gi-", r.IntN(2))] = ring.OwnerDesc{OwnedPartition: id, State: ring.OwnerActive, UpdatedTimestamp: now}
		return d
	}
}
