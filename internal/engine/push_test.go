package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

func TestOneWriteReachesAllOnce(t *testing.T) {
	const nodes = 64
	for seed := range uint64(20) {
		n := newPushNet(t, nodes, seed, nil)
		c := n.nodes[seed%nodes].put("k", []byte("v"))
		n.run(40 * time.Millisecond)
		if miss := n.missing(c); miss > 0 {
			t.Fatalf("seed %d: %d of %d nodes miss the cell after 40 ms", seed, miss, nodes)
		}
		n.run(2 * time.Second)
		if n.cells != nodes-1 {
			t.Errorf("seed %d: %d payloads for one update of %d nodes, want %d", seed, n.cells, nodes, nodes-1)
		}
		if haves := n.packets[wire.TypeHave]; haves < nodes || haves > 4*nodes {
			t.Errorf("seed %d: %d HAVE, want about 3 per node", seed, haves)
		}
		if n.packets[wire.TypeWant] != 0 {
			t.Errorf("seed %d: %d WANT where nothing was lost", seed, n.packets[wire.TypeWant])
		}
		n.packets = map[wire.Type]int{}
		n.run(time.Minute)
		delete(n.packets, wire.TypeHello)
		if len(n.packets) != 0 {
			t.Errorf("seed %d: packets when all is told: %v", seed, n.packets)
		}
	}
}

func TestManyWritersStayInTheirBudgetOfPayloads(t *testing.T) {
	const nodes, writes = 64, 400
	n := newPushNet(t, nodes, 3, nil)
	for i := range writes {
		n.nodes[n.rnd.IntN(nodes)].put(fmt.Sprintf("k%d", i), []byte("v"))
		n.run(5 * time.Millisecond)
	}
	n.run(3 * time.Second)
	for i := range writes {
		c := n.nodes[0].get(fmt.Sprintf("k%d", i))
		if miss := n.missing(c.Cell); miss > 0 {
			t.Fatalf("%d nodes miss write %d", miss, i)
		}
	}
	if most := writes * (nodes - 1) * 11 / 10; n.cells > most {
		t.Errorf("%d payloads for %d writes, want at most %d", n.cells, writes, most)
	}
	for _, x := range n.nodes {
		for what, times := range x.forwarded {
			if times > 1 {
				t.Errorf("%s forwarded %s %d times", x.name, what, times)
			}
		}
	}
}

func TestWideRangeIsNoticed(t *testing.T) {
	const nodes = 64
	n := newPushNet(t, nodes, 1, func(c *Config) { c.Plant = PlantWideRange })
	n.nodes[0].put("k", []byte("v"))
	n.run(2 * time.Second)
	if n.cells <= (nodes-1)*11/10 {
		t.Errorf("P16: %d payloads, want more than 1.1 per node", n.cells)
	}
}

func TestDigestsRepairLoss(t *testing.T) {
	const nodes, runs = 64, 40
	full, cells := 0, 0
	for seed := range uint64(runs) {
		n := newPushNet(t, nodes, seed, nil)
		n.loss = 0.05
		c := n.nodes[0].put("k", []byte("v"))
		n.run(time.Second)
		if n.missing(c) == 0 {
			full++
		}
		cells += n.cells
	}
	// Loss is not known yet, so cells get three ticks: a share of 0.7 % of the
	// updates needs a session.
	if full < runs-2 {
		t.Errorf("%d of %d updates reached all at 5 %% loss", full, runs)
	}
	if mean := float64(cells) / runs / (nodes - 1); mean > 1.2 {
		t.Errorf("%.2f payloads per node at 5 %% loss", mean)
	}
}

func TestDeadRepresentativesAreRoutedAround(t *testing.T) {
	full := 0
	const runs = 30
	for seed := range uint64(runs) {
		n := newPushNet(t, 64, seed, nil)
		for _, i := range []int{5, 20, 40} {
			n.nodes[i].dead = true
		}
		c := n.nodes[0].put("k", []byte("v"))
		n.run(time.Second)
		if n.missing(c) == 0 {
			full++
		}
	}
	if full < runs-2 {
		t.Errorf("%d of %d updates reached all with 3 of 64 dead and not yet detected", full, runs)
	}
}

func TestCellsShareAPacket(t *testing.T) {
	x := newSolo(t, 20, nil)
	for i := range 15 {
		x.put(fmt.Sprintf("k%02d", i), []byte("0123456789"))
	}
	sent := only[*wire.Delta](x.pass(quietWindow))
	if len(sent) != fan {
		t.Errorf("%d packets for 15 small cells written at once, want one per part: %d", len(sent), fan)
	}
	for _, p := range sent {
		if m := p.Frame.Msg.(*wire.Delta); len(m.Groups) != 1 || len(m.Groups[0].Cells) != 15 {
			t.Errorf("a packet of %d groups, want one of 15 cells", len(m.Groups))
		}
	}
}

