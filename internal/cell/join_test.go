package cell

import (
	"math/rand/v2"
	"testing"

	"github.com/starlingkv/starling/internal/hlc"
)

// Law L1: Join is idempotent, commutative and associative, for all classes and
// with ties at every link of the order.
func TestLaw1(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 200_000 {
		a, b, c := randomCell(rnd), randomCell(rnd), randomCell(rnd)
		if Join(a, a) != a {
			t.Fatalf("not idempotent: %+v", a.Spec())
		}
		if !same(Join(a, b), Join(b, a)) {
			t.Fatalf("not commutative: %+v, %+v", a.Spec(), b.Spec())
		}
		if !same(Join(Join(a, b), c), Join(a, Join(b, c))) {
			t.Fatalf("not associative: %+v, %+v, %+v", a.Spec(), b.Spec(), c.Spec())
		}
		if Compare(a, b) != -Compare(b, a) {
			t.Fatalf("the order has two faces: %+v, %+v", a.Spec(), b.Spec())
		}
		if equal := a.Hash() == b.Hash(); a.Addr == b.Addr && same(a, b) != equal {
			t.Fatalf("equal hashes: %v, equal cells: %v: %+v, %+v", equal, same(a, b), a.Spec(), b.Spec())
		}
	}
}

// Law L2 in small: what a Floor removes is the same before and after a join, so
// the normal form is stable.
func TestDeadUnderIsMonotone(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 1))
	for range 100_000 {
		c, f, g := randomCell(rnd), randomCell(rnd), randomCell(rnd)
		higher := Join(f, g)
		if (c.DeadUnder(f) || c.DeadUnder(g)) != c.DeadUnder(higher) {
			t.Fatalf("cell %+v under %+v and %+v", c.Spec(), f.Spec(), g.Spec())
		}
	}
}

func TestJoinWithNone(t *testing.T) {
	c := New(Spec{Addr: At("k", "r"), Ver: Ver{1, 1, 1}})
	if Join(nil, c) != c || Join(c, nil) != c || Join(nil, nil) != nil {
		t.Error("a cell and none do not join to the cell")
	}
}

func TestJoinKeepsTheFirstOfEquals(t *testing.T) {
	a := sealed(Spec{Addr: At("k", "r"), Ver: Ver{1, 1, 2}, Prev: []Run{{1, 1, 1}}})
	b := sealed(Spec{Addr: At("k", "r"), Ver: Ver{1, 1, 2}, PrevCut: true}) // Prev is no part of a cell
	if Join(a, b) != a || Join(b, a) != b {
		t.Error("of two equal cells the second was taken")
	}
}

// Each link of the order decides, and only after all links before it.
func TestCompareLinks(t *testing.T) {
	base := Spec{Addr: At("k", "e1"), Ver: Ver{T: 50, O: 5, N: 5}, By: Dot{1, 1}, Born: 10, Exp: 10, Body: []byte("b")}
	links := []struct {
		name       string
		low, raise func(*Spec)
	}{
		{"Ord", func(s *Spec) { s.Ord = 40 }, func(s *Spec) { s.Ord = 60 }},
		{"O", func(s *Spec) { s.Ver.O = 4 }, func(s *Spec) { s.Ver.O = 6 }},
		{"N", func(s *Spec) { s.Ver.N = 4 }, func(s *Spec) { s.Ver.N = 6 }},
		{"Tomb", func(*Spec) {}, func(s *Spec) { s.Tomb = true }},
		{"By.O", func(s *Spec) { s.By.O = 0 }, func(s *Spec) { s.By.O = 2 }},
		{"By.N", func(s *Spec) { s.By.N = 0 }, func(s *Spec) { s.By.N = 2 }},
		{"Born", func(s *Spec) { s.Born = 9 }, func(s *Spec) { s.Born = 11 }},
		{"Exp", func(s *Spec) { s.Exp = 9 }, func(s *Spec) { s.Exp = 11 }},
	}
	for i, link := range links {
		high, low := base, base
		link.raise(&high)
		for _, later := range links[i+1:] {
			later.low(&high)
			later.raise(&low)
		}
		if Compare(New(high), New(low)) != 1 || Compare(New(low), New(high)) != -1 {
			t.Errorf("%s does not decide before the links after it", link.name)
		}
	}
}

func TestCompareEndsWithHashAndBody(t *testing.T) {
	a, b := New(Spec{Ver: Ver{1, 1, 1}, Body: []byte("a")}), New(Spec{Ver: Ver{1, 1, 1}, Body: []byte("b")})
	if Compare(a, b) != -1 {
		t.Error("without hashes the body does not decide")
	}
	a.hash[15], b.hash[15] = 2, 1
	if Compare(a, b) != 1 {
		t.Error("the hash does not decide before the body")
	}
}

