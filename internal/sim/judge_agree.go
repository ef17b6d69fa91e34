package sim

import (
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/hlc"
)

// holding is since when each address of a node holds what it holds.
type holding map[cell.Addr]time.Duration

// agreed judges I10 after a session: if the node now claims to agree with the
// peer as of some H, no cell older than H that one of the two has held since
// before H and shows is missing on the other side.
func (j *judge) agreed(n *Node, ev engine.Event) {
	if end := engine.SessionEnd(ev.N); end != engine.EndComplete && end != engine.EndReadOnly {
		return
	}
	peer := j.d.byOrigin[ev.Peer]
	if peer == nil || !peer.up || originOf(peer) != ev.Peer {
		return
	}
	for _, a := range n.eng.Agreement() {
		if a.Peer.Origin == ev.Peer && a.Agrees() {
			j.d.Counts.Note("agreement claimed")
			j.agreedOneWay(n, peer, a.Agreed)
			j.agreedOneWay(peer, n, a.Agreed)
		}
	}
}

// agreedOneWay looks for what a shows and b lacks.
func (j *judge) agreedOneWay(a, b *Node, before hlc.Time) {
	since := j.lives[a.Index].holds
	limit := time.Duration(before.Milli()-epoch)*time.Millisecond - j.d.Config.MaxSkew
	// Two clocks that are both wrong by more than is forgiven put H into the
	// future, and what is under way looks old to them.
	limit = min(limit, j.d.now-j.d.Config.AgreeAge)
	rb := b.Root()
	for s := range a.Root().Tree.All() {
		if !s.Visible() || s.Ver.T >= before || since[s.Addr] >= limit {
			continue
		}
		other, ok := rb.Tree.Get(string(s.Addr))
		if ok && cell.Compare(other.Cell, s.Cell) >= 0 {
			continue // b holds it, or what b holds is higher: judged the other way around
		}
		if floor, ok := rb.Tree.Get(string(cell.FloorOf(s.Addr.Key()))); ok && s.DeadUnder(floor.Cell) && floor.Ver.T >= before {
			continue
		}
		if j.lives[b.Index].lost[s.Addr] >= limit {
			continue // it went there after H
		}
		j.fail("I10", a, "agreement with %s as of %v is claimed; it lacks %v of %q", b.Name, before, s.Dot(), s.Addr)
	}
}
