package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// quiet keeps the timers of reconciliation from firing.
func (n *syncNet) quiet() {
	for _, x := range n.nodes {
		s := x.e.sync
		s.synced, s.asked, s.dirt, s.next = true, nil, nil, n.now+time.Hour
	}
	n.forget()
}

func TestProbeReadsAndChangesNothing(t *testing.T) {
	n := newSyncNet(t, 3, nil)
	n.fill(500, 10)
	n.meet()
	n.run(30 * time.Second)
	n.wantEqual()
	n.quiet()
	a, b, c := n.nodes[0], n.nodes[1], n.nodes[2]
	shared := a.put("both", "1")
	b.take(shared)
	c.take(shared)
	a.put("only-a", "1")
	b.put("only-b", "1")
	b.put("both", "2")
	n.now += time.Minute
	b.put("young", "1")
	n.quiet()
	before := [3]*Root{a.e.Root(), b.e.Root(), c.e.Root()}
	n.between = func(i int, _ *syncNode, m wire.Msg) bool {
		switch m.(type) {
		case *wire.Cells, *wire.Purge, *wire.Ctx, *wire.Shown:
			t.Errorf("a probe sent %v", m.Type())
		}
		return false
	}
	a.step(Probe{})
	n.run(900 * time.Millisecond)
	for i, x := range n.nodes {
		if r := x.e.Root(); treeSum(r) != treeSum(before[i]) || ctxSum(r) != ctxSum(before[i]) {
			t.Errorf("a probe changed %s", x.name)
		}
	}
	byName := map[string]PeerAgreement{}
	for _, g := range a.e.Agreement() {
		byName[g.Peer.Name] = g
	}
	if g := byName["node-1"]; g.Agrees() || g.Differing != 3 || g.Since == 0 {
		t.Errorf("with node-1: %+v, want 3 differing", g)
	}
	if g := byName["node-2"]; g.Agrees() || g.Differing != 1 {
		t.Errorf("with node-2: %+v, want 1 differing", g)
	}
	if a.ends(EndReadOnly) != 2 {
		t.Errorf("ends: %v", a.events)
	}
	n.forget()
	a.step(Probe{})
	n.run(900 * time.Millisecond)
	if len(n.packets) != 0 {
		t.Errorf("a second probe within 30 s sent %v", n.packets)
	}
	n.between = nil
	n.run(30 * time.Second)
	n.wantEqual()
	n.quiet()
	a.step(Probe{})
	n.run(2 * time.Second)
	for _, g := range a.e.Agreement() {
		if !g.Agrees() {
			t.Errorf("after the repair: %+v", g)
		}
	}
}

