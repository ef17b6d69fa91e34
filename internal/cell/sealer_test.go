package cell

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/starlingkv/starling/internal/hlc"
)

func TestSealerIsHasher(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	h := NewHasher("sealer")
	s := Sealer{Hasher: &h}
	for range 2000 {
		body := make([]byte, r.IntN(3*scratch))
		spec := Spec{Addr: At("key", "r"), Ver: Ver{T: hlc.Time(r.Uint64()), O: 1, N: 2}, Codec: "c", Body: body, Exp: int64(r.IntN(2))}
		a, b := New(spec), New(spec)
		h.Seal(a)
		s.Seal(b)
		if a.Hash() != b.Hash() {
			t.Fatalf("a body of %d bytes: hash %x, the Hasher's is %x", len(body), b.Hash(), a.Hash())
		}
		var spans []Span
		for i := range r.IntN(600) {
			spans = append(spans, Span{From: uint64(3*i + 1), Len: 1 + uint64(r.IntN(2))})
		}
		e, f := NewEntry(7, spec.Ver.T, spans), s.Entry(7, spec.Ver.T, append([]Span{}, spans...))
		if !reflect.DeepEqual(e, f) {
			t.Fatalf("an entry of %d spans: %+v, NewEntry makes %+v", len(spans), f, e)
		}
	}
}
