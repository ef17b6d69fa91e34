package rings_test

import (
	"fmt"
	"testing"

	"github.com/grafana/dskit/ring"

	"github.com/starlingkv/starling/crdt/crdttest"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/lab/dskit/rings"
)

// two is a token that two instances registered at once, on two members, and who
// has it in the eyes of a third.
func two(t *testing.T, a, b ring.InstanceState) (third *crdttest.Replica, writers [2]*crdttest.Replica) {
	t.Helper()
	third = crdttest.NewReplica(rings.DescKind(), 9)
	for i, state := range []ring.InstanceState{a, b} {
		d := ring.NewDesc()
		d.Ingesters[fmt.Sprint("gi-", i)] = ring.InstanceDesc{
			Addr: fmt.Sprint("10.0.0.", i), Timestamp: 1_700_000_000 + int64(i), State: state, Tokens: []uint32{7, uint32(100 + i)},
		}
		writers[i] = crdttest.NewReplica(rings.DescKind(), cell.Origin(2+i))
		cells, err := writers[i].Write("ring", d)
		if err != nil {
			t.Fatal(err)
		}
		third.Hear(cells...)
	}
	return third, writers
}

func ringOf(t *testing.T, r *crdttest.Replica) *ring.Desc {
	t.Helper()
	v, err := r.Read("ring")
	if err != nil {
		t.Fatal(err)
	}
	return v.(*ring.Desc)
}

// TestTokenConflicts: who leaves loses a token, else the lower name keeps it.
func TestTokenConflicts(t *testing.T) {
	for _, c := range []struct {
		a, b ring.InstanceState
		want string
	}{
		{ring.ACTIVE, ring.ACTIVE, "[7 100] [101]"},
		{ring.LEAVING, ring.ACTIVE, "[100] [7 101]"},
		{ring.ACTIVE, ring.LEAVING, "[7 100] [101]"},
		{ring.LEAVING, ring.LEAVING, "[7 100] [101]"},
		{ring.JOINING, ring.ACTIVE, "[7 100] [101]"},
	} {
		third, _ := two(t, c.a, c.b)
		d := ringOf(t, third)
		if got := fmt.Sprint(d.Ingesters["gi-0"].Tokens, d.Ingesters["gi-1"].Tokens); got != c.want {
			t.Errorf("%s and %s have one token: %s, want %s", c.a, c.b, got, c.want)
		}
	}
}

// TestTokenConflictEnds: who lost a token goes on without it, and has it again
// when the other is gone.
func TestTokenConflictEnds(t *testing.T) {
	third, _ := two(t, ring.ACTIVE, ring.ACTIVE)
	beat := ringOf(t, third)
	in := beat.Ingesters["gi-1"]
	in.Timestamp += 10
	beat.Ingesters["gi-1"] = in
	if _, err := third.Write("ring", beat); err != nil {
		t.Fatal(err)
	}
	gone := ringOf(t, third)
	gone.RemoveIngester("gi-0")
	if _, err := third.Write("ring", gone); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(ringOf(t, third).Ingesters["gi-1"].Tokens); got != "[7 101]" {
		t.Errorf("when the other is gone it has %s, want [7 101]", got)
	}
}

// TestTokensInAnyOrder: the same tokens in another order, or twice, are no change.
func TestTokensInAnyOrder(t *testing.T) {
	_, writers := two(t, ring.ACTIVE, ring.ACTIVE)
	d := ringOf(t, writers[0])
	in := d.Ingesters["gi-0"]
	in.Tokens = []uint32{100, 7, 100}
	d.Ingesters["gi-0"] = in
	if cells, err := writers[0].Write("ring", d); err != nil || len(cells) > 0 {
		t.Errorf("the same tokens are written as %d cells, %v", len(cells), err)
	}
}

// TestPartitionsMergeByTime: of a state, a lock and an owner the newer stands,
// each by its own time, in whatever order they come.
func TestPartitionsMergeByTime(t *testing.T) {
	write := func(o cell.Origin, state, lock, owner int64) []*cell.Cell {
		d := ring.NewPartitionRingDesc()
		d.Partitions[1] = ring.PartitionDesc{
			Id: 1, Tokens: []uint32{7}, State: ring.PartitionState(o), StateTimestamp: state,
			StateChangeLocked: o == 3, StateChangeLockedTimestamp: lock,
		}
		d.Owners["gi-0"] = ring.OwnerDesc{OwnedPartition: int32(o), State: ring.OwnerActive, UpdatedTimestamp: owner}
		cells, err := crdttest.NewReplica(rings.PartitionsKind(), o).Write("ring", d)
		if err != nil {
			t.Fatal(err)
		}
		return cells
	}
	a, b := write(2, 100, 120, 110), write(3, 101, 119, 109)
	for _, order := range [][]*cell.Cell{append(a[:len(a):len(a)], b...), append(b[:len(b):len(b)], a...)} {
		third := crdttest.NewReplica(rings.PartitionsKind(), 9)
		third.Hear(order...)
		v, err := third.Read("ring")
		if err != nil {
			t.Fatal(err)
		}
		d := v.(*ring.PartitionRingDesc)
		p, o := d.Partitions[1], d.Owners["gi-0"]
		if p.StateTimestamp != 101 || p.State != 3 || p.StateChangeLockedTimestamp != 120 || p.StateChangeLocked || o.OwnedPartition != 2 {
			t.Errorf("state %d of %d, lock %v of %d, owner of %d; want 3 of 101, false of 120, 2",
				p.State, p.StateTimestamp, p.StateChangeLocked, p.StateChangeLockedTimestamp, o.OwnedPartition)
		}
	}
}
