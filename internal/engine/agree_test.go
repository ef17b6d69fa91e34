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
	a.step(Probe{})
	n.run(900 * time.Millisecond)
	for i, x := range n.nodes {
		if r := x.e.Root(); treeSum(r) != treeSum(before[i]) || ctxSum(r) != ctxSum(before[i]) {
			t.Errorf("a probe changed %s", x.name)
		}
	}
	for _, f := range []wire.Type{wire.TypeCells, wire.TypePurge, wire.TypeCtx, wire.TypeShown} {
		if n.frames[f] != 0 {
			t.Errorf("a probe sent %v", f)
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

// sideState is what one side may hold at an address.
type sideState struct {
	name string
	at   time.Duration
	tomb bool
}

var sideStates = []sideState{
	{name: "nothing"},
	{"old", 10 * time.Second, false},
	{"older", 9 * time.Second, false},
	{"old tomb", 11 * time.Second, true},
	{"older tomb", 8 * time.Second, true},
	{"young", 99 * time.Second, false},
	{"young tomb", 98 * time.Second, true},
}

// cell is the one that a node in this state holds, nil if none.
func (s sideState) cell() *cell.Cell {
	if s.at == 0 {
		return nil
	}
	spec := cell.Spec{Addr: cell.At("key", "r"), Ver: cell.Ver{T: hlcAt(s.at), O: cell.Origin(s.at), N: 1}, Codec: "b", Tomb: s.tomb}
	if !s.tomb {
		spec.Body = []byte("v")
	}
	c := cell.New(spec)
	h := cell.NewHasher("test")
	h.Seal(c)
	return c
}

// TestProbeJudgesEachAddress puts every combination of two sides' cells at an
// address and compares with the definition of agreement.
func TestProbeJudgesEachAddress(t *testing.T) {
	for _, x := range sideStates {
		for _, y := range sideStates {
			judgeOne(t, x, y, func(n *syncNet) { n.nodes[0].step(Probe{}) })
			n := judgeOne(t, x, y, func(n *syncNet) { n.ask(0, 1) })
			n.ask(0, 1) // what the first one replaced is remembered for longer
			n.wantEqual()
		}
	}
}

func judgeOne(t *testing.T, x, y sideState, judge func(*syncNet)) *syncNet {
	t.Helper()
	n := newSyncNet(t, 2, nil)
	n.fill(100, 5)
	n.now = 100 * time.Second
	n.meet()
	n.run(5 * time.Second)
	n.quiet()
	before := n.nodes[0].e.hBefore()
	young, live := false, false
	for i, c := range []*cell.Cell{x.cell(), y.cell()} {
		if c != nil {
			n.nodes[i].hold(c)
			young = young || c.Ver.T >= before
			live = live || !c.Tomb
		}
	}
	want := x != y && live && !young
	judge(n)
	for _, node := range n.nodes {
		if g := node.e.Agreement()[0]; g.Agrees() == want || (g.Differing != 0) != want {
			t.Errorf("%q against %q at %s, frames %v: %+v, want differing %v", x.name, y.name, node.name, n.frames, g, want)
		}
	}
	return n
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
	x.e.put(bad.Keep())
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

func TestBothSidesJudgeAsOfOneTime(t *testing.T) {
	for _, asks := range []int{0, 1} {
		n := newSyncNet(t, 2, nil)
		n.nodes[1].skew = -7 * time.Second
		n.meet()
		n.run(20 * time.Second)
		n.nodes[0].put("k", "1")
		n.quiet()
		n.ask(asks, 1-asks)
		a, b := n.nodes[0].e.Agreement()[0], n.nodes[1].e.Agreement()[0]
		if a.Judged != b.Judged || a.Judged > n.nodes[1].e.hBefore() {
			t.Errorf("asked by %d: judged as of %v and %v", asks, a.Judged, b.Judged)
		}
	}
}

// TestProbeAsksAgainWhereNothingIsAgreed: who waits for agreement must not be
// told for half a minute what was true once.
func TestProbeAsksAgainWhereNothingIsAgreed(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	n.fill(50, 10)
	n.meet()
	n.run(10 * time.Second)
	a, b := n.nodes[0], n.nodes[1]
	a.put("k", "1")
	n.now += time.Minute
	n.quiet()
	probe := func() int {
		n.forget()
		a.step(Probe{})
		n.run(100 * time.Millisecond)
		return n.packets[wire.TypeHello]
	}
	if probe(); a.e.Agreement()[0].Agrees() {
		t.Fatal("agrees before the value came")
	}
	b.take(a.at(cell.At("k", "r")))
	for _, x := range n.nodes { // no session but the probe's
		x.e.sync.dirt, x.e.sync.next = nil, never
	}
	if probe() != 0 {
		t.Error("asked again within a second")
	}
	n.now += probeAgain
	n.quiet()
	if probe() == 0 || !a.e.Agreement()[0].Agrees() {
		t.Errorf("a second later: %+v", a.e.Agreement()[0])
	}
	n.now += probeAgain
	n.quiet()
	if probe() != 0 {
		t.Error("asked again a peer that agrees")
	}
}
