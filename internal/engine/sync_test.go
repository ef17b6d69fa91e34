package engine

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

func TestTwoEqualNodesExchangeTwoSmallPackets(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	n.fill(1000, 20)
	n.wantEqual()
	n.meet()
	n.run(40 * time.Second)
	n.ask(0, 1)
	if n.packets[wire.TypeHello] != 1 || n.packets[wire.TypeInSync] != 1 || len(n.packets) != 2 || n.bytes != 0 {
		t.Errorf("packets %v and %d bytes of streams, want one HELLO and one INSYNC", n.packets, n.bytes)
	}
	if n.inPacket > 200 {
		t.Errorf("an equal pair cost %d bytes, want at most 200", n.inPacket)
	}
	for _, x := range n.nodes {
		if a := x.e.Agreement()[0]; !a.Agrees() || a.Agreed == 0 {
			t.Errorf("%s does not agree: %+v", x.name, a)
		}
	}
}

func TestSessionFindsWhatDiffers(t *testing.T) {
	for _, c := range []struct{ keys, differ, meta, turns int }{
		{0, 1, 1200, 10},
		{10, 3, 1500, 10},
		{1000, 10, 8000, 12},
		{10_000, 1, 4000, 14},
		{20_000, 100, 60_000, 14},
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
					t.Errorf("node %d: no complete session: %v", i, x.events)
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
	// Cut before every frame in turn, until a session runs to its end.
	for cut := 0; ; cut++ {
		n := newSyncNet(t, 2, nil)
		n.fill(300, 10)
		a, b := n.nodes[0], n.nodes[1]
		b.take(a.put("gone", "1"))
		b.del("gone")
		a.put("a", "1")
		b.put("b", "2")
		whole := true
		n.between = func(i int, _ *syncNode, _ wire.Msg) bool {
			if i == cut {
				whole = false
			}
			return i == cut
		}
		n.meet()
		for _, x := range n.nodes {
			for s := range x.e.Root().Ctx.Tree().All() {
				for _, sp := range s.Spans {
					for d := sp.From; d < sp.From+sp.Len; d++ {
						n.wantSound(x, cell.Dot{O: s.O, N: d}, cut)
					}
				}
			}
			if a := x.e.sync.asked; a != nil && a.running || x.e.sync.served != 0 {
				t.Fatalf("cut %d: %s still runs a session", cut, x.name)
			}
		}
		if whole {
			n.wantEqual()
			if cut < 8 {
				t.Errorf("a session had only %d frames", cut)
			}
			return
		}
		n.between = nil
		n.run(30 * time.Second)
		n.wantEqual()
		if a.value("gone") != "-" || b.value("a") != "1" {
			t.Fatalf("cut %d: gone=%q a=%q", cut, a.value("gone"), b.value("a"))
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
	n.meet()
	if b.told(EventRefusedSkew) == 0 || b.value("late") != "-" || b.value("early") != "1" {
		t.Errorf("refused %d, late=%q early=%q", b.told(EventRefusedSkew), b.value("late"), b.value("early"))
	}
	if b.e.Root().Ctx.Has(far.Dot()) {
		t.Error("the dot of a refused cell entered")
	}
	if n.frames[wire.TypeCtx] != 0 {
		t.Errorf("a context was shown to a side that had refused: %v", n.frames)
	}
	if a.e.lastYes >= 0 {
		t.Error("a peer that refused counted as one that has all")
	}
	if a.told(EventPeerRefused) == 0 {
		t.Error("the author was not told why")
	}
	if b.ends(EndPartial) == 0 || b.e.sync.synced {
		t.Errorf("a partial session counted as complete: %v", b.events)
	}
	n.now += 2 * time.Minute
	n.forget()
	n.run(30 * time.Second)
	n.wantEqual()
	if b.value("late") != "2" {
		t.Error("the cell was not taken when its time had come")
	}
}

func TestHigherCellComesBackInTheSameSession(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	a, b := n.nodes[0], n.nodes[1]
	n.fill(100, 10)
	a.put("k", "1")
	b.put("other", "2")
	// After the roots are pinned, b learns something higher.
	done := false
	n.between = func(i int, from *syncNode, m wire.Msg) bool {
		if _, ok := m.(*wire.Cells); ok && !done {
			done = true
			b.put("k", "3")
		}
		return false
	}
	n.meet()
	if a.value("k") != "3" || b.value("k") != "3" {
		t.Errorf("k = %q and %q, want 3 on both", a.value("k"), b.value("k"))
	}
}

func TestContextComesFromThePinnedRoot(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	a, b := n.nodes[0], n.nodes[1]
	a.put("x", "1")
	var later *cell.Cell
	n.between = func(i int, from *syncNode, m wire.Msg) bool {
		if later == nil && m.Type() == wire.TypeShown {
			later = a.put("later", "2")
		}
		return false
	}
	n.meet()
	if b.e.Root().Ctx.Has(later.Dot()) {
		t.Error("the context of a live root was shown: a dot came without its cell")
	}
	if !b.e.Root().Ctx.Has(a.at(cell.At("x", "r")).Dot()) {
		t.Error("the pinned context did not come")
	}
}

func TestPurgeIsJudgedOnThePresent(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	a, b := n.nodes[0], n.nodes[1]
	n.fill(100, 10)
	c := a.put("k", "1")
	// b learns the cell by a packet while the session runs: it must not have it
	// purged at a because its pinned tree lacks it.
	done := false
	n.between = func(_ int, _ *syncNode, m wire.Msg) bool {
		if _, ok := m.(*wire.Cells); ok && !done {
			done = true
			b.take(c)
		}
		return false
	}
	n.meet()
	if a.value("k") != "1" || b.value("k") != "1" || n.frames[wire.TypePurge] != 0 {
		t.Errorf("k = %q and %q, frames %v", a.value("k"), b.value("k"), n.frames)
	}
}

func TestEqualVersionOtherContent(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	n.fill(100, 10)
	n.nodes[0].take(n.foreign("k", "one", 0))
	n.nodes[1].take(n.foreign("k", "two", 0))
	n.meet()
	n.wantEqual()
}

func TestExpiredPinIsRefusedAndAskedAgain(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	a, b := n.nodes[0], n.nodes[1]
	a.put("k", "1")
	first := true
	n.between = func(i int, _ *syncNode, _ wire.Msg) bool {
		if first && i == 0 {
			first = false
			n.now += 2 * time.Minute
			for _, x := range n.nodes {
				x.step(Tick{})
				if len(x.e.sync.pins) != 0 {
					t.Errorf("%d pins after their time", len(x.e.sync.pins))
				}
			}
		}
		return false
	}
	n.meet()
	if a.ends(EndNoPin)+b.ends(EndNoPin) != 1 {
		t.Errorf("ends: %v, %v", a.events, b.events)
	}
	n.run(10 * time.Second)
	n.wantEqual()
}

func TestBusyPeerAsksForPatience(t *testing.T) {
	n := newSyncNet(t, 6, func(_ int, c *Config) { c.MaxServed = 2 })
	for i, x := range n.nodes {
		x.put(fmt.Sprintf("k%d", i), "v")
	}
	target := n.nodes[0]
	n.refuse = true // pins are made and no stream comes
	n.meet()
	n.now += openDeadline
	for _, x := range n.nodes { // quiet, but for what the test does
		x.e.sync.synced, x.e.sync.asked, x.e.sync.dirt, x.e.sync.next = true, nil, nil, n.now+time.Minute
	}
	busy := 0
	for i := 1; i < 6; i++ {
		n.ask(i, 0)
		busy += n.nodes[i].ends(EndBusy)
	}
	if busy != 3 {
		t.Errorf("%d of 5 were turned away, want 3", busy)
	}
	if len(target.e.sync.pins) > 4*2 {
		t.Errorf("%d pins", len(target.e.sync.pins))
	}
	n.refuse = false
	n.run(3 * time.Minute)
	n.wantEqual()
}

func TestLostHelloIsRepeated(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	n.nodes[0].put("k", "1")
	lost := 0
	n.drop = func(_, _ *syncNode, m wire.Msg) bool {
		if lost < 3 {
			lost++
			return true
		}
		return false
	}
	n.meet()
	n.run(10 * time.Second)
	n.wantEqual()
	n.forget()
	n.drop = func(_, _ *syncNode, m wire.Msg) bool { return true }
	n.ask(0, 1)
	n.run(5 * time.Second)
	if got := n.nodes[0].ends(EndUnanswered); got != 1 || n.packets[wire.TypeHello] < helloTries {
		t.Errorf("unanswered %d, packets %v", got, n.packets)
	}
	n.drop = nil
	n.run(time.Minute)
	if n.nodes[0].ends(EndInSync) == 0 {
		t.Error("a silent peer holds the slot")
	}
}

func TestDirtyPeerIsAskedSoonAndNotTooOften(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	a, b := n.nodes[0], n.nodes[1]
	n.meet()
	n.run(12 * time.Second)
	b.put("k", "1")
	n.forget()
	from := n.now
	a.step(Damaged{From: b.e.Origin(), Why: "test"})
	for a.value("k") != "1" && n.now < from+time.Minute {
		n.run(100 * time.Millisecond)
	}
	if d := n.now - from; d < dirtyFrom || d > dirtyFrom+dirtySpread+200*time.Millisecond {
		t.Errorf("the session came after %v", d)
	}
	n.forget()
	for range 50 {
		a.step(Damaged{From: b.e.Origin(), Why: "test"})
		n.run(100 * time.Millisecond)
	}
	if got := n.packets[wire.TypeHello]; got > 1 {
		t.Errorf("%d sessions in 5 s", got)
	}
}

func TestEverySyncIntervalOneSession(t *testing.T) {
	n := newSyncNet(t, 4, nil)
	n.meet()
	n.run(10 * time.Second)
	n.forget()
	n.run(10 * time.Minute)
	got, want := n.packets[wire.TypeHello], 4*20
	if got < want*8/10 || got > want*12/10 {
		t.Errorf("%d sessions in 10 min of 4 nodes, want about %d", got, want)
	}
}

func TestFollowUpAgreesAfterRepair(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	a, b := n.nodes[0], n.nodes[1]
	n.fill(200, 10)
	a.put("k", "1")
	n.now += time.Minute
	n.meet()
	if g := a.e.Agreement()[0]; g.Agrees() || g.Differing == 0 {
		t.Fatalf("a difference of a minute was not seen: %+v", g)
	}
	n.run(3 * time.Second)
	for _, x := range n.nodes {
		if g := x.e.Agreement()[0]; !g.Agrees() || g.Since != 0 {
			t.Errorf("%s: %+v", x.name, g)
		}
	}
	_ = b
}

func TestTwoThatAskEachOtherRunOneSession(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	n.meet()
	n.run(time.Second)
	n.nodes[0].put("a", "1")
	n.nodes[1].put("b", "1")
	n.quiet()
	// Both HELLOs are under way at once.
	var held []func()
	n.drop = func(from, to *syncNode, m wire.Msg) bool {
		f := wire.Frame{Header: wire.Header{Origin: from.e.Origin(), Now: from.e.Now()}, Msg: m}
		held = append(held, func() { to.step(Received{Frame: f}) })
		return true
	}
	for i, x := range n.nodes {
		x.e.begin(x.reading())
		x.e.sync.ask(n.nodes[1-i].e.Origin())
		x.perform(x.e.end())
	}
	n.drop = nil
	for _, deliver := range held {
		deliver()
	}
	n.run(5 * time.Second)
	n.wantEqual()
	if n.frames[wire.TypeOpen] != 1 {
		t.Errorf("%d sessions were opened, want 1", n.frames[wire.TypeOpen])
	}
}

func TestNobodyAsksWhomItServes(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	n.meet()
	n.run(time.Second)
	n.nodes[0].put("a", "1")
	n.quiet()
	served := false
	n.between = func(_ int, _ *syncNode, m wire.Msg) bool {
		if _, ok := m.(*wire.Ranges); ok && !served {
			served = true
			y := n.nodes[1].e
			y.begin(n.nodes[1].reading())
			y.sync.ask(n.nodes[0].e.Origin())
			if y.sync.asked != nil {
				t.Error("a peer was asked whose session runs here")
			}
			if len(y.sync.dirt) == 0 {
				t.Error("the wish to ask was forgotten")
			}
			y.end()
		}
		return false
	}
	n.ask(0, 1)
	if !served {
		t.Fatal("no session ran")
	}
}

func TestRepeatedHelloGetsThePinItHas(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	n.meet()
	n.run(time.Second)
	a, b := n.nodes[0], n.nodes[1]
	a.put("a", "1")
	n.quiet()
	var hello wire.Frame
	n.drop = func(from, _ *syncNode, m wire.Msg) bool {
		if from == a {
			hello = wire.Frame{Header: wire.Header{Origin: a.e.Origin(), Now: a.e.Now()}, Msg: m}
		}
		return true
	}
	n.ask(0, 1)
	for i := range 3 {
		b.put(fmt.Sprint("b", i), "1")
		fx := b.e.Step(b.reading(), Received{Frame: hello})
		d, ok := fx.Send[0].Frame.Msg.(*wire.Hello)
		if !ok || d.Kind != wire.TypeDiffer || len(b.e.sync.pins) != 1 || d.Tree != treeSum(b.e.sync.pins[0].root) {
			t.Fatalf("answer %d: %+v, %d pins", i, fx.Send, len(b.e.sync.pins))
		}
		if i > 0 && d.Tree == treeSum(b.e.Root()) {
			t.Error("the pin moved")
		}
	}
}

func TestPinsAreBounded(t *testing.T) {
	n := newSyncNet(t, 40, func(_ int, c *Config) { c.MaxServed = 2 })
	n.refuse = true
	n.meet()
	n.nodes[0].put("a", "1")
	for i := 1; i < 40; i++ {
		n.now += openDeadline
		n.quiet()
		n.ask(i, 0)
		if got := len(n.nodes[0].e.sync.pins); got > 8 {
			t.Fatalf("%d pins", got)
		}
	}
}

func TestJoinOpensTheGateOnlyWhenComplete(t *testing.T) {
	n := newSyncNet(t, 2, func(i int, c *Config) { c.Alone, c.JoinWait = i == 0, time.Hour })
	a, b := n.nodes[0], n.nodes[1]
	a.put("k", "1")
	cuts := 0
	n.between = func(i int, _ *syncNode, m wire.Msg) bool {
		if cuts < 3 && m.Type() == wire.TypeCells {
			cuts++
			return true
		}
		return false
	}
	n.meet()
	for cuts < 3 {
		if b.e.Ready() {
			t.Fatal("a cut session opened the gate")
		}
		n.run(200 * time.Millisecond)
	}
	n.run(15 * time.Second)
	if !b.e.Ready() || b.value("k") != "1" {
		t.Errorf("ready %v, k %q", b.e.Ready(), b.value("k"))
	}
}

func TestLongContextEntryIsSentInParts(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	a := n.nodes[0]
	a.e.begin(a.reading())
	var last cell.Dot
	for i := range uint64(20_000) {
		last = cell.Dot{O: 42, N: 2*i + 1}
		a.e.edit().ctx.Add(last, hlcAt(0))
	}
	a.perform(a.e.end())
	n.meet()
	n.wantEqual()
	if !n.nodes[1].e.Root().Ctx.Has(last) || n.frames[wire.TypeCtx] < 2 {
		t.Errorf("frames %v", n.frames)
	}
}

func TestSessionCellsAreHandedToTheDigests(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	a, b := n.nodes[0], n.nodes[1]
	n.meet()
	n.run(time.Second)
	a.put("k", "1")
	n.quiet()
	n.ask(0, 1)
	if got := b.e.push.digests.doubled; got > n.now {
		t.Error("a difference of less than 2 s doubled the digests")
	}
	a.put("k", "2")
	n.now += 3 * time.Second
	n.quiet()
	n.ask(0, 1)
	if got := b.e.push.digests.doubled; got <= n.now {
		t.Error("a difference older than 2 s did not double the digests")
	}
	if b.value("k") != "2" {
		t.Error("the session brought nothing")
	}
}
