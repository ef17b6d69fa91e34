package engine

import (
	"slices"
	"testing"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/wire"
)

// TestPacketsAreReceivedTogether: several frames in one Step come to what they
// come to one by one, and are published once.
func TestPacketsAreReceivedTogether(t *testing.T) {
	var frames []wire.Frame
	for i := range 5 {
		frames = append(frames, wire.Frame{
			Header: wire.Header{Origin: 7, Now: hlc.Make(wallStart, 0), Seq: uint64(i + 1)},
			Msg:    &wire.Delta{Groups: []wire.Group{{Cells: []*cell.Cell{cellAt("k", uint64(hlc.Make(wallStart, 0))+uint64(i+1), "v")}}}},
		})
	}
	one, all := newBench(t, 1, nil), newBench(t, 1, nil)
	for _, x := range []*bench{one, all} {
		x.step(PeersChanged{View: NewView([]Peer{{Name: "seven", Origin: 7}})})
	}
	var apart []EventKind
	for _, f := range frames {
		one.step(Received{Frame: f})
		for _, ev := range one.fx.Events {
			apart = append(apart, ev.Kind)
		}
	}
	before := all.e.Root().Rev
	all.step(Packets{Frames: frames})
	var together []EventKind
	for _, ev := range all.fx.Events {
		together = append(together, ev.Kind)
	}
	if treeSum(one.e.Root()) != treeSum(all.e.Root()) || ctxSum(one.e.Root()) != ctxSum(all.e.Root()) {
		t.Error("together they come to something else")
	}
	if !slices.Equal(apart, together) || len(together) == 0 {
		t.Errorf("events %v, want %v", together, apart)
	}
	if got := all.e.Root().Rev - before; got != 1 {
		t.Errorf("published %d times", got)
	}
}
