package engine

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
)

// A clone of this process may be known here only by what it was overwritten
// with, or by a peer's context: its dots are in the memory of everybody, and
// what this process would write under them would be ignored and purged.

func TestCloneKnownByAPrevIsAClash(t *testing.T) {
	a := newBench(t, 1, nil)
	a.put("mine", "v")
	a.pass(time.Second)
	over := cell.New(cell.Spec{
		Addr: cell.At("k", "r"), Ver: cell.Ver{T: hlc.Make(wallStart, 9), O: 7, N: 1}, Body: []byte("theirs"),
		Prev: []cell.Run{{O: 1, From: 2, Len: 10}},
	})
	h := a.e.Hasher()
	h.Seal(over)
	if v := a.join(over); v != raised {
		t.Fatalf("the cell over a clone's: %v, want %v", v, raised)
	}
	a.wantNewOrigin(1)
}

func TestCloneKnownByAContextIsAClash(t *testing.T) {
	a := newBench(t, 1, nil)
	a.put("mine", "v")
	own := cell.NewEntry(1, hlc.Make(wallStart, 0), []cell.Span{{From: 1, Len: 1}})
	a.merge(own)
	if a.told(EventClash) != 0 {
		t.Fatal("what this process has written is taken for a clone's")
	}
	a.merge(cell.NewEntry(1, hlc.Make(wallStart, 0), []cell.Span{{From: 1, Len: 1}, {From: 5, Len: 3}}))
	a.wantNewOrigin(1)
}

func (b *bench) merge(en *cell.Entry) {
	b.e.begin(b.now)
	b.e.mergeEntry(en)
	b.fx = b.e.end()
}

// wantNewOrigin checks that the next write has a dot that nobody can know.
func (b *bench) wantNewOrigin(old cell.Origin) {
	b.t.Helper()
	if b.told(EventClash) != 1 {
		b.t.Fatal("no clash was told")
	}
	before := b.e.Root().Ctx
	if d := b.put("next", "v").Dot(); d.O == old || before.Has(d) {
		b.t.Fatalf("the next write has the dot %v", d)
	}
}

// TestTwinOfAnotherNameIsMet lets two engines of one origin and two names see
// each other, at once or one of them only: both take a new origin.
func TestTwinOfAnotherNameIsMet(t *testing.T) {
	named := func(name string) *bench {
		return newBench(t, 1, func(c *Config) { c.Name, c.Rand = name, rand.New(rand.NewPCG(1, uint64(len(name)))) })
	}
	a, twin := named("a"), named("twin")
	a.put("k", "a's")
	fx := a.step(PeersChanged{View: NewView([]Peer{{Name: "a", Origin: 1}, {Name: "twin", Origin: 1}, {Name: "c", Origin: 3}})})
	a.wantNewOrigin(1)
	if len(fx.Send) == 0 || fx.Send[0].To != 1 || fx.Send[0].Frame.Origin != 1 {
		t.Fatalf("sent %+v, want the twin told under the common origin", fx.Send)
	}
	told := Received{Frame: fx.Send[0].Frame}
	twin.step(told) // it sees nobody yet
	twin.wantNewOrigin(1)
	if a.e.Origin() == twin.e.Origin() {
		t.Fatal("both have one origin again")
	}
	for range 3 { // a packet comes twice, or is sent back by somebody
		a.step(told)
		twin.step(told)
		if a.told(EventClash)+twin.told(EventClash) != 0 {
			t.Fatal("the same word was heeded twice")
		}
	}
	for _, view := range [][]Peer{
		{{Name: "a", Origin: 1}, {Name: "twin", Origin: 1}},
		{{Name: "a", Origin: a.e.Origin()}, {Name: "twin", Origin: twin.e.Origin()}},
	} {
		if a.step(PeersChanged{View: NewView(view)}); a.told(EventClash) != 0 {
			t.Errorf("a has %v and takes a member of %v for a twin", a.e.Origin(), view)
		}
	}
}

// TestDriftIsToldBeforeItStopsWrites lets the clocks of all peers drift away.
func TestDriftIsToldBeforeItStopsWrites(t *testing.T) {
	b := newBench(t, 1, nil)
	b.step(PeersChanged{View: NewView([]Peer{{Name: "x", Origin: 7}, {Name: "y", Origin: 8}})})
	told, at, stopped := 0, int64(0), int64(0)
	for ahead := int64(0); stopped == 0 && ahead < 60_000; ahead += 100 {
		for o := cell.Origin(7); o <= 8; o++ {
			b.e.begin(b.now)
			b.e.clock.Peer(uint64(o), hlc.Make(b.now.Wall+ahead, 0))
			b.e.end()
		}
		b.pass(30 * time.Second)
		if n := b.told(EventClockDrift); n > 0 {
			told, at = told+n, ahead
		}
		if b.e.clock.Writable(2) != nil {
			stopped = ahead
		}
	}
	if told != 1 || at <= 5_000 || at > 6_000 || stopped <= 10_000 {
		t.Errorf("told %d times, at %d ms; writes stopped at %d ms", told, at, stopped)
	}
	drift := func(ms int64) int {
		for o := cell.Origin(7); o <= 8; o++ {
			b.e.clock.Peer(uint64(o), hlc.Make(b.now.Wall+ms, 0))
		}
		b.pass(30 * time.Second)
		return b.told(EventClockDrift)
	}
	if drift(0) != 0 || drift(-7_000) != 1 {
		t.Error("a clock that was right meanwhile, and is behind now, is not told anew")
	}
}
