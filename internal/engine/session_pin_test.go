package engine

import (
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

func TestContextComesFromThePinnedRoot(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	a, b := n.nodes[0], n.nodes[1]
	a.put("x", "1")
	var later *cell.Cell
	n.between = func(i int, from *syncNode, m wire.Msg) bool {
		if later == nil && m.Type() == wire.TypeRanges { // both roots are pinned
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
	n.run(10 * time.Second) // the first sessions are over
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
	if n.run(time.Second); n.other[sentBy{b.name, wire.TypeHave}] == 0 {
		t.Error("what the session brought is not told on")
	}
}
