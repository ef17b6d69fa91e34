package cell

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/starlingkv/starling/internal/hlc"
)

func fullSpec() Spec {
	return Spec{
		Addr: At("config/flags", "mdark-mode\x000"), Ver: Ver{hlc.Make(1_700_000_000_000, 3), 0x1122334455667788, 42},
		Codec: "json", Tomb: true, Body: []byte("{}"),
		Ord: hlc.Make(1_600_000_000_000, 0), By: Dot{0x99aabbccddeeff00, 7}, Born: hlc.Make(1_500_000_000_000, 1),
		Exp: 1_700_000_060_000, Ext: []byte{0, 2, 1, 'x'},
	}
}

// Nodes of all versions compare these hashes. They never change.
func TestHashGolden(t *testing.T) {
	h := NewHasher("local")
	for _, tc := range []struct {
		name string
		spec Spec
		want string
	}{
		{"empty", Spec{}, "77b34accf77a431718e64f744b68eb23"},
		{"register", Spec{Addr: At("k", "r"), Ver: Ver{hlc.Make(1, 2), 3, 4}, Body: []byte("v")}, "1a8397c7e8bdfb87a0778b80694aaa57"},
		{"all fields", fullSpec(), "102231300618faacb00bb444350fd4c3"},
		{"long body", Spec{Addr: At("k", "r"), Ver: Ver{1, 1, 1}, Body: bytes.Repeat([]byte("0123456789"), 1000)}, "454ab63a616f153d0ad7c0b4b240f7df"},
	} {
		c := New(tc.spec)
		h.Seal(c)
		hash := c.Hash()
		if got := hex.EncodeToString(hash[:]); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
	}
	entry := NewEntry(0x1122334455667788, hlc.Make(1_700_000_000_000, 3), []Span{{1, 40}, {42, 1}}).Hash()
	if got, want := hex.EncodeToString(entry[:]), "bac02a6480245e6b7d9643bfb05817fd"; got != want {
		t.Errorf("entry: got %s, want %s", got, want)
	}
}

// The hash covers what makes the cell, and nothing that holders may change.
func TestHashCovers(t *testing.T) {
	base := sealed(fullSpec()).Hash()
	for name, change := range map[string]func(*Spec){
		"Addr": func(s *Spec) { s.Addr += "x" }, "T": func(s *Spec) { s.Ver.T++ }, "O": func(s *Spec) { s.Ver.O++ },
		"N": func(s *Spec) { s.Ver.N++ }, "Ord": func(s *Spec) { s.Ord++ }, "By.O": func(s *Spec) { s.By.O++ },
		"By.N": func(s *Spec) { s.By.N++ }, "Born": func(s *Spec) { s.Born++ }, "Tomb": func(s *Spec) { s.Tomb = false },
		"Exp": func(s *Spec) { s.Exp++ }, "Codec": func(s *Spec) { s.Codec = "yaml" }, "Ext": func(s *Spec) { s.Ext = s.Ext[:3] },
		"Body":                     func(s *Spec) { s.Body = []byte("{ }") },
		"a byte from codec to ext": func(s *Spec) { s.Codec, s.Ext = "jso", append([]byte("n"), s.Ext...) },
	} {
		s := fullSpec()
		change(&s)
		if sealed(s).Hash() == base {
			t.Errorf("%s is not in the hash", name)
		}
	}
	s := fullSpec()
	s.Prev, s.PrevCut = []Run{{1, 1, 1}}, true
	if sealed(s).Hash() != base {
		t.Error("Prev is in the hash")
	}
	other := NewHasher("other cluster")
	c := New(fullSpec())
	other.Seal(c)
	if c.Hash() == base {
		t.Error("the cluster is not in the hash")
	}
}

// Small cells are hashed in one piece, big ones in two. One must not see it.
func TestHashAtTheBufferEdge(t *testing.T) {
	seen := map[[16]byte]int{}
	for n := copyLimit - 40; n < copyLimit+40; n++ {
		c := sealed(Spec{Addr: At("k", "r"), Ver: Ver{1, 1, 1}, Body: make([]byte, n)})
		if at, dup := seen[c.Hash()]; dup {
			t.Errorf("bodies of %d and %d bytes have one hash", at, n)
		}
		seen[c.Hash()] = n
		if want := streamed(c); c.Hash() != want {
			t.Errorf("body of %d bytes: got %x, want %x", n, c.Hash(), want)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	for name, n := range map[string]int{"body=32": 32, "body=4KiB": 4096} {
		b.Run(name, func(b *testing.B) {
			c := New(Spec{Addr: At("registry/key-00000001", "r"), Ver: Ver{1, 2, 3}, Codec: "json", Body: make([]byte, n)})
			b.ReportAllocs()
			for b.Loop() {
				testHasher.Seal(c)
			}
		})
	}
}
