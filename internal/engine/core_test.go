package engine

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
)

// bench is one engine with a hand-moved clock.
type bench struct {
	t   *testing.T
	e   *Engine
	now hlc.Reading
	fx  Effects
}

const wallStart = 1_800_000_000_000

func newBench(t *testing.T, origin cell.Origin, change func(*Config)) *bench {
	t.Helper()
	cfg := Config{Cluster: "t", Name: "n", Origin: origin, Rand: rand.New(rand.NewPCG(1, uint64(origin))), Alone: true}
	if change != nil {
		change(&cfg)
	}
	b := &bench{t: t, e: New(cfg), now: hlc.Reading{Wall: wallStart}}
	b.step(Tick{})
	return b
}

func (b *bench) step(in Input) Effects {
	b.fx = b.e.Step(b.now, in)
	return b.fx
}

// pass lets time pass, with a tick at its end.
func (b *bench) pass(d time.Duration) {
	b.now.Mono += d
	b.now.Wall += d.Milliseconds()
	b.step(Tick{})
}

// join applies a foreign cell in one Step.
func (b *bench) join(c *cell.Cell) verdict {
	b.e.begin(b.now)
	v := b.e.apply(c)
	b.fx = b.e.end()
	return v
}

func (b *bench) commit(ws ...Write) *cell.Cell {
	b.t.Helper()
	fx, err := b.e.Commit(b.now, Tx{Writes: ws})
	if err != nil {
		b.t.Fatalf("commit: %v", err)
	}
	b.fx = fx
	s, ok := b.e.Root().Tree.Get(string(ws[0].Addr))
	if !ok {
		b.t.Fatalf("the write of %q does not stand", ws[0].Addr)
	}
	return s.Cell
}

func (b *bench) put(key, v string) *cell.Cell {
	b.t.Helper()
	return b.commit(Write{Addr: cell.At(key, "r"), Codec: "bytes", Body: []byte(v)})
}

func (b *bench) del(key string) *cell.Cell {
	b.t.Helper()
	return b.commit(Write{Addr: cell.FloorOf(key), Tomb: true})
}

// value is what a reader of a register sees; "-" if nothing.
func (b *bench) value(key string) string {
	s, ok := b.e.Root().Tree.Get(string(cell.At(key, "r")))
	if !ok || !s.Visible() {
		return "-"
	}
	return string(s.Body)
}

func (b *bench) want(key, v string) {
	b.t.Helper()
	if got := b.value(key); got != v {
		b.t.Fatalf("%s = %q, want %q", key, got, v)
	}
}

func (b *bench) told(k EventKind) (n int) {
	for _, ev := range b.fx.Events {
		if ev.Kind == k {
			n++
		}
	}
	return n
}

func TestDeleteOutlivesTheDeletedCell(t *testing.T) {
	a, b := newBench(t, 1, nil), newBench(t, 2, nil)
	old := a.put("k", "1")
	b.join(old)
	b.want("k", "1")
	floor := b.del("k")
	b.want("k", "-")
	if v := b.join(old); v != known {
		t.Errorf("an old packet of a deleted cell: %v, want %v", v, known)
	}
	if v := a.join(floor); v != raised || a.value("k") != "-" {
		t.Errorf("the Floor: %v, value %q", v, a.value("k"))
	}
	if n := a.told(EventConflict); n != 0 {
		t.Errorf("told %d conflicts for a delete that had seen the write", n)
	}
}

func TestFloorRemovesEveryClassAndBuriesLateComers(t *testing.T) {
	a, b := newBench(t, 1, nil), newBench(t, 2, nil)
	late := a.commit(Write{Addr: cell.At("k", "zlate"), Codec: "x", Body: []byte("late")})
	b.join(a.commit(Write{Addr: cell.At("k", "zunknown"), Codec: "x", Body: []byte("u")}))
	b.join(a.commit(Write{Addr: cell.At("k", "mfield\x00\x00"), Codec: "x", Body: []byte("m")}))
	b.put("k", "r")
	b.pass(time.Millisecond)
	b.del("k")
	if n := b.e.Root().Tree.Len(); n != 1 {
		t.Errorf("%d cells are left, want the Floor alone", n)
	}
	if v := b.join(late); v != dead {
		t.Errorf("a cell below the Floor: %v, want %v", v, dead)
	}
	if !b.e.Root().Ctx.Has(late.Dot()) {
		t.Error("the dot of a cell that was dead when it came is not remembered")
	}
	if got := b.e.at(cell.FloorOf("k")); !cell.Contains(got.Under(), late.Dot()) {
		t.Error("the Floor does not know that it displaced the late cell")
	}
}

