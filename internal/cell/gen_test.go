package cell

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"

	"github.com/starlingkv/starling/internal/hlc"
)

var testHasher = NewHasher("test")

// randomCell draws from so few values that ties are common at every link of
// the order.
func randomCell(rnd *rand.Rand) *Cell {
	few := func() uint64 { return rnd.Uint64N(3) }
	subs := []string{"", "r", "mfield\x001", "ea", "\xfeunknown"}
	s := Spec{
		Addr:  At("k", subs[rnd.IntN(len(subs))]),
		Ver:   Ver{T: hlc.Time(1 + few()), O: Origin(1 + few()), N: 1 + few()},
		Tomb:  rnd.IntN(2) == 0,
		Body:  []byte{byte(few())},
		Codec: []string{"", "json"}[rnd.IntN(2)],
	}
	if rnd.IntN(3) == 0 {
		s.Ord, s.Born = hlc.Time(few()), hlc.Time(few())
	}
	if rnd.IntN(3) == 0 {
		s.By = Dot{Origin(few()), few()}
	}
	if rnd.IntN(4) == 0 {
		s.Exp = int64(few())
	}
	if rnd.IntN(4) == 0 {
		s.Ext = []byte{0, byte(few())}
	}
	if rnd.IntN(2) == 0 {
		s.Prev, s.PrevCut = []Run{{Origin(few()), few(), few()}}, rnd.IntN(2) == 0
	}
	return sealed(s)
}

func sealed(s Spec) *Cell {
	c := New(s)
	testHasher.Seal(c)
	return c
}

// same reports that two cells are one to everybody.
func same(a, b *Cell) bool { return Compare(a, b) == 0 }

// streamed is the hash of a cell by another way than Seal takes: everything
// spelled out, written piece by piece.
func streamed(c *Cell) [16]byte {
	d := sha256.New()
	key := sha256.Sum256([]byte("starling cluster v1\x00test"))
	d.Write(key[:])
	u64 := func(vs ...uint64) {
		for _, v := range vs {
			d.Write(binary.BigEndian.AppendUint64(nil, v))
		}
	}
	text := func(s string) {
		u64(uint64(len(s)))
		d.Write([]byte(s))
	}
	text(string(c.Addr))
	u64(uint64(c.Ver.T), uint64(c.Ver.O), c.Ver.N, uint64(c.OrdT()))
	u64(uint64(c.ByDot().O), c.ByDot().N, uint64(c.BornT()))
	if c.Tomb {
		d.Write([]byte{1})
	} else {
		d.Write([]byte{0})
	}
	u64(uint64(c.ExpMS()))
	text(c.Codec)
	text(string(c.ExtBytes()))
	text(string(c.Body))
	return [16]byte(d.Sum(nil)[:16])
}
