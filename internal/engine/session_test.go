package engine

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

func TestSessionFindsWhatDiffers(t *testing.T) {
	for _, c := range []struct{ keys, differ, meta, turns int }{
		{0, 1, 500, 3},
		{10, 3, 1000, 4},
		{1000, 10, 4000, 5},
		{10_000, 1, 4000, 6},
		{20_000, 100, 40_000, 6},
	} {
		t.Run(fmt.Sprintf("%d of %d", c.differ, c.keys), func(t *testing.T) {
			n := newSyncNet(t, 2, nil)
			n.fill(c.keys, 20)
			for i := range c.differ {
				n.nodes[i%2].put(fmt.Sprintf("ring/key-%07d", 7919*i), "new")
			}
			n.meet() // the first session follows at once
			n.wantEqual()
			if n.meta > c.meta || n.turns > c.turns {
				t.Errorf("%d bytes of metadata in %d turns, want at most %d in %d", n.meta, n.turns, c.meta, c.turns)
			}
			t.Logf("%d bytes of metadata, %d turns, frames %v", n.meta, n.turns, n.frames)
			for i, x := range n.nodes {
				if x.ends(EndComplete) != 1 {
					t.Errorf("node %d: no complete session", i)
				}
				if !x.e.sync.synced {
					t.Errorf("node %d does not know that it is complete", i)
				}
			}
		})
	}
}

func TestSessionMovesALargeState(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	x := n.nodes[0]
	for i := range 40 {
		x.put(fmt.Sprintf("k%02d", i), string(bytes.Repeat([]byte{byte(i)}, i*i*700)))
	}
	for i := range 40 {
		x.put(fmt.Sprintf("m%02d", i), string(bytes.Repeat([]byte{byte(i)}, inlineBytes-i)))
	}
	x.put("huge", string(bytes.Repeat([]byte("x"), 3<<20)))
	for i := range 3000 {
		x.put(fmt.Sprintf("s%04d", i), "small")
	}
	most := 0
	n.between = func(_ int, _ *syncNode, m wire.Msg) bool {
		if c, ok := m.(*wire.Cells); ok {
			if len(c.Cells) > MaxStepCells {
				t.Errorf("%d cells in one frame", len(c.Cells))
			}
		}
		_, size := n.coded(wire.Frame{Header: wire.Header{Origin: 1, Stream: true}, Msg: m})
		most = max(most, size)
		return false
	}
	n.meet()
	n.wantEqual()
	if n.nodes[1].value("huge") != x.value("huge") {
		t.Error("the huge value did not come whole")
	}
	if most > 400<<10 {
		t.Errorf("a frame of %d bytes", most)
	}
	if n.frames[wire.TypeBody] < 12 {
		t.Errorf("%d BODY frames", n.frames[wire.TypeBody])
	}
}

func TestSessionPurgesWhatIsOnlyRemembered(t *testing.T) {
	n := newSyncNet(t, 2, func(_ int, c *Config) {
		c.MinTombstoneAge, c.TombstoneEpoch, c.AppliedAge = time.Second, time.Second, time.Second
	})
	a, b := n.nodes[0], n.nodes[1]
	c := a.put("k", "1")
	b.take(c)
	b.del("k")
	n.now += 10 * time.Second
	for range 3 {
		n.now += 10 * time.Second
		b.step(Tick{}) // nobody is seen: the tombstone is collected
	}
	if len(b.e.Root().Tree.Agg().FP) == 0 || b.e.Root().Tree.Len() != 0 {
		t.Fatalf("%d cells are left", b.e.Root().Tree.Len())
	}
	n.meet()
	n.wantEqual()
	if a.value("k") != "-" || a.told(EventPurged) != 1 || n.frames[wire.TypePurge] != 1 {
		t.Errorf("k = %q, purged %d, frames %v", a.value("k"), a.told(EventPurged), n.frames)
	}
}