func TestDeleterNamesWhatAJoinDisplaced(t *testing.T) {
	a, b, c := newBench(t, 1, nil), newBench(t, 2, nil), newBench(t, 3, nil)
	loser := a.put("k", "loser")
	b.pass(time.Second)
	winner := b.put("k", "winner")
	c.pass(2 * time.Second)
	c.join(loser)
	c.join(winner)
	floor := c.del("k")
	for _, x := range []*cell.Cell{loser, winner} {
		if !cell.Contains(floor.PrevRuns(), x.Dot()) {
			t.Errorf("the delete does not name %v, which its author knew", x.Dot())
		}
	}
	d := newBench(t, 4, nil)
	d.join(winner) // it never saw the loser, but who deletes after it must know of it
	d.join(loser)
	if got := d.e.at(winner.Addr); !cell.Contains(got.Under(), loser.Dot()) {
		t.Error("a cell that came and lost is not kept as displaced")
	}
}

func TestWriteAfterDeleteIsAboveIt(t *testing.T) {
	a, b := newBench(t, 1, nil), newBench(t, 2, nil)
	ahead := newBench(t, 3, nil)
	ahead.pass(5 * time.Second)
	b.join(ahead.put("k", "1"))
	floor := b.del("k")
	again := b.put("k", "2")
	if again.DeadUnder(floor) {
		t.Fatal("a write after a delete in the same millisecond is dead")
	}
	if v := a.join(again); v != raised {
		t.Fatalf("the new value: %v", v)
	}
	a.join(floor)
	a.want("k", "2")
}

func TestRefusedCellLeavesNothing(t *testing.T) {
	a, b := newBench(t, 1, nil), newBench(t, 2, nil)
	a.pass(time.Hour)
	c := a.put("k", "far")
	if v := b.join(c); v != refused || b.told(EventRefusedSkew) != 1 {
		t.Fatalf("a cell an hour ahead: %v", v)
	}
	if b.e.Root().Ctx.Has(c.Dot()) || b.e.Root().Tree.Len() != 0 {
		t.Fatal("something of a refused cell entered")
	}
	b.pass(time.Hour)
	if v := b.join(c); v != raised {
		t.Fatalf("the cell when time has caught up: %v", v)
	}
}

func TestCloneTakesANewOrigin(t *testing.T) {
	a, clone := newBench(t, 1, nil), newBench(t, 1, nil)
	c := clone.put("k", "v")
	a.join(c)
	if a.told(EventClash) != 1 || a.e.Origin() == 1 {
		t.Fatalf("origin is %v after a dot that was never issued", a.e.Origin())
	}
	if w := a.put("k", "w"); w.Ver.O == 1 {
		t.Fatal("still writes under the shared origin")
	}
}

func TestCloneWithSameDotIsNoticed(t *testing.T) {
	a, clone := newBench(t, 1, nil), newBench(t, 1, nil)
	a.put("k", "v")
	a.join(clone.put("k", "other"))
	if a.told(EventClash) != 1 {
		t.Fatal("one dot with two contents was not noticed")
	}
}

func TestDisplacedWriteIsToldOnce(t *testing.T) {
	a, b := newBench(t, 1, nil), newBench(t, 2, nil)
	mine := a.put("k", "mine")
	b.pass(time.Second)
	theirs := b.put("k", "theirs")
	a.join(theirs)
	if a.told(EventConflict) != 1 {
		t.Fatal("a concurrent write displaced ours and nobody was told")
	}
	ev := a.fx.Events[len(a.fx.Events)-1]
	for _, e := range a.fx.Events {
		if e.Kind == EventConflict {
			ev = e
		}
	}
	if ev.Dot != mine.Dot() || ev.Winner != theirs.Dot() {
		t.Errorf("told %v lost to %v", ev.Dot, ev.Winner)
	}
	c := newBench(t, 3, nil)
	c.join(theirs)
	c.pass(2 * time.Second)
	a.join(c.put("k", "next"))
	if a.told(EventConflict) != 0 {
		t.Error("told about a foreign loser")
	}
}

