package engine

import (
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
)

// A clone of this process may be known here only by what it was overwritten
// with, or by a peer's context: its dots are in the memory of everybody, and
// what this process would write under them would be ignored and purged.

func TestCloneKnownByAPrevIsAClash(t *testing.T) {
	a := newBench(t, 1, nil)
	a.put("mine", "v")
	a.pass(time.Second)
	over := cell.New(cell.Spec{
		Addr: cell.At("k", "r"), Ver: cell.Ver{T: hlc.Make(wallStart, 9), O: 7, N: 1}, Body: []byte("theirs"),
		Prev: []cell.Run{{O: 1, From: 2, Len: 10}},
	})
	h := a.e.Hasher()
	h.Seal(over)
	if v := a.join(over); v != raised {
		t.Fatalf("the cell over a clone's: %v, want %v", v, raised)
	}
	a.wantNewOrigin(1)
}

func TestCloneKnownByAContextIsAClash(t *testing.T) {
	a := newBench(t, 1, nil)
	a.put("mine", "v")
	own := cell.NewEntry(1, hlc.Make(wallStart, 0), []cell.Span{{From: 1, Len: 1}})
	a.merge(own)
	if a.told(EventClash) != 0 {
		t.Fatal("what this process has written is taken for a clone's")
	}
	a.merge(cell.NewEntry(1, hlc.Make(wallStart, 0), []cell.Span{{From: 1, Len: 1}, {From: 5, Len: 3}}))
	a.wantNewOrigin(1)
}

func (b *bench) merge(en *cell.Entry) {
	b.e.begin(b.now)
	b.e.mergeEntry(en)
	b.fx = b.e.end()
}

// wantNewOrigin checks that the next write has a dot that nobody can know.
func (b *bench) wantNewOrigin(old cell.Origin) {
	b.t.Helper()
	if b.told(EventClash) != 1 {
		b.t.Fatal("no clash was told")
	}
	before := b.e.Root().Ctx
	if d := b.put("next", "v").Dot(); d.O == old || before.Has(d) {
		b.t.Fatalf("the next write has the dot %v", d)
	}
}
