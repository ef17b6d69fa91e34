package starling

import (
	"errors"
	"testing"

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
	frame, err := b.codec.Append(nil, wire.Frame{
		Header: wire.Header{Origin: b.engine.Origin(), Seq: 1}, Msg: &wire.InSync{},
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