func TestPacketsAreFilledToTheBudget(t *testing.T) {
	x := newSolo(t, 3, nil)
	for i := range 200 {
		x.put(fmt.Sprintf("key-%d", i), make([]byte, 40))
	}
	sent := only[*wire.Delta](x.pass(quietWindow)) // inspect checks that none is too large
	if got := len(hops(sent, cell.Dot{O: x.e.Origin(), N: 200})); got != 3 {
		t.Errorf("the last cell went to %d of 3 members", got)
	}
	// A cell of this kind is about 80 bytes on the wire, estimated as 100.
	if len(sent) < 3*10 || len(sent) > 3*18 {
		t.Errorf("%d packets for 200 cells to 3 members", len(sent))
	}
}

func TestBodyOverThePacketTravelsAlone(t *testing.T) {
	n := newPushNet(t, 8, 1, nil)
	n.nodes[0].put("small", []byte("v"))
	c := n.nodes[0].put("medium", make([]byte, 6000))
	n.run(time.Second)
	if n.missing(c) > 0 {
		t.Errorf("%d nodes miss a body of 6000 bytes", n.missing(c))
	}
	if n.packets[wire.TypeAdvert] != 0 {
		t.Errorf("a body of 6000 bytes was announced")
	}
}

// The newest version serves the ranges of all that waited with it.
func TestNewerServesBothRanges(t *testing.T) {
	x := newSolo(t, 40, nil)
	one, two := arc(0.1, 0.2), arc(0.6, 0.2)
	old := x.foreign(1, 1, "k", "old", 2*time.Second)
	newer := x.foreign(2, 1, "k", "new", time.Second)
	x.recv(1, deltaOf(one, old))
	x.recv(2, deltaOf(two, newer))
	sent := x.pass(quietWindow)
	if h := hops(sent, old.Dot()); len(h) > 0 {
		t.Errorf("the overtaken version went to %v", h)
	}
	if got, want := x.covered(hops(sent, newer.Dot())), x.inSpan(one, two); !slices.Equal(got, want) || len(want) < 8 {
		t.Errorf("the newest version serves %v, want each of %v once", got, want)
	}
}

func TestOwnWriteOverARelayedCellServesAll(t *testing.T) {
	x := newSolo(t, 40, nil)
	x.recv(1, deltaOf(arc(0.1, 0.2), x.foreign(1, 1, "k", "theirs", time.Second)))
	c := x.put("k", []byte("mine"))
	got := x.covered(hops(x.pass(quietWindow), c.Dot()))
	if want := x.inSpan(x.e.peers.whole()); !slices.Equal(got, want) {
		t.Errorf("served %v, want %v", got, want)
	}
}

// A key that is written faster than windows pass reaches all while it is being
// written, not only when the writing stops.
func TestHotKeySpreadsWhileItIsWritten(t *testing.T) {
	n := newPushNet(t, 64, 5, nil)
	const writes = 1500
	times := make(map[cell.Dot]time.Duration)
	for i := range writes {
		c := n.nodes[0].put("hot", fmt.Append(nil, i))
		times[c.Dot()] = n.now
		n.run(time.Millisecond)
		if i < 500 || i%100 != 0 {
			continue
		}
		for _, x := range n.nodes {
			s := x.get("hot")
			if s == nil || n.now-times[s.Dot()] > 500*time.Millisecond {
				t.Fatalf("%s lags at write %d: %v", x.name, i, s)
			}
		}
	}
	n.run(time.Second)
	if miss := n.missing(n.nodes[0].get("hot").Cell); miss > 0 {
		t.Errorf("%d nodes miss the last write", miss)
	}
	if n.cells > writes*63/2 {
		t.Errorf("%d payloads for %d writes of one key: nothing was coalesced", n.cells, writes)
	}
}

func TestKnownCellIsNotForwarded(t *testing.T) {
	x := newSolo(t, 20, nil)
	c := x.foreign(1, 1, "k", "v", time.Second)
	x.recv(1, deltaOf(arc(0, 0.5), c))
	if got := hops(x.pass(quietWindow), c.Dot()); len(got) == 0 {
		t.Fatal("a new cell was not forwarded")
	}
	x.recv(2, deltaOf(arc(0.1, 0.4), c))
	if got := hops(x.pass(time.Second), c.Dot()); len(got) > 0 {
		t.Errorf("a known cell was forwarded to %v", got)
	}
	older := x.foreign(3, 1, "k", "older", 3*time.Second)
	x.recv(3, deltaOf(arc(0.5, 0.4), older))
	if got := hops(x.pass(time.Second), older.Dot()); len(got) > 0 {
		t.Errorf("a dominated cell was forwarded to %v", got)
	}
}

