package engine

import (
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/wire"
)

// TestFirstLegConcludesNothing: DIFFER may be of another pin than the one that
// the peer compares with, if it was repeated after the first had gone.
func TestFirstLegConcludesNothing(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	a, b := n.nodes[0], n.nodes[1]
	n.fill(50, 10)
	n.meet()
	n.run(time.Second)
	n.quiet()
	for _, shown := range []struct{ tree, ctx wire.Sum }{
		{treeSum(a.e.Root()), ctxSum(a.e.Root())},
		{}, // it was empty then
	} {
		pin := a.e.sync.pinNow(b.e.Origin())
		pin.peerTree, pin.peerCtx = shown.tree, shown.ctx
		s := newSession(a.e, pin, asking)
		s.Start()
		phases := 0
		for m, ok := s.Next(); ok; m, ok = s.Next() {
			r, isRanges := m.(*wire.Ranges)
			if !isRanges {
				continue
			}
			phases++
			for _, x := range r.Ranges {
				if x.Mode == wire.ModeSkip {
					t.Errorf("skips up to %q of phase %v what the peer has not compared", x.Upper, r.Phase)
				}
			}
		}
		if phases != 2 {
			t.Errorf("the first turn compares %d trees", phases)
		}
	}
}
