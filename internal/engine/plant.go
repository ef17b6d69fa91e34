package engine

import (
	"bytes"

	"github.com/starlingkv/starling/internal/cell"
)

// outranks reports whether the stored cell stays where c comes to its address:
// the one order of cells, unless a bug is planted in it.
func (e *Engine) outranks(cur, c *cell.Cell) bool {
	switch {
	case e.cfg.Plant == PlantNoBy && tiedToBy(cur, c):
		return true // neither is higher: who came first stays
	case e.cfg.Plant == PlantByPayload && c.Class == 'c' && cur.Class == 'c':
		return bytes.Compare(cur.Body, c.Body) > 0
	}
	return cell.Compare(cur, c) > 0
}

// tiedToBy reports whether only By can tell which of two cells is higher.
func tiedToBy(a, b *cell.Cell) bool {
	return a.OrdT() == b.OrdT() && a.Ver.Dot() == b.Ver.Dot() && a.Tomb == b.Tomb
}
