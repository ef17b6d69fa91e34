package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
)

func field(i int) Write {
	return Write{Addr: cell.At("k", fmt.Sprintf("mfield%06d\x00\x00", i)), Codec: "json", Body: []byte("0123456789")}
}

// manyFields gives a key so many fields on each of the nodes, written by the first.
func manyFields(n int, writer *bench, others ...*bench) {
	for i := range n {
		c := writer.commit(field(i))
		for _, b := range others {
			b.join(c)
		}
	}
}

// books is what an engine keeps per cell beside its tree.
func books(b *bench) string {
	floor := b.e.at(cell.FloorOf("k"))
	en, _ := b.e.Root().Ctx.Entry(1)
	return fmt.Sprint(b.e.stored, len(b.e.graves.at), floor.Under(), en.LastT)
}

// TestDeleteOfAManyCelledKeyIsBookedInPieces deletes a key whose books take many
// Steps, here and at a peer, and compares them with those that one Step keeps.
func TestDeleteOfAManyCelledKeyIsBookedInPieces(t *testing.T) {
	const fields, perStep = 700, 10
	inPieces := func(c *Config) { c.SweepPerStep = perStep }
	writer, pieces, whole := newBench(t, 1, nil), newBench(t, 2, inPieces), newBench(t, 3, nil)
	loser := newBench(t, 5, nil).commit(field(fields - 1))
	writer.pass(time.Millisecond)
	manyFields(fields, writer, pieces, whole)
	mortal := writer.commit(Write{Addr: cell.At("k", "r"), Body: []byte("v"), Exp: wallStart + 3_600_000})
	unseen := writer.commit(field(fields))
	for _, b := range []*bench{pieces, whole} {
		b.join(mortal)
		b.join(unseen)
		b.join(loser)
	}
	deleter := newBench(t, 4, nil)
	deleter.pass(time.Second)
	manyFields(0, deleter)
	deleter.put("k", "x") // it has seen nothing of the others
	floor := deleter.del("k")

	whole.join(floor)
	pieces.join(floor)
	if got := pieces.e.Root().Tree.Len(); got != 1 {
		t.Fatalf("%d cells are left in the Step of the delete, want the Floor alone", got)
	}
	if got := pieces.e.Root().Tree.Agg().FP; got != whole.e.Root().Tree.Agg().FP {
		t.Error("the fingerprints differ while the books are open")
	}
	steps := 1
	changed := slices.Clone(pieces.fx.Changed)
	for ; pieces.fx.Wake == pieces.now.Mono; steps++ {
		if got := len(pieces.fx.Changed); got > 2*perStep+1 {
			t.Fatalf("a Step books %d cells", got)
		}
		pieces.step(Tick{})
		changed = append(changed, pieces.fx.Changed...)
	}
	if got, want := books(pieces), books(whole); got != want {
		t.Errorf("after %d Steps the books say\n%s, want\n%s", steps, got, want)
	}
	slices.Sort(changed)
	if got := len(slices.Compact(changed)); got != fields+3 {
		t.Errorf("%d addresses are told to have changed, want %d", got, fields+3)
	}
	if en, _ := pieces.e.Root().Ctx.Entry(1); en.LastT != floor.Ver.T {
		t.Errorf("what fell is remembered from %v on, want from the delete at %v on", en.LastT, floor.Ver.T)
	}
	for _, d := range []cell.Dot{loser.Dot(), unseen.Dot(), mortal.Dot()} {
		if !cell.Contains(pieces.e.at(floor.Addr).Under(), d) {
			t.Errorf("the Floor does not know that it displaced %v", d)
		}
	}
	if pieces.e.Root().Ctx.Tree().Agg().FP != whole.e.Root().Ctx.Tree().Agg().FP {
		t.Error("the contexts differ in the end")
	}
}

// TestFloorLeavesWhatIsAboveIt sweeps a key of which every third cell was written later.
func TestFloorLeavesWhatIsAboveIt(t *testing.T) {
	early, late, b := newBench(t, 1, nil), newBench(t, 2, nil), newBench(t, 3, func(c *Config) { c.SweepPerStep = 7 })
	late.pass(2 * time.Second)
	for i := range 300 {
		from := early
		if i%3 == 0 {
			from = late
		}
		b.join(from.commit(field(i)))
	}
	deleter := newBench(t, 4, nil)
	deleter.pass(time.Second)
	b.join(deleter.del("k"))
	for b.fx.Wake == b.now.Mono {
		b.step(Tick{})
	}
	if got := b.e.Root().Tree.Agg().Live; got != 100 {
		t.Errorf("%d fields are left, want the 100 that were written after the delete", got)
	}
	if got := b.e.stored; got[1] != 0 || got[2] != 100 {
		t.Errorf("stored per origin: %v", got)
	}
}

