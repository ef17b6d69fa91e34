package crdt_test

import (
	"testing"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/kv"
)

func TestRegisterIsOneCell(t *testing.T) {
	kind := crdt.Register(kv.String)
	if kind.ID() != "string" || kind.Codec() != kv.String {
		t.Errorf("kind %q with codec %v, want those of kv.String", kind.ID(), kind.Codec())
	}
	parts := kind.Change(nil, []byte("v"))
	if len(parts) != 1 || parts[0].Tomb || parts[0].Codec != "string" || string(parts[0].Body) != "v" {
		t.Fatalf("parts: got %+v, want one with the codec and the body", parts)
	}
	at := cell.At("k", parts[0].Sub)
	if at.Class() != kind.Class() || at.IsFloor() {
		t.Errorf("the cell stands at %q, want class %q", at, kind.Class())
	}
}

func TestRegisterShowsTheNewest(t *testing.T) {
	kind := crdt.Register(kv.String)
	stored := func(sub string, ms int64, body string) *cell.Stored {
		return &cell.Stored{Cell: cell.New(cell.Spec{
			Addr: cell.At("k", sub), Ver: cell.Ver{T: hlc.Make(ms, 0), O: 1, N: uint64(ms)},
			Codec: "string", Body: []byte(body), Exp: 10 * ms,
		})}
	}
	for _, cells := range [][]*cell.Stored{
		{stored("r", 5, "new")},
		{stored("r", 5, "new"), stored("r2", 3, "old")},
		{stored("r", 3, "old"), stored("r2", 5, "new")},
	} {
		var got crdt.Whole
		for _, c := range cells {
			got = kind.Whole(got, c)
		}
		if string(got.Body) != "new" || got.Codec != "string" || got.Exp != 50 || got.Last.Ver.N != 5 {
			t.Errorf("got %+v, want the newest", got)
		}
	}
}

func ExampleRegister() {
	type flag struct{ On bool }
	kind := crdt.Register(kv.JSON[flag]("flag"))
	_ = kind // node.Client(kind) is a store of flags
}
