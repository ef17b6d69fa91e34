package crdt

import (
	"encoding/binary"
	"reflect"
	"time"

	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/kv"
)

// Mergeable is a value that brings a merge of its own. It names itself, so that
// a type satisfies it without importing anything: also the values of dskit's and
// Cortex's gossip clients do, as Mergeable[memberlist.Mergeable].
type Mergeable[M any] interface {
	// Merge merges other into the receiver and returns what that has changed, nil
	// if nothing. With localCAS, other is the whole value that a writer made of
	// the receiver, and what it does not have is marked as removed. Other may be
	// written into.
	Merge(other M, localCAS bool) (change M, err error)

	// MergeContent is the names of what there is.
	MergeContent() []string

	// RemoveTombstones takes out what is marked as removed, if it is older than
	// the limit; all of it if the limit is zero.
	RemoveTombstones(limit time.Time) (total, removed int)

	// Clone is a deep copy.
	Clone() M
}

// Shape says how values that merge stand in cells: in one piece for each name
// of their content.
//
// Its law: of two values, neither merges anything of the other if, and only if,
// their pieces have the same orders. So whoever holds the highest piece of every
// name holds what all values merge to.
type Shape[M any] interface {
	// Split returns the pieces of a value, which it does not change.
	Split(m M) (map[string]Piece, error)

	// Join makes a value of pieces, which may be of several writers: where they
	// contradict each other it decides, always alike. It must not keep anything
	// that it returned before.
	Join(pieces map[string]Piece) (M, error)
}

// Piece is what a value has under one name. Its bytes are not written into, by
// nobody.
type Piece struct {
	// Order is the place of the piece. Join does not get it: what a value needs of
	// it stands in Hot.
	Order Order

	// Gone marks what was removed. Such a piece has its name and order only, and
	// Join does not get it.
	Gone bool

	// Hot is what changes often, such as a heartbeat, and Cold what is large and
	// seldom changes, if anything: it is sent only when it has changed.
	Hot, Cold []byte
}

// Order is the place of a piece among all of its name: by time, then by rank.
// Of two of one order that which was written in the knowledge of the other
// stands, and if neither was, either.
type Order struct {
	At   time.Time // not ahead of the clocks; to the millisecond
	Rank uint8
}

// rankShift leaves room below a rank, for writes that know each other.
const rankShift = 8

// place is an Order as cells have it.
func (o Order) place() hlc.Time {
	return max(hlc.Make(o.At.UnixMilli(), uint16(o.Rank)<<rankShift), 1)
}

// bytes is the body of the tombstone of a piece that is gone: milliseconds and
// rank. Its place may have been raised.
func (o Order) bytes() []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(o.At.UnixMilli())), o.Rank)
}

// openOrder reads what it can: a tombstone that says nothing is older than all.
func openOrder(b []byte) Order {
	if len(b) != 8+1 {
		return Order{}
	}
	return Order{At: time.UnixMilli(int64(binary.BigEndian.Uint64(b))), Rank: b[8]}
}

// sameTime reports that two pieces differ in rank at most.
func (o Order) sameTime(p Order) bool { return o.At.UnixMilli() == p.At.UnixMilli() }

// MergeableOf is the kind of values that merge by themselves, with the codec of
// the whole value, whose encoding of equal values is equal. Removed content
// never reaches a reader.
//
// A CAS merges what f returns into what is there, as a local one: content that f
// took out is marked as removed, and content that is older than what is there is
// left out. If nothing else has changed that is kv.ErrNoChange, after the tries
// of a CAS. Content of other names that came meanwhile is no conflict.
func MergeableOf[M Mergeable[M]](codec kv.Codec, shape Shape[M]) Merging {
	if codec == nil || shape == nil {
		panic("crdt: nil codec or shape")
	}
	return &mergeKind[M]{id: "merge." + codec.CodecID(), codec: codec, shape: shape}
}

type mergeKind[M Mergeable[M]] struct {
	id    string
	codec kv.Codec
	shape Shape[M]
}

func (k *mergeKind[M]) ID() string      { return k.id }
func (k *mergeKind[M]) Codec() kv.Codec { return mergeCodec[M]{k} }
func (k *mergeKind[M]) Class() byte     { return classMerge }
func (k *mergeKind[M]) sealed()         {}

// mergeCodec is a value as the user's own codec writes it, without what was
// removed.
type mergeCodec[M Mergeable[M]] struct{ k *mergeKind[M] }

// CodecID is part of kv.Codec.
func (c mergeCodec[M]) CodecID() string { return c.k.id }

// Encode is part of kv.Codec.
func (c mergeCodec[M]) Encode(v any) (b []byte, err error) {
	m, ok := v.(M)
	if !ok || none(m) {
		return nil, unfit(c.k, m, v)
	}
	err = guarded(kv.ErrType, "a value of "+c.k.id, func() error {
		m = m.Clone()
		m.RemoveTombstones(time.Time{})
		b, err = kv.EncodeWith(c.k.codec, m)
		return err
	})
	return b, err
}

// Decode is part of kv.Codec.
func (c mergeCodec[M]) Decode(b []byte) (any, error) {
	v, err := kv.DecodeWith(c.k.codec, b)
	if err != nil {
		return nil, err
	}
	if m, ok := v.(M); !ok || none(m) {
		return nil, unfit(c.k, m, v)
	}
	return v, nil
}

// none reports that a value is nil, of whatever type: what Merge returns when
// nothing has changed.
func none[M any](m M) bool {
	v := reflect.ValueOf(m)
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return v.IsNil()
	}
	return false
}
