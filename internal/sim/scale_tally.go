package sim

import (
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/wire"
)

// packetOverhead is what memberlist adds to a packet without encryption: the
// type, the checksum, the label.
const packetOverhead = 1 + 5 + 2 + len(scaleName)

// phase is a part of a Scale.
type phase uint8

const (
	unmeasured phase = iota
	measured         // what it costs and how long it takes
	unrepaired       // no session comes to its end: what do packets alone miss?
)

// update is one write on its way to all members.
type update struct {
	n       uint64 // number of its dot
	at      time.Duration
	phase   phase
	reached []way
	depth   []uint8 // hops it took to get there
	late    []time.Duration
	missed  int  // no packet brought it
	asked   bool // by a member that lacked it: it went other ways than the push
}

// way is how a member came to hold an update.
type way uint8

const (
	noWay way = iota
	bySession
	byPacket // or it wrote it
)

// arrival is a member that has come to hold an update.
type arrival struct {
	u *update
	n *Node
}

// tally takes down what a Scale shows. It is the Observer of its World.
type tally struct {
	*scaleStage
	open    map[cell.Addr][]*update // on their way, oldest first
	byDot   map[cell.Dot]*update
	wrote   []uint64  // writes by node
	newest  []arrival // by the last step, not known yet how
	phase   phase
	running bool
	cpu     time.Duration
	sent    traffic
}

// traffic is what all members sent in the measured time.
type traffic struct {
	packets, bytes       int
	gossip               int // bytes of DELTA, HAVE and WANT
	deltas, haves, wants int // packets
	payloads             int // cells in DELTAs
	streams              int // bytes of sessions
}

func newTally(s *scaleStage) *tally {
	return &tally{scaleStage: s, open: make(map[cell.Addr][]*update), byDot: make(map[cell.Dot]*update), wrote: make([]uint64, len(s.nodes))}
}

// begin and end bound the measured time.
func (t *tally) begin() {
	if t.phase == measured {
		t.running, t.cpu = true, t.used()
	}
}

func (t *tally) end() {
	if t.phase == measured {
		t.running, t.cpu = false, t.used()-t.cpu
	}
}

func (t *tally) used() time.Duration {
	if t.plan.CPU == nil {
		return 0
	}
	return t.plan.CPU()
}

// writing opens an update that a member is about to write.
func (t *tally) writing(n *Node, a cell.Addr) {
	t.wrote[n.Index]++
	u := &update{
		n: t.wrote[n.Index], at: t.now, phase: t.phase,
		reached: make([]way, len(t.nodes)), depth: make([]uint8, len(t.nodes)),
	}
	t.open[a] = append(t.open[a], u)
	t.byDot[cell.Dot{O: originOf(n), N: u.n}] = u
}

// Stepped is part of Observer. How the members came to hold what changed is
// told by Delivered, if it was a packet.
func (t *tally) Stepped(n *Node, _ *engine.Root, fx *engine.Effects) {
	t.newest = t.newest[:0]
	for _, a := range fx.Changed {
		s, ok := fx.Root.Tree.Get(string(a))
		if !ok {
			continue
		}
		for _, u := range t.open[a] {
			if u.n > s.Ver.N || u.reached[n.Index] != noWay {
				continue
			}
			u.reached[n.Index] = byPacket
			u.late = append(u.late, t.now-u.at)
			if s.Ver.O != originOf(n) {
				u.reached[n.Index] = bySession // until Delivered says better
				t.newest = append(t.newest, arrival{u, n})
			}
		}
	}
}

// Delivered is part of Observer.
func (t *tally) Delivered(n *Node, f wire.Frame, _ *engine.Root) {
	from := t.byOrigin[f.Origin]
	for _, a := range t.newest {
		if a.n == n {
			a.u.reached[n.Index] = byPacket
			a.u.depth[n.Index] = a.u.depth[from.Index] + 1
		}
	}
	t.newest = t.newest[:0]
	if m, ok := f.Msg.(*wire.Delta); ok {
		t.late(n, m)
	}
}

// late takes note of packets that bring what a session was faster with.
func (t *tally) late(n *Node, m *wire.Delta) {
	for _, g := range m.Groups {
		for _, c := range g.Cells {
			for _, u := range t.open[c.Addr] {
				if u.n <= c.Ver.N && u.reached[n.Index] == bySession {
					u.reached[n.Index] = byPacket
				}
			}
		}
	}
}

// Sent is part of Observer.
func (t *tally) Sent(_, _ *Node, f wire.Frame, size int) {
	if m, ok := f.Msg.(*wire.Want); ok {
		t.asked(m)
	}
	if !t.running {
		return
	}
	if f.Stream {
		t.sent.streams += size
		return
	}
	size += packetOverhead
	t.sent.packets++
	t.sent.bytes += size
	switch m := f.Msg.(type) {
	case *wire.Delta:
		t.sent.payloads += m.Len()
		t.sent.deltas++
	case *wire.Have:
		t.sent.haves++
	case *wire.Want:
		t.sent.wants++
	default:
		return // it opens a session
	}
	t.sent.gossip += size
}

// asked takes note of what a member asks for.
func (t *tally) asked(m *wire.Want) {
	for _, run := range m.Runs {
		for i := range run.Len {
			if u := t.byDot[cell.Dot{O: run.O, N: run.From + i}]; u != nil {
				u.asked = true
			}
		}
	}
}

// Restarted is part of Observer.
func (t *tally) Restarted(*Node) {}

// close ends every update: who does not hold it by now has missed it.
func (t *tally) close() map[phase][]*update {
	all := make(map[phase][]*update)
	for _, us := range t.open {
		for _, u := range us {
			for _, n := range t.live {
				if u.reached[n.Index] != byPacket {
					u.missed++
				}
			}
			slices.Sort(u.late)
			all[u.phase] = append(all[u.phase], u)
		}
	}
	return all
}