// TestWriteIntoOpenBooks writes the key anew while what fell is not booked: the
// new cells stay in the books, and what they may not name is said to be cut.
func TestWriteIntoOpenBooks(t *testing.T) {
	a, b := newBench(t, 1, nil), newBench(t, 2, func(c *Config) { c.SweepPerStep = 5 })
	manyFields(100, a, b)
	deleter := newBench(t, 4, nil)
	deleter.pass(time.Second)
	b.join(deleter.del("k"))
	c := b.commit(Write{Addr: field(99).Addr, Body: []byte("new"), Exp: wallStart + 3_600_000})
	if !c.PrevWasCut() {
		t.Error("a write over a Floor whose books are open claims to know all that fell")
	}
	for b.fx.Wake == b.now.Mono {
		b.step(Tick{})
	}
	if len(b.e.graves.at) != 2 || b.e.stored[2] != 1 || b.e.stored[1] != 0 {
		t.Errorf("graves %d, stored %v", len(b.e.graves.at), b.e.stored)
	}
	if c := b.commit(field(98)); c.PrevWasCut() {
		t.Error("when the books are closed a write still does not know what fell")
	}
}

// TestSurveyIsWhatCommitFinds deletes a key by a survey of it, which others have
// changed since, and without one.
func TestSurveyIsWhatCommitFinds(t *testing.T) {
	var floors []*cell.Cell
	for _, by := range []func(*Root) *Survey{
		func(*Root) *Survey { return nil },
		func(r *Root) *Survey { return NewSurvey(r, "k") },
	} {
		a, far, b := newBench(t, 1, nil), newBench(t, 2, nil), newBench(t, 3, nil)
		far.pass(5 * time.Second)
		manyFields(surveyFrom, a, b)
		survey := by(b.e.Root())
		b.join(a.commit(field(5)))
		b.join(far.commit(field(surveyFrom)))
		b.commit(Write{Addr: cell.FloorOf("k"), Tomb: true, Survey: survey})
		floors = append(floors, b.e.at(cell.FloorOf("k")).Cell)
	}
	plain, surveyed := floors[0], floors[1]
	if plain.Ver != surveyed.Ver || !slices.Equal(plain.PrevRuns(), surveyed.PrevRuns()) || plain.PrevWasCut() != surveyed.PrevWasCut() {
		t.Errorf("with a survey the delete is %v and names %v, want %v and %v", surveyed.Ver, surveyed.PrevRuns(), plain.Ver, plain.PrevRuns())
	}
	if s := NewSurvey(&Root{}, "k"); s != nil {
		t.Error("a key of few cells is surveyed")
	}
}

// BenchmarkDelete is how long a Step takes that deletes a key of many cells: of
// this node, of a peer.
func BenchmarkDelete(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		t := &testing.T{}
		a, peer := newBench(t, 1, nil), newBench(t, 2, nil)
		manyFields(n, a, peer)
		for range 100 {
			a.pass(time.Second)
			peer.pass(time.Second)
		}
		at, atPeer := a.e.Snapshot(), peer.e.Snapshot()
		b.Run(fmt.Sprintf("own/cells=%d", n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				c := restored(t, 9, at)
				survey := NewSurvey(c.e.Root(), "k")
				b.StartTimer()
				c.commit(Write{Addr: cell.FloorOf("k"), Tomb: true, Survey: survey})
			}
		})
		a.pass(time.Second)
		floor := a.del("k")
		b.Run(fmt.Sprintf("peer/cells=%d", n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				c := restored(t, 9, atPeer)
				b.StartTimer()
				c.join(floor)
			}
		})
	}
}

// restored is an engine that begins with a snapshot.
func restored(t *testing.T, o cell.Origin, s *Snapshot) *bench {
	b := newBench(t, o, func(c *Config) { c.Restore = s })
	b.pass(5 * time.Minute) // past the clock of the snapshot
	return b
}