// A remove carries the Ver of what it removes, and wins by Tomb; a later write
// of the element wins over it.
func TestRemoveTiesAndWins(t *testing.T) {
	at := At("k", "e1")
	add := sealed(Spec{Addr: at, Ver: Ver{7, 3, 9}, Body: []byte("x")})
	remove := sealed(Spec{Addr: at, Ver: add.Ver, Tomb: true, By: Dot{4, 1}})
	again := sealed(Spec{Addr: at, Ver: Ver{8, 3, 10}, Body: []byte("x")})
	if Join(add, remove) != remove || Join(remove, again) != again {
		t.Error("an observed remove does not win over just what it removes")
	}
	if remove.Dot() != (Dot{4, 1}) || add.Dot() != (Dot{3, 9}) {
		t.Errorf("dots: got %v and %v", remove.Dot(), add.Dot())
	}
}

func TestDeadUnder(t *testing.T) {
	floor := New(Spec{Addr: FloorOf("k"), Ver: Ver{T: 10, O: 1, N: 1}, Tomb: true})
	for name, tc := range map[string]struct {
		spec Spec
		dead bool
	}{
		"older":                   {Spec{Addr: At("k", "r"), Ver: Ver{T: 9}}, true},
		"as old":                  {Spec{Addr: At("k", "r"), Ver: Ver{T: 10}}, true},
		"newer":                   {Spec{Addr: At("k", "r"), Ver: Ver{T: 11}}, false},
		"newer by Ord":            {Spec{Addr: At("k", "r"), Ver: Ver{T: 9}, Ord: 11}, false},
		"older by Ord":            {Spec{Addr: At("k", "r"), Ver: Ver{T: 11}, Ord: 9}, true},
		"counter born before":     {Spec{Addr: At("k", "c"), Ver: Ver{T: 20}, Born: 10}, true},
		"counter born after":      {Spec{Addr: At("k", "c"), Ver: Ver{T: 20}, Born: 11}, false},
		"tombstone":               {Spec{Addr: At("k", "r"), Ver: Ver{T: 9}, Tomb: true}, true},
		"another Floor, older":    {Spec{Addr: FloorOf("k"), Ver: Ver{T: 9}, Tomb: true}, false},
		"itself is what it keeps": {floor.Spec(), false},
	} {
		if got := New(tc.spec).DeadUnder(floor); got != tc.dead {
			t.Errorf("%s: got %v, want %v", name, got, tc.dead)
		}
	}
	if New(Spec{Addr: At("k", "r")}).DeadUnder(nil) {
		t.Error("dead without a Floor")
	}
}

func TestLive(t *testing.T) {
	r := At("k", "r")
	for name, tc := range map[string]struct {
		spec Spec
		live bool
	}{
		"value":           {Spec{Addr: r}, true},
		"tombstone":       {Spec{Addr: r, Tomb: true}, false},
		"Floor":           {Spec{Addr: FloorOf("k"), Tomb: true}, false},
		"expires later":   {Spec{Addr: r, Exp: 101}, true},
		"expires now":     {Spec{Addr: r, Exp: 100}, false},
		"expired":         {Spec{Addr: r, Exp: 99}, false},
		"Floor, no tomb":  {Spec{Addr: FloorOf("k")}, false},
		"unknown class":   {Spec{Addr: At("k", "\xfe")}, true},
		"never, negative": {Spec{Addr: r, Exp: -1}, false},
	} {
		if got := New(tc.spec).Live(100); got != tc.live {
			t.Errorf("%s: got %v, want %v", name, got, tc.live)
		}
	}
}

// One cell has one form, however it was written down.
func TestNewIsCanonical(t *testing.T) {
	long := New(Spec{Addr: At("k", "c"), Ver: Ver{T: 5, O: 6, N: 7}, Ord: 5, By: Dot{6, 7}, Born: 5})
	if long.rare != nil {
		t.Errorf("what says nothing was kept: %+v", long.Spec())
	}
	born := New(Spec{Addr: At("k", "c"), Ver: Ver{T: 5}, Ord: 4, Born: 4})
	if born.BornT() != 0 || born.OrdT() != 4 {
		t.Errorf("Born that is Ord: %+v", born.Spec())
	}
	rnd := rand.New(rand.NewPCG(3, 1))
	for range 10_000 {
		c := randomCell(rnd)
		again := sealed(c.Spec())
		if !same(c, again) || c.Hash() != again.Hash() || c.Class != again.Class {
			t.Fatalf("made anew from %+v it is another cell", c.Spec())
		}
	}
}

func TestAccessors(t *testing.T) {
	s := Spec{
		Addr: At("k", "mf"), Ver: Ver{hlc.Make(5, 1), 6, 7}, Codec: "json", Tomb: true, Body: []byte("b"),
		Ord: 3, By: Dot{8, 9}, Born: 2, Exp: 4, Prev: []Run{{6, 1, 6}}, PrevCut: true, Ext: []byte{0, 2},
	}
	c := New(s)
	if c.Class != 'm' || c.OrdT() != 3 || c.ByDot() != (Dot{8, 9}) || c.BornT() != 2 || c.ExpMS() != 4 ||
		len(c.PrevRuns()) != 1 || !c.PrevWasCut() || string(c.ExtBytes()) != "\x00\x02" {
		t.Errorf("got %+v", c.Spec())
	}
	if got, want := c.Ver.String(), "5.1@0000000000000006/7"; got != want {
		t.Errorf("String: got %q, want %q", got, want)
	}
	if c.Memo() != nil {
		t.Error("a new cell has a memo")
	}
}
