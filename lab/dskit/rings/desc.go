package rings

import (
	"fmt"
	"maps"
	"slices"

	"github.com/grafana/dskit/kv/memberlist"
	"github.com/grafana/dskit/ring"

	"github.com/starlingkv/starling/crdt"
)

// DescKind is the kind of hash rings, of *ring.Desc.
//
// Instances that left are never seen. Tokens that two instances have are given
// to one of them as dskit does, whenever a ring is read; the other has them
// again when that one goes.
func DescKind() crdt.Merging { return desc }

var desc = crdt.MergeableOf[memberlist.Mergeable](stable{ring.GetCodec(), encodeDesc}, descShape{})

// encodeDesc writes the instances in the order of their names.
func encodeDesc(v any) ([]byte, error) {
	d, ok := v.(*ring.Desc)
	if !ok {
		return nil, fmt.Errorf("want a %T, got a %T", d, v)
	}
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(d.Ingesters)) {
		in, err := encodeInstance(d.Ingesters[name])
		if err != nil {
			return nil, err
		}
		b = appendEntry(b, 1, appendField(nil, 1, []byte(name)), in)
	}
	return b, nil
}

// encodeInstance writes the versions in the order of their components.
func encodeInstance(in ring.InstanceDesc) ([]byte, error) {
	versions := in.Versions
	in.Versions = nil
	b, err := in.Marshal()
	for _, component := range slices.Sorted(maps.Keys(versions)) {
		one := ring.InstanceDesc{Versions: map[uint64]uint64{component: versions[component]}}
		part, _ := one.Marshal()
		b = append(b, part...) // a message that follows another is merged into it
	}
	return b, err
}

// descShape puts each instance into a piece of its own. Hot is the timestamp and
// the state, cold is all else.
type descShape struct{}

// Split is part of crdt.Shape.
func (descShape) Split(m memberlist.Mergeable) (map[string]crdt.Piece, error) {
	d, ok := m.(*ring.Desc)
	if !ok {
		return nil, unfit(d, m)
	}
	pieces := make(map[string]crdt.Piece, len(d.Ingesters))
	for name, in := range d.Ingesters {
		if in.State == ring.LEFT {
			pieces[name] = crdt.Piece{Order: at(in.Timestamp, rankRemoved), Gone: true}
			continue
		}
		hot := pair{in.Timestamp, int64(in.State)}
		in.Timestamp, in.State, in.Tokens = 0, 0, sortedTokens(in.Tokens)
		cold, err := encodeInstance(in)
		if err != nil {
			return nil, fmt.Errorf("instance %q: %w", name, err)
		}
		pieces[name] = crdt.Piece{Order: at(hot.seconds, rankPresent), Hot: hot.bytes(), Cold: cold}
	}
	return pieces, nil
}

// Join is part of crdt.Shape. Who has a token that is in several pieces dskit
// decides, by merging them all into an empty ring. It would leave out an instance
// without a timestamp, which a key may begin with: all merge a second later.
func (descShape) Join(pieces map[string]crdt.Piece) (memberlist.Mergeable, error) {
	all := ring.NewDesc()
	for name, p := range pieces {
		hot, err := openPair(p.Hot)
		if err != nil {
			return nil, fmt.Errorf("instance %q: %w", name, err)
		}
		var in ring.InstanceDesc
		if err := in.Unmarshal(p.Cold); err != nil {
			return nil, fmt.Errorf("instance %q: %w", name, err)
		}
		in.Timestamp, in.State = hot.seconds+1, ring.InstanceState(hot.state)
		all.Ingesters[name] = in
	}
	d := ring.NewDesc()
	if _, err := d.Merge(all, false); err != nil {
		return nil, err
	}
	for name, in := range d.Ingesters {
		in.Timestamp--
		d.Ingesters[name] = in
	}
	return d, nil
}
