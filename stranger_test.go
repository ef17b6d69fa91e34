package starling

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/member"
	"github.com/starlingkv/starling/internal/wire"
)

// openAs opens a node of its own.
func openAs(t *testing.T, o Options) *Node {
	t.Helper()
	n, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// at is a node as one that knows its address alone would call it.
func at(n *Node) member.Member { return member.Member{Name: n.Name(), Addr: n.group.Addr()} }

// TestStrangerWhoSendsIsAsked sends one packet between two nodes that have no
// seeds: they become a cluster.
func TestStrangerWhoSendsIsAsked(t *testing.T) {
	a, b := openAs(t, Options{Name: "a"}), openAs(t, Options{Name: "b"})
	// b relays what it does not hold: only this packet can bring it.
	c := cell.New(cell.Spec{
		Addr: cell.At("early", "r"), Codec: "string", Body: []byte("v"),
		Ver: cell.Ver{T: hlc.Make(time.Now().UnixMilli(), 0), O: 77, N: 1},
	})
	hasher := b.engine.Hasher()
	hasher.Seal(c)
	frame, err := b.codec.Append(nil, wire.Frame{
		Header: wire.Header{Origin: b.engine.Origin(), Seq: 1},
		Msg:    &wire.Delta{Groups: []wire.Group{{Cells: []*cell.Cell{c}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.group.Send(at(a), frame); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both are members of one cluster", func() bool { return len(a.Members()) == 2 && len(b.Members()) == 2 })
	if a.Stats().Events["unknown_origin"] == 0 {
		t.Error("the frame of a stranger was not counted")
	}
	eventually(t, "what came before its sender was known is taken", func() bool { return a.Stats().Keys == 1 })
}

func TestEarlyFramesAreBounded(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		of := func(o cell.Origin) wire.Frame { return wire.Frame{Header: wire.Header{Origin: o}} }
		with := func(known ...cell.Origin) *directory {
			d := &directory{byOrigin: make(map[cell.Origin]member.Member)}
			for _, o := range known {
				d.byOrigin[o] = member.Member{}
			}
			return d
		}
		var e early
		e.keep(of(1), with(1))
		for o := range cell.Origin(2 * maxEarly) {
			e.keep(of(o+1), with())
		}
		if len(e.frames) != maxEarly || e.frames[0].Origin != 1 || e.frames[1].Origin != 2 {
			t.Errorf("%d frames are kept, want the first %d of strangers", len(e.frames), maxEarly)
		}
		if got := e.take(with(2, 5)); len(got) != 2 || got[0].Origin != 2 || got[1].Origin != 5 {
			t.Errorf("took %v, want those of 2 and 5 in this order", got)
		}
		if got := e.take(with(2)); got != nil {
			t.Errorf("took %v a second time", got)
		}
		<-time.After(earlyAge + 1)
		e.keep(of(200), with())
		if got := e.take(with(3, 200)); len(got) != 1 || got[0].Origin != 200 {
			t.Errorf("took %v, want only the one that is not old", got)
		}
	})
}

// TestStreamToAnotherClusterIsRefusedByName calls an address that another
// cluster has by now.
func TestStreamToAnotherClusterIsRefusedByName(t *testing.T) {
	a, b := openAs(t, Options{Name: "a", Cluster: "ours"}), openAs(t, Options{Name: "b", Cluster: "theirs"})
	c, err := a.group.Dial(t.Context(), at(b))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	f, err := a.newStream(c).read(openLimit)
	if err != nil {
		t.Fatal(err)
	}
	if err := misplaced(f); !errors.Is(err, errForeign) || err.Error() != "another cluster answered: this is cluster theirs" {
		t.Errorf("the stream ends with %v, want the name of the other cluster", err)
	}
	eventually(t, "b has counted a", func() bool { return len(b.Stats().Foreign) == 1 && b.Stats().Foreign[0].Cluster == "ours" })
}
