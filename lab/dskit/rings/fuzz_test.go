package rings_test

import (
	"testing"
	"time"

	"github.com/grafana/dskit/ring"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/lab/dskit/rings"
)

// FuzzDesc: bytes of a whole ring become a ring or an error, and a ring is
// written as it reads.
func FuzzDesc(f *testing.F) {
	d := ring.NewDesc()
	d.AddIngester("gi-0", "10.0.0.1:9095", "z", []uint32{1, 7}, ring.ACTIVE, unix(7), false, unix(0), ring.InstanceVersions{1: 2, 3: 4})
	seed, err := rings.DescKind().Codec().Encode(d)
	if err != nil {
		f.Fatal(err)
	}
	fuzzCodec(f, rings.DescKind(), seed)
}

// FuzzPartitions is the same of a partition ring.
func FuzzPartitions(f *testing.F) {
	d := ring.NewPartitionRingDesc()
	d.AddPartition(3, ring.PartitionActive, unix(7))
	d.AddOrUpdateOwner("gi-0", ring.OwnerActive, 3, unix(7))
	seed, err := rings.PartitionsKind().Codec().Encode(d)
	if err != nil {
		f.Fatal(err)
	}
	fuzzCodec(f, rings.PartitionsKind(), seed)
}

func fuzzCodec(f *testing.F, kind crdt.Kind, seeds ...[]byte) {
	codec := kind.Codec()
	for _, s := range append(seeds, nil, []byte{0}, []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0}) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := codec.Decode(b)
		if err != nil {
			return
		}
		first, err := codec.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		again, err := codec.Decode(first)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := codec.Encode(again); err != nil || string(second) != string(first) {
			t.Errorf("%x is written as %x, and then as %x, %v", b, first, second, err)
		}
	})
}

func unix(seconds int64) time.Time { return time.Unix(seconds, 0) }
