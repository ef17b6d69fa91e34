package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/wire"
)

func TestTwoEqualNodesExchangeTwoSmallPackets(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	n.fill(1000, 20)
	n.wantEqual()
	n.meet()
	n.run(40 * time.Second)
	n.ask(0, 1)
	if n.packets[wire.TypeHello] != 1 || n.packets[wire.TypeInSync] != 1 || len(n.packets) != 2 || n.bytes != 0 {
		t.Errorf("packets %v and %d bytes of streams, want one HELLO and one INSYNC", n.packets, n.bytes)
	}
	if n.inPacket > 200 {
		t.Errorf("an equal pair cost %d bytes, want at most 200", n.inPacket)
	}
	for _, x := range n.nodes {
		if a := x.e.Agreement()[0]; !a.Agrees() || a.Agreed == 0 {
			t.Errorf("%s does not agree: %+v", x.name, a)
		}
		if x.e.lastYes < n.now-time.Second {
			t.Errorf("%s does not count its peer as one that has all: %v", x.name, x.e.lastYes)
		}
	}
}

func TestBusyPeerAsksForPatience(t *testing.T) {
	n := newSyncNet(t, 6, func(_ int, c *Config) { c.MaxServed = 2 })
	for i, x := range n.nodes {
		x.put(fmt.Sprintf("k%d", i), "v")
	}
	target := n.nodes[0]
	n.refuse = true // pins are made and no stream comes
	n.meet()
	n.now += openDeadline
	for _, x := range n.nodes { // quiet, but for what the test does
		x.e.sync.synced, x.e.sync.asked, x.e.sync.dirt, x.e.sync.next = true, nil, nil, n.now+time.Minute
	}
	busy := 0
	for i := 1; i < 6; i++ {
		n.ask(i, 0)
		busy += n.nodes[i].ends(EndBusy)
	}
	if busy != 3 {
		t.Errorf("%d of 5 were turned away, want 3", busy)
	}
	if len(target.e.sync.pins) > 4*2 {
		t.Errorf("%d pins", len(target.e.sync.pins))
	}
	n.refuse = false
	n.run(3 * time.Minute)
	n.wantEqual()
}

func TestLostHelloIsRepeated(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	n.nodes[0].put("k", "1")
	lost := 0
	n.drop = func(_, _ *syncNode, m wire.Msg) bool {
		if lost < 3 {
			lost++
			return true
		}
		return false
	}
	n.meet()
	n.run(10 * time.Second)
	n.wantEqual()
	n.forget()
	n.drop = func(_, _ *syncNode, m wire.Msg) bool { return true }
	n.ask(0, 1)
	n.run(5 * time.Second)
	if got := n.nodes[0].ends(EndUnanswered); got != 1 || n.packets[wire.TypeHello] < helloTries {
		t.Errorf("unanswered %d, packets %v", got, n.packets)
	}
	n.drop = nil
	n.run(time.Minute)
	if n.nodes[0].ends(EndInSync) == 0 {
		t.Error("a silent peer holds the slot")
	}
}

func TestDirtyPeerIsAskedSoonAndNotTooOften(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	a, b := n.nodes[0], n.nodes[1]
	n.meet()
	n.run(12 * time.Second)
	b.put("k", "1")
	n.forget()
	from := n.now
	a.step(Damaged{From: b.e.Origin(), Why: "test"})
	for a.value("k") != "1" && n.now < from+time.Minute {
		n.run(100 * time.Millisecond)
	}
	if d := n.now - from; d < dirtyFrom || d > dirtyFrom+dirtySpread+200*time.Millisecond {
		t.Errorf("the session came after %v", d)
	}
	n.forget()
	for range 80 {
		a.step(Damaged{From: b.e.Origin(), Why: "test"})
		n.run(100 * time.Millisecond)
	}
	if got := n.packets[wire.TypeHello]; got > 1 {
		t.Errorf("%d sessions in 8 s", got)
	}
}

func TestEverySyncIntervalOneSession(t *testing.T) {
	n := newSyncNet(t, 4, nil)
	n.meet()
	n.run(10 * time.Second)
	n.forget()
	n.run(10 * time.Minute)
	got, want := n.packets[wire.TypeHello], 4*20
	if got < want*8/10 || got > want*12/10 {
		t.Errorf("%d sessions in 10 min of 4 nodes, want about %d", got, want)
	}
}