func TestRangeOfACellIsKept(t *testing.T) {
	x := newSolo(t, 40, nil)
	c := x.foreign(1, 1, "k", "v", time.Second)
	span := arc(0.3, 0.4)
	x.recv(1, deltaOf(span, c))
	sent := x.pass(quietWindow)
	if got, want := x.covered(hops(sent, c.Dot())), x.inSpan(span); !slices.Equal(got, want) {
		t.Errorf("served %v, want %v", got, want)
	}
	for _, h := range hops(sent, c.Dot()) {
		if !slices.Contains(x.inSpan(h.span), h.to) {
			t.Errorf("%v is asked to serve a range that it is not in", h.to)
		}
	}
	d := x.foreign(1, 2, "leaf", "v", time.Second)
	x.recv(1, deltaOf(wire.Span{}, d))
	if got := hops(x.pass(quietWindow), d.Dot()); len(got) > 0 {
		t.Errorf("a cell with an empty range was forwarded to %v", got)
	}
}

func TestStaleCellIsLeftToASession(t *testing.T) {
	x := newSolo(t, 5, nil)
	old := x.foreign(1, 1, "k", "v", 5*time.Minute+time.Second)
	x.recv(1, deltaOf(arc(0, 0.9), old))
	if x.get("k") != nil || x.dirtied(1) != 1 || x.n.events["stale"] != 1 {
		t.Errorf("stored %v, dirty %d, events %v", x.get("k"), x.dirtied(1), x.n.events)
	}
	fresh := x.foreign(2, 1, "k", "v", 5*time.Minute-time.Second)
	x.recv(2, deltaOf(arc(0, 0.9), fresh))
	if x.get("k") == nil || x.dirtied(2) != 0 {
		t.Errorf("a cell of less than five minutes: stored %v, dirty %d", x.get("k"), x.dirtied(2))
	}
	// What this node has had says nothing new, however old it is.
	x.pass(2 * time.Second)
	x.recv(2, deltaOf(arc(0, 0.9), fresh))
	if x.dirtied(2) != 0 || x.n.events["stale"] != 2 {
		t.Errorf("a stale cell that was here: dirty %d, events %v", x.dirtied(2), x.n.events)
	}
}

func TestRefusedCellMakesItsSenderDirty(t *testing.T) {
	x := newSolo(t, 5, nil)
	c := x.foreign(1, 1, "k", "v", -time.Minute)
	x.recv(3, deltaOf(arc(0, 0.9), c))
	if got := hops(x.pass(time.Second), c.Dot()); len(got) > 0 || x.get("k") != nil || x.dirtied(3) != 1 {
		t.Errorf("forwarded %v, stored %v, dirty %d", got, x.get("k"), x.dirtied(3))
	}
}

func TestBeforeTheFirstSessionNothingIsForwarded(t *testing.T) {
	x := newSolo(t, 20, func(c *Config) { c.Alone, c.JoinWait = false, time.Hour })
	c := x.foreign(1, 1, "k", "v", time.Second)
	x.recv(1, deltaOf(arc(0, 0.9), c))
	for _, p := range x.pass(5 * time.Second) {
		if typ := p.Frame.Msg.Type(); typ < wire.TypeHello {
			t.Errorf("a %v was sent before the first session", typ)
		}
	}
	if x.get("k") == nil {
		t.Error("the cell was not taken")
	}
}

func TestLeavePushesAndChecksAtOnce(t *testing.T) {
	x := newSolo(t, 20, nil)
	x.n.run(time.Second)
	c := x.put("k", []byte("v"))
	before := len(x.outbox)
	x.step(Leave{})
	if got := hops(x.outbox[before:], c.Dot()); len(got) != fan {
		t.Errorf("leaving pushed to %d members at once, want %d", len(got), fan)
	}
	if x.e.Unsent() == 0 {
		t.Error("nothing is unsent before the part checks")
	}
	have := only[*wire.Have](x.pass((partChecks + 1) * x.e.cfg.DigestTick))
	if len(have) < partChecks*fan || x.e.Unsent() != 0 {
		t.Errorf("%d HAVE, %d unsent after all ticks", len(have), x.e.Unsent())
	}
	y := newSolo(t, 0, nil)
	y.put("k", []byte("v"))
	if y.e.Unsent() != 0 {
		t.Errorf("%d unsent with nobody to send to", y.e.Unsent())
	}
}

func TestStatsCountWhatWaits(t *testing.T) {
	x := newSolo(t, 20, nil)
	x.put("a", []byte("v"))
	x.put("b", []byte("v"))
	x.recv(1, &wire.Have{Runs: []cell.Run{{O: 1, From: 1, Len: 3}}})
	s := x.e.Stats()
	if s.Cells != 2 || s.Live != 2 || s.Origins != 1 || s.Spans != 1 || s.Fresh != 2 || s.Pending != 3 {
		t.Errorf("stats %+v", s)
	}
}
