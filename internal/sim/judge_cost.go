package sim

import (
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// calmFrom is when the nodes know each other, so that costs can be counted.
const calmFrom = 2500 * time.Millisecond

// calm counts payloads while nothing is wrong (I9).
type calm struct {
	over   bool
	writes []*write
	sent   map[sending]int
	copies int
}

// sending is one cell pushed by one node with one range.
type sending struct {
	node, life int
	dot        cell.Dot
	span       wire.Span
}

func newCalm() calm { return calm{sent: map[sending]int{}} }

// written notes a write whose payloads count: small, alone in its time.
func (c *calm) written(j *judge, x *write) {
	now := j.d.now
	if c.over || now < calmFrom || now > calmUntil-300*time.Millisecond || len(x.cell.Body) > j.d.Config.LargeBody {
		return
	}
	c.writes = append(c.writes, x)
	x.copies = 1
}

// endCalm judges I9: at most 1.1 (N-1) payloads per update, and no node
// forwards one cell and range twice.
func (j *judge) endCalm() {
	c := &j.calm
	limit := 1.1 * float64(len(j.d.nodes)-1) * float64(len(c.writes))
	if float64(c.copies) > limit+0.5 {
		j.fail("I9", nil, "%d payloads for %d updates on %d nodes", c.copies, len(c.writes), len(j.d.nodes))
	}
	c.over = true
}

// Sent counts what costs.
func (j *judge) Sent(n, _ *Node, f wire.Frame, size int) {
	switch m := f.Msg.(type) {
	case *wire.Delta:
		j.countDelta(n, m)
	case *wire.Hello:
		if m.Kind == wire.TypeHello {
			j.idle.sessions++
		}
	}
	j.idle.add(j.d.now, size)
}

func (j *judge) countDelta(n *Node, m *wire.Delta) {
	if j.calm.over {
		return
	}
	for _, g := range m.Groups {
		for _, c := range g.Cells {
			x := j.history.byDot[c.Dot()]
			if x == nil || x.copies == 0 {
				continue
			}
			j.calm.copies++
			s := sending{n.Index, n.life, c.Dot(), g.Span}
			j.calm.sent[s]++
			if g.Span.Lo != g.Span.Hi && j.calm.sent[s] == 2 {
				j.fail("I9", n, "cell %v was forwarded twice for one range", c.Dot())
			}
		}
	}
}

// idle measures what nodes in sync cost (I8).
type idle struct {
	moved    time.Duration // when anything last changed anywhere
	from     time.Duration // when the measurement began
	bytes    int
	sessions int
}

func (i *idle) add(now time.Duration, size int) {
	if now >= i.from {
		i.bytes += size
	}
}

// beginIdle begins to measure; the nodes agree and nobody writes.
func (j *judge) beginIdle() {
	j.idle.from, j.idle.bytes, j.idle.sessions = j.d.now, 0, 0
}

// endIdle judges I8: at most 200 bytes per session, both ways together.
func (j *judge) endIdle() {
	if j.idle.moved >= j.idle.from {
		j.d.Counts.Note("idle window not idle")
		return
	}
	if j.idle.bytes > 200*max(j.idle.sessions, 1) {
		j.fail("I8", nil, "%d bytes for %d sessions while in sync and idle", j.idle.bytes, j.idle.sessions)
	}
}
