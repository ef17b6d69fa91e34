package engine

import (
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// meetTwin looks for a member of another name that announces this node's
// origin: a cloned machine that was given a name of its own. It may not see this
// node yet, so it is told, under the origin that both have, before this node
// takes another.
func (e *Engine) meetTwin() {
	o := e.cfg.Origin
	if !e.peers.shared(o) {
		return
	}
	e.send(o, &wire.Err{Code: wire.CodeClash, Text: "another process has this origin"})
	e.clash("", cell.Dot{})
}

// toldByTwin reports whether a frame is a twin's word that both have one
// origin, and heeds it. What comes again later bears an origin that is not this
// node's any more.
func (e *Engine) toldByTwin(f wire.Frame) bool {
	m, is := f.Msg.(*wire.Err)
	if !is || m.Code != wire.CodeClash || f.Origin != e.cfg.Origin {
		return false
	}
	e.clash("", cell.Dot{})
	return true
}

// guardClone notices that another process writes under this node's origin: a
// cloned machine, or a disk restored twice. Both take a new origin. A cell that
// replaced a write which this node never made tells as much as that write.
func (e *Engine) guardClone(c *cell.Cell, cur *cell.Stored) {
	for _, r := range c.PrevRuns() {
		if e.unissued(r.O, r.From+(r.Len-1)) {
			e.clash(c.Addr, cell.Dot{O: r.O, N: r.From})
			return
		}
	}
	if c.Ver.O != e.cfg.Origin && c.Dot().O != e.cfg.Origin {
		return
	}
	other := cur != nil && cur.Ver == c.Ver && cur.Dot() == c.Dot() && cur.Hash() != c.Hash()
	if other || e.unissued(c.Dot().O, c.Dot().N) || e.unissued(c.Ver.O, c.Ver.N) {
		e.clash(c.Addr, c.Dot())
	}
}

// unissued reports that a number of this node's origin is one that it has not
// given to a cell yet.
func (e *Engine) unissued(o cell.Origin, n uint64) bool { return o == e.cfg.Origin && n > e.counter }

// clash takes a new origin: the present one is somebody else's too.
func (e *Engine) clash(a cell.Addr, d cell.Dot) {
	old := e.cfg.Origin
	e.cfg.Origin = newOrigin(e.cfg.Rand.Uint64)
	e.counter = 0
	e.push.renamed()
	e.event(Event{Kind: EventClash, Addr: a, Dot: d, Peer: old, N: uint64(e.cfg.Origin)})
}

// newOrigin draws an origin; zero is not one.
func newOrigin(draw func() uint64) cell.Origin {
	for {
		if o := cell.Origin(draw()); o != 0 {
			return o
		}
	}
}