// TestProbeJudgesEachAddress puts every combination of two sides' cells at an
// address and compares with the definition.
func TestProbeJudgesEachAddress(t *testing.T) {
	type state struct {
		name string
		c    func(n *syncNet, key string) *cell.Cell
	}
	mk := func(at time.Duration, origin cell.Origin, tomb bool) func(*syncNet, string) *cell.Cell {
		return func(n *syncNet, key string) *cell.Cell {
			spec := cell.Spec{Addr: cell.At(key, "r"), Ver: cell.Ver{T: hlcAt(at), O: origin, N: 1}, Codec: "b", Tomb: tomb}
			for _, k := range key {
				spec.Ver.N += uint64(k)
			}
			if !tomb {
				spec.Body = []byte("v")
			}
			c := cell.New(spec)
			h := cell.NewHasher("test")
			h.Seal(c)
			return c
		}
	}
	states := []state{
		{"nothing", nil},
		{"old", mk(10*time.Second, 50, false)},
		{"older", mk(9*time.Second, 51, false)},
		{"old tomb", mk(11*time.Second, 52, true)},
		{"older tomb", mk(8*time.Second, 53, true)},
		{"young", mk(99*time.Second, 54, false)},
		{"young tomb", mk(98*time.Second, 55, true)},
	}
	for _, mode := range []string{"probe", "session"} {
		for i, x := range states {
			for j, y := range states {
				n := newSyncNet(t, 2, nil)
				n.fill(100, 5)
				n.now = 100 * time.Second
				n.meet()
				n.run(5 * time.Second)
				n.quiet()
				var cs [2]*cell.Cell
				for k, st := range []state{x, y} {
					if st.c != nil {
						cs[k] = st.c(n, "key")
						n.nodes[k].hold(cs[k])
					}
				}
				if mode == "probe" {
					n.nodes[0].step(Probe{})
				} else {
					n.ask(0, 1)
				}
				before := n.nodes[0].e.hBefore()
				live := func(c *cell.Cell) bool { return c != nil && !c.Tomb }
				want := i != j && (live(cs[0]) || live(cs[1]))
				for _, c := range cs {
					if c != nil && c.Ver.T >= before {
						want = false
					}
				}
				for k, node := range n.nodes {
					if k == 1 && mode == "probe" && n.frames[wire.TypeDone] == 0 {
						continue
					}
					if g := node.e.Agreement()[0]; g.Agrees() == want || (g.Differing != 0) != want {
						t.Errorf("%s, %q against %q on node %d: %+v, want differing %v", mode, x.name, y.name, k, g, want)
					}
				}
				if mode == "session" {
					n.ask(0, 1) // what the first one replaced is remembered for longer
					n.wantEqual()
				}
			}
		}
	}
}

func TestAgreementIsNotClaimedOverAPlantedDivergence(t *testing.T) {
	n := newSyncNet(t, 3, nil)
	n.fill(3000, 10)
	n.meet()
	n.run(30 * time.Second)
	n.wantEqual()
	// One cell is changed behind everybody's back, with no dot in any context:
	// nothing but a comparison can find it.
	x := n.nodes[1]
	var victim *cell.Stored
	for s := range x.e.Root().Tree.All() {
		victim = s
		if s.Key() > "ring/key-0005" {
			break
		}
	}
	spec := victim.Spec()
	spec.Body = []byte("planted")
	bad := cell.New(spec)
	x.e.hasher.Seal(bad)
	x.e.begin(x.reading())
	x.e.put(&cell.Stored{Cell: bad})
	x.perform(x.e.end())
	n.now += time.Minute
	n.quiet()
	planted := hlcAt(n.now - 20*time.Second)
	n.nodes[0].step(Probe{})
	n.run(900 * time.Millisecond)
	g := n.nodes[0].e.Agreement()[slices.IndexFunc(n.nodes[0].e.Agreement(), func(g PeerAgreement) bool { return g.Peer.Name == x.name })]
	if g.Agreed >= planted || g.Differing == 0 || !slices.Contains(g.Keys, victim.Addr.Key()) {
		t.Errorf("agreement was claimed: %+v", g)
	}
	n.ask(0, 1)
	if g := n.nodes[1].e.Agreement()[0]; g.Peer.Name == "node-0" && g.Agreed >= planted {
		t.Errorf("agreement was claimed by the session that found it: %+v", g)
	}
	n.ask(1, 2)
	n.ask(0, 1)
	n.ask(0, 2)
	n.wantEqual()
}

func TestProbeOfManyDifferences(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	n.fill(500, 10)
	n.meet()
	n.run(10 * time.Second)
	for i := range 3000 {
		n.nodes[i%2].put(fmt.Sprintf("k%d", i), "1")
	}
	n.now += time.Minute
	n.quiet()
	n.nodes[0].step(Probe{})
	n.run(900 * time.Millisecond)
	if g := n.nodes[0].e.Agreement()[0]; g.Differing < 1500 || g.Differing > 3000 || len(g.Keys) != keysNamed {
		t.Errorf("%+v", g)
	}
	if n.frames[wire.TypeCells] != 0 {
		t.Error("cells were sent")
	}
}
