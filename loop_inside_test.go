package starling

import (
	"testing"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/wire"
)

// TestBatchIsBounded: a Step applies so many cells and takes so many frames, and
// a frame that alone is over the bound goes alone, to be refused.
func TestBatchIsBounded(t *testing.T) {
	delta := func(cells int) wire.Frame {
		return wire.Frame{Msg: &wire.Delta{Groups: []wire.Group{{Cells: make([]*cell.Cell, cells)}}}}
	}
	var b batch
	if !b.add(delta(engine.MaxStepCells)) || b.add(delta(1)) || !b.add(wire.Frame{Msg: &wire.Have{}}) {
		t.Errorf("%d frames with %d cells were taken", len(b.frames), b.cells)
	}
	b = batch{}
	if !b.add(delta(engine.MaxStepCells+1)) || b.add(delta(1)) {
		t.Error("what is too large does not go alone")
	}
	b = batch{}
	for range maxBatch {
		if !b.add(delta(1)) {
			t.Fatalf("%d frames were too many", len(b.frames))
		}
	}
	if b.add(delta(1)) {
		t.Errorf("a batch of %d frames", len(b.frames))
	}
}