func TestRecreateAfterAForeignDeleteIsNoConflict(t *testing.T) {
	a, b := newBench(t, 1, nil), newBench(t, 2, nil)
	b.join(a.put("k", "mine"))
	b.pass(time.Second)
	b.del("k")
	again := b.put("k", "again")
	a.join(again) // before the Floor
	if a.told(EventConflict) != 0 {
		t.Error("told a conflict for a write that the winner's author had seen and deleted")
	}
}

func TestCommitChecksGateAndClock(t *testing.T) {
	b := newBench(t, 1, func(c *Config) { c.Alone = false })
	put := Tx{Writes: []Write{{Addr: cell.At("k", "r"), Body: []byte("v")}}}
	if _, err := b.e.Commit(b.now, put); !errors.Is(err, ErrNotReady) {
		t.Fatalf("before the gate opens: %v", err)
	}
	b.pass(5 * time.Second)
	if b.told(EventReady) != 1 || !b.e.Ready() {
		t.Fatal("the gate did not open after JoinWait")
	}
	stop := errors.New("stop")
	put.Check = func(*Root) error { return stop }
	if _, err := b.e.Commit(b.now, put); !errors.Is(err, stop) || b.e.Root().Tree.Len() != 0 {
		t.Fatalf("a failed check: %v, %d cells", err, b.e.Root().Tree.Len())
	}
	put.Check = nil
	b.now.Wall -= 60_000
	if _, err := b.e.Commit(b.now, put); !errors.Is(err, hlc.ErrSkew) {
		t.Fatalf("with a clock held for a minute: %v", err)
	}
}

func TestOneCommitHasOneTimeAndManyDots(t *testing.T) {
	b := newBench(t, 1, nil)
	x := b.commit(Write{Addr: cell.At("a", "r"), Body: []byte("1")}, Write{Addr: cell.At("b", "r"), Body: []byte("2")})
	y, _ := b.e.Root().Tree.Get(string(cell.At("b", "r")))
	if x.Ver.T != y.Ver.T || x.Ver.N+1 != y.Ver.N {
		t.Errorf("versions %v and %v", x.Ver, y.Ver)
	}
	if len(b.fx.Changed) != 2 || b.fx.Root.Rev != 1 {
		t.Errorf("changed %v at revision %d", b.fx.Changed, b.fx.Root.Rev)
	}
}

func TestPurgeRemovesExactlyThatDot(t *testing.T) {
	b := newBench(t, 1, nil)
	c := b.put("k", "v")
	b.e.begin(b.now)
	if b.e.purge(c.Addr, cell.Dot{O: 9, N: 9}) {
		t.Error("purged another dot")
	}
	if !b.e.purge(c.Addr, c.Dot()) {
		t.Error("did not purge")
	}
	b.fx = b.e.end()
	b.want("k", "-")
	if !b.e.Root().Ctx.Has(c.Dot()) {
		t.Error("a purged dot left the context")
	}
}

func TestOneCommitCannotDeleteAndWriteAKey(t *testing.T) {
	b := newBench(t, 1, nil)
	_, err := b.e.Commit(b.now, Tx{Writes: []Write{
		{Addr: cell.FloorOf("k"), Tomb: true}, {Addr: cell.At("k", "r"), Body: []byte("v")},
	}})
	if !errors.Is(err, ErrMixed) || b.e.Root().Tree.Len() != 0 {
		t.Errorf("%v, %d cells", err, b.e.Root().Tree.Len())
	}
	if _, err := b.e.Commit(b.now, Tx{Writes: []Write{
		{Addr: cell.FloorOf("k"), Tomb: true}, {Addr: cell.At("other", "r"), Body: []byte("v")},
	}}); err != nil {
		t.Errorf("a delete and a write of another key: %v", err)
	}
}
