package rings

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/grafana/dskit/kv/memberlist"
	"github.com/grafana/dskit/ring"

	"github.com/starlingkv/starling/crdt"
)

// PartitionsKind is the kind of partition rings, of *ring.PartitionRingDesc.
//
// Partitions and owners that were deleted are never seen. The state of a
// partition and the lock of its state have a timestamp each, and merge apart.
func PartitionsKind() crdt.Merging { return partitions }

var partitions = crdt.MergeableOf[memberlist.Mergeable](stable{ring.GetPartitionRingCodec(), encodePartitions}, partitionsShape{})

// encodePartitions writes partitions by their number, and owners by name.
func encodePartitions(v any) ([]byte, error) {
	d, ok := v.(*ring.PartitionRingDesc)
	if !ok {
		return nil, fmt.Errorf("want a %T, got a %T", d, v)
	}
	var b []byte
	for _, id := range slices.Sorted(maps.Keys(d.Partitions)) {
		p := d.Partitions[id]
		part, err := p.Marshal()
		if err != nil {
			return nil, err
		}
		key := (&ring.OwnerDesc{OwnedPartition: id})
		number, err := key.Marshal() // field 1 of the entry: the same number
		if err != nil {
			return nil, err
		}
		b = appendEntry(b, 1, number, part)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Owners)) {
		o := d.Owners[name]
		part, err := o.Marshal()
		if err != nil {
			return nil, err
		}
		b = appendEntry(b, 2, appendField(nil, 1, []byte(name)), part)
	}
	return b, nil
}

// The hot part of a piece begins with what it is.
const (
	pieceState = 'p' // the state of a partition; cold: its id and tokens
	pieceLock  = 'l' // whether that state is locked
	pieceOwner = 'o' // an owner; the partition follows
)

// lockSuffix follows the number of a partition in the name of its lock.
const lockSuffix = "/lock"

type partitionsShape struct{}

// Split is part of crdt.Shape.
func (partitionsShape) Split(m memberlist.Mergeable) (map[string]crdt.Piece, error) {
	d, ok := m.(*ring.PartitionRingDesc)
	if !ok {
		return nil, unfit(d, m)
	}
	pieces := make(map[string]crdt.Piece)
	for id, p := range d.Partitions {
		if err := splitPartition(pieces, id, p); err != nil {
			return nil, fmt.Errorf("partition %d: %w", id, err)
		}
	}
	for name, o := range d.Owners {
		if o.State == ring.OwnerDeleted {
			pieces[name] = crdt.Piece{Order: at(o.UpdatedTimestamp, rankRemoved), Gone: true}
			continue
		}
		hot, err := o.Marshal()
		if err != nil {
			return nil, fmt.Errorf("owner %q: %w", name, err)
		}
		pieces[name] = crdt.Piece{Order: at(o.UpdatedTimestamp, rankPresent), Hot: append([]byte{pieceOwner}, hot...)}
	}
	return pieces, nil
}

func splitPartition(pieces map[string]crdt.Piece, id int32, p ring.PartitionDesc) error {
	name := strconv.Itoa(int(id))
	if p.State == ring.PartitionDeleted {
		pieces[name] = crdt.Piece{Order: at(p.StateTimestamp, rankRemoved), Gone: true}
		return nil
	}
	if p.StateChangeLockedTimestamp != 0 {
		lock := pair{p.StateChangeLockedTimestamp, 0}
		if p.StateChangeLocked {
			lock.state = 1
		}
		pieces[name+lockSuffix] = crdt.Piece{Order: at(lock.seconds, rankPresent), Hot: append([]byte{pieceLock}, lock.bytes()...)}
	}
	cold, err := (&ring.PartitionDesc{Id: p.Id, Tokens: p.Tokens}).Marshal()
	hot := pair{p.StateTimestamp, int64(p.State)}
	pieces[name] = crdt.Piece{
		Order: at(hot.seconds, rankPresent),
		Hot:   append([]byte{pieceState}, hot.bytes()...), Cold: cold,
	}
	return err
}

// Join is part of crdt.Shape.
func (partitionsShape) Join(pieces map[string]crdt.Piece) (memberlist.Mergeable, error) {
	d := ring.NewPartitionRingDesc()
	for name, p := range pieces {
		if len(p.Hot) == 0 {
			return nil, fmt.Errorf("%q: an empty piece", name)
		}
		var err error
		switch p.Hot[0] {
		case pieceState:
			err = joinPartition(d, name, p, pieces[name+lockSuffix])
		case pieceOwner:
			var o ring.OwnerDesc
			err = o.Unmarshal(p.Hot[1:])
			d.Owners[name] = o
		case pieceLock: // with its partition
		default:
			err = fmt.Errorf("a piece of the kind %q", p.Hot[0])
		}
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
	}
	return d, nil
}

func joinPartition(d *ring.PartitionRingDesc, name string, state, lock crdt.Piece) error {
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return err
	}
	var p ring.PartitionDesc
	if err := p.Unmarshal(state.Cold); err != nil {
		return err
	}
	hot, err := openPair(state.Hot[1:])
	if err != nil {
		return err
	}
	p.StateTimestamp, p.State = hot.seconds, ring.PartitionState(hot.state)
	if len(lock.Hot) > 0 && lock.Hot[0] == pieceLock {
		l, err := openPair(lock.Hot[1:])
		if err != nil {
			return err
		}
		p.StateChangeLockedTimestamp, p.StateChangeLocked = l.seconds, l.state == 1
	}
	d.Partitions[int32(id)] = p
	return nil
}