// TestAPurgeBehindDoneIsLookedAtAgain: who has said DONE does not say any more
// that something was purged then; what is repaired is looked at again all the same.
func TestAPurgeBehindDoneIsLookedAtAgain(t *testing.T) {
	for asker := range 2 {
		n := newSyncNet(t, 2, nil)
		a, b := n.nodes[0], n.nodes[1]
		n.fill(100, 10)
		n.meet()
		n.run(time.Second)
		c := a.put("k", "1")
		b.e.begin(b.reading())
		b.e.enter(c)
		b.perform(b.e.end())
		n.now += time.Minute
		n.quiet()
		n.ask(asker, 1-asker)
		if a.value("k") != "-" || n.frames[wire.TypePurge] != 1 {
			t.Fatalf("k = %q, frames %v", a.value("k"), n.frames)
		}
		x := n.nodes[asker]
		if len(x.e.sync.dirt) != 1 || x.e.sync.dirt[0].due > n.now+againAfter {
			t.Errorf("%s asked and will look again at %v", x.name, x.e.sync.dirt)
		}
	}
}

func TestDeleteIsShown(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	a, b := n.nodes[0], n.nodes[1]
	n.fill(50, 10)
	b.take(a.put("k", "1"))
	b.del("k")
	a.put("other", "2")
	n.meet()
	n.wantEqual()
	if a.value("k") != "-" || b.value("other") != "2" {
		t.Errorf("k = %q, other = %q", a.value("k"), b.value("other"))
	}
}

func TestCutSessionChangesNothingButItsCells(t *testing.T) {
	for name, news := range map[string]func(a, b *syncNode){
		"both know something": func(a, b *syncNode) {
			b.take(a.put("gone", "1"))
			b.del("gone")
			a.put("a", "1")
			b.put("b", "2")
		},
		"one does":       func(a, _ *syncNode) { a.put("a", "1") },
		"the other does": func(_, b *syncNode) { b.put("b", "2") },
		"both remember much": func(a, b *syncNode) {
			for o := range cell.Origin(300) {
				a.remember(10_000 + 2*o)
				b.remember(10_001 + 2*o)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			// Cut before every frame in turn, until a session runs to its end.
			for cut := 0; cutSession(t, news, cut); cut++ {
			}
		})
	}
}

// cutSession reports whether a session was cut before it came to its end.
func cutSession(t *testing.T, news func(a, b *syncNode), cut int) bool {
	n := newSyncNet(t, 2, nil)
	n.fill(300, 10)
	a, b := n.nodes[0], n.nodes[1]
	news(a, b)
	memory := [2]cell.Dot{a.remember(42), b.remember(43)}
	whole := true
	n.between = func(i int, _ *syncNode, _ wire.Msg) bool {
		if i == cut {
			whole = false
		}
		return i == cut
	}
	n.meet()
	for _, x := range n.nodes {
		n.wantSoundAll(x, cut)
		if a := x.e.sync.asked; a != nil && a.running || x.e.sync.served != 0 {
			t.Fatalf("cut %d: %s still runs a session", cut, x.name)
		}
		for _, d := range memory {
			if x.e.sync.synced && !x.e.Root().Ctx.Has(d) {
				t.Errorf("cut %d: %s takes itself for complete without the context of its peer", cut, x.name)
			}
		}
	}
	if done := a.ends(EndComplete) + b.ends(EndComplete); !whole && done == 0 && a.told(EventDirty)+b.told(EventDirty) != 1 {
		t.Errorf("cut %d: who asked does not ask again", cut)
	}
	if whole && cut < 8 {
		t.Errorf("a session had only %d frames", cut)
	}
	if !whole {
		n.between = nil
		n.run(30 * time.Second)
	}
	n.wantEqual()
	if a.value("gone") != "-" || b.value("a") != a.value("a") {
		t.Fatalf("cut %d: gone=%q a=%q", cut, a.value("gone"), b.value("a"))
	}
	return !whole
}

// wantSoundAll fails if a node remembers anything without its cell or a higher one.
func (n *syncNet) wantSoundAll(x *syncNode, cut int) {
	n.t.Helper()
	for s := range x.e.Root().Ctx.Tree().All() {
		for _, sp := range s.Spans {
			for d := sp.From; d < sp.From+sp.Len; d++ {
				n.wantSound(x, cell.Dot{O: s.O, N: d}, cut)
			}
		}
	}
}

