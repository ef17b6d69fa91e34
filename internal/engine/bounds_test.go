package engine

import (
	"errors"
	"testing"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/wire"
)

// manyCells makes n small cells of one foreign origin.
func manyCells(b *bench, n int) []*cell.Cell {
	out := make([]*cell.Cell, n)
	for i := range out {
		out[i] = cell.New(cell.Spec{
			Addr: cell.At("k", "zf"+string(rune('A'+i/1000))+string(rune(0x100+i%1000))),
			Ver:  cell.Ver{T: hlc.Make(wallStart, 0), O: 9, N: uint64(i + 1)}, Body: []byte("v"),
		})
		b.e.hasher.Seal(out[i])
	}
	return out
}

func TestDeltaOverOneStepIsRefused(t *testing.T) {
	b := newBench(t, 1, nil)
	b.step(PeersChanged{View: NewView([]Peer{{Name: "p", Origin: 9}})})
	send := func(n int) {
		m := &wire.Delta{Groups: []wire.Group{{Cells: manyCells(b, n)}}}
		b.step(Received{Frame: wire.Frame{Header: wire.Header{Origin: 9, Now: hlc.Make(wallStart, 0), Seq: uint64(n)}, Msg: m}})
	}
	if send(MaxStepCells + 1); b.e.Root().Tree.Len() != 0 || b.told(EventRefusedSize) != 1 || b.told(EventDirty) != 1 {
		t.Errorf("%d cells of an endless packet were taken, told %d", b.e.Root().Tree.Len(), b.told(EventRefusedSize))
	}
	if send(MaxStepCells); b.e.Root().Tree.Len() != MaxStepCells {
		t.Errorf("%d cells of a full packet were taken", b.e.Root().Tree.Len())
	}
}

func TestSessionTakesNoMoreThanWasAnnounced(t *testing.T) {
	b := newBench(t, 1, nil)
	b.step(PeersChanged{View: NewView([]Peer{{Name: "p", Origin: 9}})})
	b.e.begin(b.now)
	pin := b.e.sync.pinNow(9)
	pin.peerTree.Count = 5
	s := newSession(b.e, pin, answering)
	b.e.end()
	cells := manyCells(b, 1000)
	err := error(nil)
	shown := 0
	for ; err == nil && shown < 3*offeredSlack; shown += len(cells) {
		err = s.onCells(&wire.Cells{Cells: cells}, b.step)
	}
	if !errors.Is(err, errTooManyCells) || shown != offeredSlack+1000 {
		t.Errorf("%d cells of a peer that announced 5: %v", shown, err)
	}
}