func TestFollowUpAgreesAfterRepair(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	a, b := n.nodes[0], n.nodes[1]
	n.fill(200, 10)
	a.put("k", "1")
	n.now += time.Minute
	n.meet()
	if g := a.e.Agreement()[0]; g.Agrees() || g.Differing == 0 {
		t.Fatalf("a difference of a minute was not seen: %+v", g)
	}
	n.run(3 * time.Second)
	for _, x := range n.nodes {
		if g := x.e.Agreement()[0]; !g.Agrees() || g.Since != 0 {
			t.Errorf("%s: %+v", x.name, g)
		}
	}
	_ = b
}

func TestTwoThatAskEachOtherRunOneSession(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	n.meet()
	n.run(time.Second)
	n.nodes[0].put("a", "1")
	n.nodes[1].put("b", "1")
	n.quiet()
	// Both HELLOs are under way at once.
	var held []func()
	n.drop = func(from, to *syncNode, m wire.Msg) bool {
		f := wire.Frame{Header: wire.Header{Origin: from.e.Origin(), Now: from.e.Now()}, Msg: m}
		held = append(held, func() { to.step(Received{Frame: f}) })
		return true
	}
	for i, x := range n.nodes {
		x.e.begin(x.reading())
		x.e.sync.ask(n.nodes[1-i].e.Origin())
		x.perform(x.e.end())
	}
	n.drop = nil
	for _, deliver := range held {
		deliver()
	}
	n.run(5 * time.Second)
	n.wantEqual()
	if n.frames[wire.TypeOpen] != 1 {
		t.Errorf("%d sessions were opened, want 1", n.frames[wire.TypeOpen])
	}
}

func TestNobodyAsksWhomItServes(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	n.meet()
	n.run(time.Second)
	n.nodes[0].put("a", "1")
	n.quiet()
	served := false
	n.between = func(_ int, _ *syncNode, m wire.Msg) bool {
		if _, ok := m.(*wire.Ranges); ok && !served {
			served = true
			y := n.nodes[1].e
			y.begin(n.nodes[1].reading())
			y.sync.ask(n.nodes[0].e.Origin())
			if y.sync.asked != nil {
				t.Error("a peer was asked whose session runs here")
			}
			if len(y.sync.dirt) == 0 {
				t.Error("the wish to ask was forgotten")
			}
			y.end()
		}
		return false
	}
	n.ask(0, 1)
	if !served {
		t.Fatal("no session ran")
	}
}

func TestRepeatedHelloGetsThePinItHas(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	n.meet()
	n.run(time.Second)
	a, b := n.nodes[0], n.nodes[1]
	a.put("a", "1")
	n.quiet()
	var hello wire.Frame
	n.drop = func(from, _ *syncNode, m wire.Msg) bool {
		if from == a {
			hello = wire.Frame{Header: wire.Header{Origin: a.e.Origin(), Now: a.e.Now()}, Msg: m}
		}
		return true
	}
	n.ask(0, 1)
	for i := range 3 {
		b.put(fmt.Sprint("b", i), "1")
		fx := b.e.Step(b.reading(), Received{Frame: hello})
		d, ok := fx.Send[0].Frame.Msg.(*wire.Hello)
		if !ok || d.Kind != wire.TypeDiffer || len(b.e.sync.pins) != 1 || d.Tree != treeSum(b.e.sync.pins[0].root) {
			t.Fatalf("answer %d: %+v, %d pins", i, fx.Send, len(b.e.sync.pins))
		}
		if i > 0 && d.Tree == treeSum(b.e.Root()) {
			t.Error("the pin moved")
		}
	}
}

func TestPinsAreBounded(t *testing.T) {
	n := newSyncNet(t, 40, func(_ int, c *Config) { c.MaxServed = 2 })
	n.refuse = true
	n.meet()
	n.nodes[0].put("a", "1")
	for i := 1; i < 40; i++ {
		n.now += openDeadline
		n.quiet()
		n.ask(i, 0)
		if got := len(n.nodes[0].e.sync.pins); got > 8 {
			t.Fatalf("%d pins", got)
		}
	}
}

// TestAllStartTogether: of nodes that meet at once one holds something. Most have
// their first complete session with one that knows as little.
func TestAllStartTogether(t *testing.T) {
	for _, size := range []int{3, 16, 64} {
		limit := time.Duration(earlySessions(size-1)) * joinEvery * 6 / 5
		for seed := range uint64(5) {
			n := newSyncNet(t, size, func(i int, c *Config) { c.Rand = rand.New(rand.NewPCG(seed, uint64(i))) })
			n.nodes[0].put("k", "v")
			n.meet()
			n.run(limit)
			for _, x := range n.nodes {
				if x.value("k") != "v" {
					t.Errorf("%d nodes, seed %d: %s has not heard of it after %v", size, seed, x.name, limit)
				}
			}
		}
	}
}
