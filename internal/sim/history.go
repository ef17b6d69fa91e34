package sim

import (
	"time"

	"github.com/starlingkv/starling/internal/cell"
)

// write is one acknowledged write, as its author made it.
type write struct {
	cell *cell.Cell
	at   time.Duration
	node *Node

	// saw is every earlier dot of the key that the author's context held; stood
	// is the dots of the cells that stood under the key when it wrote.
	saw   map[cell.Dot]bool
	stood map[cell.Dot]bool

	stored time.Duration // when a node last came to store it anew
	copies int           // payloads sent of it while nothing was wrong
}

// deletes reports whether the write says that something is gone.
func (x *write) deletes() bool { return x.cell.Tomb }

// kills reports whether x, if a node holds it, means that c is gone.
func (x *write) kills(c *cell.Cell) bool {
	if x.cell.IsFloor() {
		return x.cell.Addr.Key() == c.Addr.Key() && c.DeadUnder(x.cell)
	}
	return x.cell.Tomb && x.cell.Addr == c.Addr && cell.Compare(x.cell, c) > 0
}

// history is everything that was ever written.
type history struct {
	byDot map[cell.Dot]*write
	byKey map[string][]*write
	top   map[cell.Addr]*write // the highest per address, Floors of the key considered
	order []*write
}

func newHistory() history {
	return history{byDot: map[cell.Dot]*write{}, byKey: map[string][]*write{}, top: map[cell.Addr]*write{}}
}

// add records a write and returns it.
func (h *history) add(x *write) {
	c := x.cell
	key := c.Addr.Key()
	h.byDot[c.Dot()] = x
	h.byKey[key] = append(h.byKey[key], x)
	h.order = append(h.order, x)
	for _, y := range h.byKey[key] {
		if y.cell.IsFloor() && y.kills(c) {
			return // dead at birth: it never tops anything
		}
		if c.IsFloor() && x.kills(y.cell) && h.top[y.cell.Addr] == y {
			delete(h.top, y.cell.Addr)
		}
	}
	if t := h.top[c.Addr]; t == nil || cell.Compare(t.cell, c) < 0 {
		h.top[c.Addr] = x
	}
}

// seenBy is the dots of a key that a context holds.
func (h *history) seenBy(key string, ctx cell.Context) map[cell.Dot]bool {
	out := map[cell.Dot]bool{}
	for _, x := range h.byKey[key] {
		if ctx.Has(x.cell.Dot()) {
			out[x.cell.Dot()] = true
		}
	}
	return out
}
