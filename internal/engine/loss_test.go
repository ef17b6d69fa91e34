package engine

import (
	"math"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

func (x *solo) seq(from cell.Origin, seqs ...uint64) {
	for _, s := range seqs {
		x.recvSeq(from, s, &wire.Have{})
	}
}

func TestGapCountsAfterASecond(t *testing.T) {
	x := newSolo(t, 3, nil)
	x.seq(1, 5, 6, 8)
	x.n.run(gapAge - time.Millisecond)
	if x.dirtied(1) != 0 {
		t.Fatal("a gap counted before its time")
	}
	x.n.run(2 * time.Millisecond)
	if x.dirtied(1) != 1 {
		t.Errorf("dirty %d, want 1", x.dirtied(1))
	}
	if s := x.e.push.links.of(1).count(); s.came != 3 || s.lost != 1 {
		t.Errorf("came %d, lost %d, want 3 and 1", s.came, s.lost)
	}
}

func TestOvertakingIsNoLoss(t *testing.T) {
	x := newSolo(t, 3, nil)
	x.seq(1, 1, 5, 4, 3, 2, 70, 69)
	for s := uint64(7); s < 69; s++ {
		x.seq(1, s)
	}
	x.seq(1, 6, 5, 5)
	x.n.run(time.Minute)
	if n := x.dirtied(1); n != 1 { // 6 is 64 behind 70: too far to be told from loss
		t.Errorf("dirty %d, want 1", n)
	}
	if lost := x.e.push.links.of(1); lost.missing != 0 {
		t.Errorf("missing %b", lost.missing)
	}
	y := newSolo(t, 3, nil)
	y.seq(1, 40)
	for s := uint64(100); s > 40; s-- {
		y.seq(1, s)
	}
	y.n.run(time.Minute)
	if y.dirtied(1) != 0 {
		t.Error("packets in reverse order counted as loss")
	}
}

func TestLossIsExact(t *testing.T) {
	rnd := newRand(6)
	for range 200 {
		x := newSolo(t, 1, nil)
		k := x.e.push.links.of(1)
		x.seq(1, 1)
		lost, open := 0, 0
		for s := uint64(2); s < 300; s++ {
			if rnd.IntN(3) == 0 && open < 40 {
				open++
				continue
			}
			lost, open = lost+open, 0
			x.seq(1, s)
		}
		x.n.run(2 * time.Second)
		if k.count().lost != lost {
			t.Fatalf("lost %d, want %d", k.count().lost, lost)
		}
	}
}

func TestLeapOfTheNumbersIsBounded(t *testing.T) {
	x := newSolo(t, 2, nil)
	x.seq(1, 1, math.MaxUint64)
	if n := x.e.push.links.of(1).count().lost; n != gapWindow {
		t.Errorf("lost %d, want %d", n, gapWindow)
	}
	if n := x.e.push.links.gaps.len(); n != gapWindow-1 {
		t.Errorf("%d gaps are watched", n)
	}
	x.n.run(2 * time.Second)
	if x.dirtied(1) == 0 || x.e.push.links.gaps.len() != 0 {
		t.Errorf("dirty %d, %d gaps left", x.dirtied(1), x.e.push.links.gaps.len())
	}
}

func TestGapsWatchedAreBounded(t *testing.T) {
	x := newSolo(t, 2, nil)
	for s := uint64(1); s < 2*maxGaps; s += 40 {
		x.seq(1, s)
	}
	if n := x.e.push.links.gaps.len(); n != maxGaps {
		t.Errorf("%d gaps are watched, want %d", n, maxGaps)
	}
	if x.dirtied(1) == 0 {
		t.Error("gaps over the limit were forgotten")
	}
}

func TestLossIsTheMedianOverPeers(t *testing.T) {
	x := newSolo(t, 5, nil)
	l := &x.e.push.links
	set := func(o cell.Origin, came, lost int) { l.of(o).slots[0] = tally{came: came, lost: lost} }
	loss := func() float64 { l.known = false; return l.loss(time.Second) }
	if got := loss(); got != 0 {
		t.Errorf("loss %v of nothing", got)
	}
	set(1, 90, 10)
	set(2, 95, 5)
	set(3, 0, 1000) // one bad peer says nothing of the network
	if got := loss(); got != 0.1 {
		t.Errorf("loss %v, want the median 0.1", got)
	}
	for o := cell.Origin(3); o < 10; o++ {
		set(o, 3, 1)
	}
	if got := loss(); got < 0.08 || got > 0.12 { // all taken together: 22 of 228
		t.Errorf("loss %v of mostly quiet peers", got)
	}
	if got := l.loss(time.Second + 500*time.Millisecond); got != l.last || l.at != time.Second {
		t.Error("taken anew within a second")
	}
	if got := l.loss(50 * time.Second); got != 0 {
		t.Errorf("loss %v half a minute later", got)
	}
}

func TestLossIsMeasuredOnTheNet(t *testing.T) {
	n := newPushNet(t, 16, 9, nil)
	n.loss = 0.2
	for i := range 300 {
		n.nodes[i%16].put("k", []byte{byte(i)})
		n.run(20 * time.Millisecond)
	}
	for _, x := range n.nodes {
		if got := x.e.push.links.loss(x.e.push.now() + time.Second); got < 0.1 || got > 0.3 {
			t.Errorf("%s measures a loss of %.2f, want 0.2", x.name, got)
		}
	}
}

func TestNumbersArePerReceiver(t *testing.T) {
	x := newSolo(t, 3, nil)
	for i := range 20 {
		x.put("k", []byte{byte(i)})
		x.pass(5 * time.Millisecond)
	}
	next := map[cell.Origin]uint64{}
	for _, p := range x.outbox {
		next[p.To]++
		if p.Frame.Seq != next[p.To] {
			t.Fatalf("packet %d to %v, want %d", p.Frame.Seq, p.To, next[p.To])
		}
	}
	x.e.push.renamed()
	if got := x.e.push.nextSeq(1); got != 1 {
		t.Errorf("a new origin begins at %d", got)
	}
}

func TestGonePeersAreForgotten(t *testing.T) {
	x := newSolo(t, 3, nil)
	for o := range cell.Origin(5000) {
		x.e.push.links.of(o + 1).sent = 7
	}
	if got := x.e.push.nextSeq(2); got != 8 {
		t.Errorf("the numbers to a live peer went on with %d, want 8", got)
	}
	if n := len(x.e.push.links.byPeer); n != 3 {
		t.Errorf("%d links are kept, want 3", n)
	}
}