// wantSound fails if a node remembers a dot without its cell or a higher one.
func (n *syncNet) wantSound(x *syncNode, d cell.Dot, cut int) {
	n.t.Helper()
	for _, y := range n.nodes {
		for s := range y.e.Root().Tree.All() {
			if s.Dot() != d {
				continue
			}
			mine := x.at(s.Addr)
			floor := x.at(cell.FloorOf(s.Addr.Key()))
			if (mine == nil || cell.Compare(mine, s.Cell) < 0) && !(floor != nil && s.DeadUnder(floor)) {
				n.t.Fatalf("cut %d: %s remembers %v of %q and has nothing as high", cut, x.name, d, s.Addr)
			}
		}
	}
}

func TestRefusedCellKeepsTheContextOut(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	a, b := n.nodes[0], n.nodes[1]
	a.put("early", "1")
	far := n.foreign("late", "2", time.Minute)
	a.hold(far)
	gone := a.remember(42)
	n.meet()
	if b.told(EventRefusedSkew) == 0 || b.value("late") != "-" || b.value("early") != "1" {
		t.Errorf("refused %d, late=%q early=%q", b.told(EventRefusedSkew), b.value("late"), b.value("early"))
	}
	if b.e.Root().Ctx.Has(far.Dot()) {
		t.Error("the dot of a refused cell entered")
	}
	if b.e.Root().Ctx.Has(gone) {
		t.Error("the context of a peer entered a side that had refused a cell of it")
	}
	if a.e.lastYes >= 0 {
		t.Error("a peer that refused counted as one that has all")
	}
	if a.told(EventPeerRefused) == 0 {
		t.Error("the author was not told why")
	}
	if b.ends(EndPartial) == 0 || b.e.sync.synced {
		t.Error("a partial session counted as complete")
	}
	n.now += 2 * time.Minute
	n.forget()
	n.run(30 * time.Second)
	n.wantEqual()
	if b.value("late") != "2" || !b.e.Root().Ctx.Has(gone) {
		t.Error("the cell was not taken when its time had come, or not the context with it")
	}
}

func TestHigherCellComesBackInTheSameSession(t *testing.T) {
	for _, seen := range []bool{false, true} {
		n := newSyncNet(t, 2, nil)
		a, b := n.nodes[0], n.nodes[1]
		n.fill(100, 10)
		c := a.put("k", "1")
		b.put("other", "2")
		// After the roots are pinned, b learns something higher.
		done := false
		n.between = func(_ int, _ *syncNode, m wire.Msg) bool {
			if _, ok := m.(*wire.Cells); ok && !done {
				done = true
				if seen {
					b.take(c)
				}
				b.put("k", "3")
			}
			return false
		}
		n.meet()
		if a.value("k") != "3" || b.value("k") != "3" || n.frames[wire.TypePurge] != 0 {
			t.Errorf("seen before %v: k = %q and %q, want 3 on both; %v", seen, a.value("k"), b.value("k"), n.frames)
		}
	}
}

func TestFloorComesBackInTheSameSession(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	a, b := n.nodes[0], n.nodes[1]
	n.fill(100, 10)
	a.put("k", "1")
	done := false
	n.between = func(_ int, _ *syncNode, m wire.Msg) bool {
		if _, ok := m.(*wire.Cells); ok && !done {
			done = true
			b.del("k")
		}
		return false
	}
	n.meet()
	if a.value("k") != "-" || a.at(cell.FloorOf("k")) == nil {
		t.Errorf("k = %q at the node that had not seen the delete", a.value("k"))
	}
}

func TestSessionOfManyLegs(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	n.meet()
	n.run(time.Second)
	n.quiet()
	for i, x := range n.nodes {
		x.e.begin(x.reading())
		for k := range 60_000 {
			if k%2 == 0 || k%4 == 2*i+1 {
				c := cellAt(fmt.Sprintf("%08d", k), uint64(k+1), "x")
				x.e.hasher.Seal(c)
				x.e.enter(c)
				x.e.put(c.Keep())
			}
		}
		x.perform(x.e.end())
	}
	n.ask(0, 1)
	if n.nodes[0].ends(EndComplete) != 1 {
		t.Errorf("ends: %d events, %d legs", len(n.nodes[0].events), n.frames[wire.TypeRanges])
	}
	n.wantEqual()
}
