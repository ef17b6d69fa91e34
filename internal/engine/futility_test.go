package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

func TestFutileExchangesAreGivenUp(t *testing.T) {
	// Without PURGE a cell that is only remembered on the other side is shown to
	// it for ever and changes nothing: a rule that is wrong.
	n := newSyncNet(t, 2, func(_ int, c *Config) {
		c.MinTombstoneAge, c.TombstoneEpoch, c.AppliedAge = time.Second, time.Second, time.Second
		c.Plant = PlantNoPurge
	})
	a, b := n.nodes[0], n.nodes[1]
	n.fill(200, 10)
	n.meet()
	n.run(time.Second)
	n.quiet()
	c := a.put("k", "1")
	b.take(c)
	b.del("k")
	b.e.begin(b.reading())
	floor := b.e.at(cell.FloorOf("k"))
	b.e.remove(floor)
	b.perform(b.e.end())
	sent := func() int { n.ask(0, 1); return n.frames[wire.TypeCells] }
	told := func() int { return a.told(EventNonConvergent) + b.told(EventNonConvergent) } // by whoever compares

	if sent() != 1 || told() != 0 {
		t.Fatalf("the first session: frames %v, told %d", n.frames, told())
	}
	if sent() != 1 || told() != 1 {
		t.Fatalf("the second session: frames %v, told %d", n.frames, told())
	}
	if sent() != 0 {
		t.Errorf("the same pair was exchanged again: %v", n.frames)
	}
	if a.e.Agreement()[0].Agrees() {
		t.Error("agreement is claimed while a pair is left out")
	}
	// The rest goes on as ever.
	a.put("other", "1")
	if n.ask(0, 1); b.value("other") != "1" {
		t.Error("another cell was kept back")
	}
	// After the back-off it is tried again, and the back-off doubles.
	n.now += futileFirst + time.Second
	if sent() != 1 {
		t.Error("the pair was not tried again")
	}
	n.now += futileFirst + time.Second
	if sent() != 0 {
		t.Error("the back-off did not double")
	}
	// If one side changes it is another pair.
	a.put("k", "2")
	if n.ask(0, 1); b.value("k") != "2" {
		t.Errorf("a new value was kept back: %q", b.value("k"))
	}
}

func TestNoFutilityWhereSomethingChanged(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	a, b := n.nodes[0], n.nodes[1]
	n.fill(100, 10)
	n.meet()
	n.run(time.Second)
	n.quiet()
	// A packet brings during the session what the session would bring: nothing
	// is changed by the session, and nothing is wrong.
	c := a.put("k", "1")
	n.between = func(_ int, _ *syncNode, m wire.Msg) bool {
		if _, ok := m.(*wire.Cells); ok {
			b.take(c)
		}
		return false
	}
	n.ask(0, 1)
	if b.told(EventNonConvergent) != 0 {
		t.Error("a cell that a packet brought counted as futile")
	}
}

func TestFutileTableIsBoundedAndForgets(t *testing.T) {
	var tab futileTable
	for i := range 3 * futilePairsMost {
		tab.learn(time.Duration(i)*time.Millisecond, []pairNote{{key: pairKey{addr: uint64(i)}}})
	}
	if len(tab.pairs) != futilePairsMost {
		t.Errorf("%d pairs", len(tab.pairs))
	}
	k := pairKey{addr: 3*futilePairsMost - 1}
	now := time.Minute
	for i := range 12 {
		tab.learn(now, []pairNote{{key: k}})
		if w := tab.pairs[k].wait; w > futileMost || i > 6 && w != futileMost {
			t.Errorf("after %d times the back-off is %v", i, w)
		}
		now = tab.pairs[k].until
	}
	tab.learn(now+2*futileMost, nil)
	if len(tab.pairs) != 0 {
		t.Errorf("%d pairs are never forgotten", len(tab.pairs))
	}
}

// TestPlantedSessionBugs shows that the states in which the rules of a session
// matter are reached: each rule that is switched off does harm.
func TestPlantedSessionBugs(t *testing.T) {
	for _, c := range []struct {
		plant Plant
		harm  func(n *syncNet) bool
	}{
		{PlantCtxLive, func(n *syncNet) bool {
			var later *cell.Cell
			n.between = func(_ int, _ *syncNode, m wire.Msg) bool {
				if later == nil && m.Type() == wire.TypeRanges { // both roots are pinned
					later = n.nodes[0].put("later", "1")
				}
				return false
			}
			n.nodes[0].put("k", "1")
			n.ask(0, 1)
			return n.nodes[1].e.Root().Ctx.Has(later.Dot()) && n.nodes[1].value("later") == "-"
		}},
		{PlantPurgePinned, func(n *syncNet) bool {
			c := n.nodes[0].put("k", "1")
			n.between = func(_ int, _ *syncNode, m wire.Msg) bool {
				if _, ok := m.(*wire.Cells); ok {
					n.nodes[1].take(c)
				}
				return false
			}
			n.ask(0, 1)
			return n.nodes[0].value("k") == "-"
		}},
		{PlantCtxIncomplete, func(n *syncNet) bool {
			n.nodes[0].put("k", "1")
			far := n.foreign("far", "1", time.Hour)
			n.nodes[0].hold(far)
			n.ask(0, 1)
			return n.nodes[1].e.Root().Ctx.Has(far.Dot())
		}},
	} {
		for _, plant := range []Plant{PlantNothing, c.plant} {
			t.Run(fmt.Sprintf("rule %d, planted %d", c.plant, plant), func(t *testing.T) {
				n := newSyncNet(t, 2, func(_ int, cfg *Config) { cfg.Plant = plant })
				n.fill(100, 10)
				n.meet()
				n.run(time.Second)
				n.quiet()
				if got, want := c.harm(n), plant != PlantNothing; got != want {
					t.Errorf("harm done: %v, want %v", got, want)
				}
			})
		}
	}
}
