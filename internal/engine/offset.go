package engine

import (
	"fmt"
	"time"

	"github.com/starlingkv/starling/internal/hlc"
)

// Offset is how far the clocks of the peers are from this node's.
func (e *Engine) Offset() hlc.Offset { return e.clock.Offset() }

// watchClock tells once that this clock has come half as far from those of the
// peers as stops writes, so that somebody may set it right before; and again
// when it was right meanwhile.
func (e *Engine) watchClock() {
	o, far := e.clock.Drifting(e.peers.count())
	if far && !e.drifts {
		e.event(Event{
			Kind: EventClockDrift, N: uint64(max(o.Median, -o.Median)),
			Text: fmt.Sprintf("the clocks of %d peers are %v %s in the median: check the time of this machine; past %v it takes no writes",
				o.Peers, (time.Duration(max(o.Median, -o.Median)) * time.Millisecond).Round(time.Millisecond), aheadOrBehind(o.Median), e.cfg.MaxSkew),
		})
	}
	e.drifts = far
}

func aheadOrBehind(median int64) string {
	if median < 0 {
		return "behind"
	}
	return "ahead"
}
