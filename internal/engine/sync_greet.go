package engine

import "github.com/starlingkv/starling/internal/cell"

// greeters is how many members ask a member that has come, or come back, on
// average. A few are enough to bring it what it missed and to take what it
// brought; all of them would be a storm.
const greeters = 4

// newcomers lists the origins of a view that this node does not know yet.
func (e *Engine) newcomers(view *View) []cell.Origin {
	var out []cell.Origin
	for p := range view.Peers() {
		if p.Name != e.cfg.Name && !e.peers.known(p.Origin) {
			out = append(out, p.Origin)
		}
	}
	return out
}

// greet asks one of those who have come soon, so that a healed partition does
// not wait for the regular sessions. When one member comes a few others do it,
// when half of the cluster comes back everybody does.
func (s *syncer) greet(came []cell.Origin) {
	if !s.synced || len(came) == 0 {
		return
	}
	if r := s.e.cfg.Rand; r.IntN(s.e.peers.count()) < greeters*len(came) {
		s.markAt(came[r.IntN(len(came))], s.e.now.Mono+dirtyFrom+s.draw(dirtySpread))
	}
}
