package engine

import (
	"fmt"
	"testing"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// TestYoungCellsGoAlong: few of them, none that is large, and only what has come
// whole is not asked for.
func TestYoungCellsGoAlong(t *testing.T) {
	at := func(i int, ms uint64, size int) *cell.Cell {
		return cellAt(fmt.Sprintf("%04d", i), ms<<16, string(make([]byte, size)))
	}
	along := func(cells []*cell.Cell, young int64) map[cell.Addr]int {
		p := newPair(t, cells, nil)
		p.recs[0].half.(*treeHalf).young = young
		p.recs[0].list("", "")
		sent := map[cell.Addr]int{}
		for m := p.outs[0].next(); m != nil; m = p.outs[0].next() {
			for _, c := range m.(*wire.Cells).Cells {
				sent[c.Addr]++
			}
		}
		return sent
	}
	var cells []*cell.Cell
	for i := range 16 {
		cells = append(cells, at(i, uint64(1000+i), 10))
	}
	for _, c := range []struct {
		young int64
		want  int
	}{{0, 0}, {1016, 0}, {1015, 1}, {1014, 2}, {1013, 0}, {1, 0}} {
		if got := along(cells, c.young); len(got) != c.want {
			t.Errorf("young from %d on: %d cells go along, want %d", c.young, len(got), c.want)
		}
	}
	if got := along(append(cells, at(16, 2000, youngBytes+1), at(17, 2000, youngBytes)), 2000); len(got) != 1 {
		t.Errorf("of a large and a small cell %d go along", len(got))
	}
	h := newPair(t, nil, nil).recs[0].half.(*treeHalf)
	h.came = map[uint64]wire.Item{}
	var many []*cell.Cell
	for i := range cameMost + 10 {
		many = append(many, at(i, 1000, 1))
	}
	h.note(many)
	if h.note(many); len(h.came) != cameMost || h.lacks(itemOf(many[0])) || !h.lacks(itemOf(many[cameMost])) {
		t.Errorf("%d cells are known to have come, want the first %d", len(h.came), cameMost)
	}
	if other := itemOf(at(0, 1001, 1)); !h.lacks(other) {
		t.Error("another version is not asked for")
	}
}
