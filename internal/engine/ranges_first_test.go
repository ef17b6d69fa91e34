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
	pin := a.e.sync.pinNow(b.e.Origin())
	pin.peerTree = treeSum(pin.root)
	s := newSession(a.e, pin, asking)
	s.Start()
	for m, ok := s.Next(); ok; m, ok = s.Next() {
		r, isRanges := m.(*wire.Ranges)
		if !isRanges {
			continue
		}
		for _, x := range r.Ranges {
			if x.Mode == wire.ModeSkip {
				t.Errorf("skips up to %q what the peer has not compared", x.Upper)
			}
		}
		return
	}
	t.Fatal("no first leg")
}
