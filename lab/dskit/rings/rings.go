// Package rings makes dskit's hash rings values of a starling node.
//
// DescKind and PartitionsKind are kinds for the Client method of a node. Their clients
// take and hand out *ring.Desc and *ring.PartitionRingDesc, so that the
// lifecyclers, rings and watchers of dskit run on them as they are. Each
// instance, partition and owner is a cell; of an instance a heartbeat sends the
// time and the state, and the tokens only if they have changed.
//
// Both kinds are made of crdt.MergeableOf: the types merge by their own methods
// where somebody writes, and cell by cell, by their own timestamps, elsewhere.
package rings

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/dskit/kv/codec"
	"github.com/grafana/dskit/kv/memberlist"

	"github.com/starlingkv/starling/crdt"
)

// Ranks of pieces of one second, as dskit has it: what was removed stands above
// what was not.
const (
	rankPresent = iota
	rankRemoved
)

// at is the order of a timestamp of dskit, which is in seconds.
func at(seconds int64, rank uint8) crdt.Order {
	return crdt.Order{At: time.Unix(seconds, 0), Rank: rank}
}

// unfit is the error of a value of another type.
func unfit(want, got memberlist.Mergeable) error {
	return fmt.Errorf("want a %T, got a %T", want, got)
}

// pair is two numbers at the beginning of a hot part: a timestamp and a state.
type pair struct{ seconds, state int64 }

func (p pair) bytes() []byte {
	return binary.AppendVarint(binary.AppendVarint(nil, p.seconds), p.state)
}

func openPair(b []byte) (p pair, err error) {
	for _, n := range []*int64{&p.seconds, &p.state} {
		var size int
		if *n, size = binary.Varint(b); size <= 0 {
			return p, fmt.Errorf("no timestamp and state in %x", b)
		}
		b = b[size:]
	}
	if len(b) > 0 {
		return p, fmt.Errorf("%d bytes after timestamp and state", len(b))
	}
	return p, nil
}

// sortedTokens is the tokens in order, each once.
func sortedTokens(tokens []uint32) []uint32 {
	return slices.Compact(slices.Sorted(slices.Values(tokens)))
}

// The maps of protobuf are written in any order by what is generated. Here they
// are written in one, entry by entry.

// appendField appends a field of bytes.
func appendField(b []byte, number byte, body []byte) []byte {
	const lengthDelimited = 2
	b = append(b, number<<3|lengthDelimited)
	return append(binary.AppendUvarint(b, uint64(len(body))), body...)
}

// appendEntry appends an entry of a map whose keys are encoded as fields already.
func appendEntry(b []byte, number byte, key, value []byte) []byte {
	return appendField(b, number, appendField(key, 2, value))
}

// stable is a codec of dskit whose encodings of equal values are equal: the
// bytes are what dskit reads and may write.
type stable struct {
	codec.Codec
	encode func(v any) ([]byte, error)
}

// Encode is part of codec.Codec.
func (s stable) Encode(v any) ([]byte, error) {
	b, err := s.encode(v)
	if err != nil {
		return nil, err
	}
	return snappy.Encode(nil, b), nil
}

// Decode is part of codec.Codec. The length is checked first: six bytes can ask
// for four gigabytes.
func (s stable) Decode(b []byte) (any, error) {
	const most = 64 << 20
	n, err := snappy.DecodedLen(b)
	switch {
	case err != nil:
		return nil, err
	case n > most:
		return nil, fmt.Errorf("%d bytes when unpacked, at most %d", n, most)
	}
	return s.Codec.Decode(b)
}
