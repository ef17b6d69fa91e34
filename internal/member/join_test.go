package member

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/hashicorp/memberlist"
)

// TestSeedsAndDeadAreCalledByTurns has one seed among a hundred dead.
func TestSeedsAndDeadAreCalledByTurns(t *testing.T) {
	seed := netip.MustParseAddrPort("10.9.9.9:7171")
	g := open(t, "a", "test")
	s, err := newSeeds([]string{seed.String()}, nil, g.cfg.Log)
	if err != nil {
		t.Fatal(err)
	}
	g.stop() // the rounds are the test's
	<-g.stopped
	g.seeds = s
	for i := range 100 {
		g.view.note(&memberlist.Node{Name: fmt.Sprint(i), Addr: []byte{10, 0, 0, byte(i)}, Port: 7171}, Dead)
	}
	first := map[netip.AddrPort]int{}
	for range 20 {
		worth := g.worthCalling(t.Context())
		if len(worth) != 101 || !slices.Contains(worth[:2], seed) {
			t.Fatalf("%d addresses are worth calling, the seed at %d; want 101 and it among the first two", len(worth), slices.Index(worth, seed))
		}
		first[worth[0]]++
	}
	if first[seed] != 10 || len(first) < 5 {
		t.Errorf("of 20 calls %d go to the seed, want 10; the others go to %d of the dead, want several", first[seed], len(first)-1)
	}
}

func TestByTurns(t *testing.T) {
	at := func(n ...byte) (out []netip.AddrPort) {
		for _, i := range n {
			out = append(out, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, i}), 1))
		}
		return out
	}
	if got, want := byTurns(at(1), at(2)), at(1, 2); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := byTurns(nil, at(1, 2, 3)); len(got) != 3 {
		t.Errorf("got %v, want all three", got)
	}
	if got := byTurns(nil, nil); got != nil {
		t.Errorf("got %v, want none", got)
	}
}
