package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/wire"
)

// tells reports which HAVEs of packets tell of a dot.
func tells(sent []Packet, d cell.Dot) (out []Packet) {
	for _, p := range only[*wire.Have](sent) {
		if cell.Contains(p.Frame.Msg.(*wire.Have).Runs, d) {
			out = append(out, p)
		}
	}
	return out
}

func TestPartChecksGoByAnotherMember(t *testing.T) {
	x := newSolo(t, 40, nil)
	x.n.run(time.Second)
	c := x.put("k", []byte("v"))
	sent := x.pass(2 * time.Second)
	heads := hops(sent, c.Dot())
	turns, random := make(map[wire.Span][]cell.Origin), 0
	for _, p := range tells(sent, c.Dot()) {
		if span := p.Frame.Msg.(*wire.Have).Span; span == nil {
			random++
		} else if turns[*span] = append(turns[*span], p.To); !slices.Contains(x.inSpan(*span), p.To) {
			t.Errorf("part %v was checked by way of %v", *span, p.To)
		}
	}
	for _, h := range heads {
		to := turns[h.span]
		if len(to) != 8 || to[headTurn] != h.to || len(slices.Compact(slices.Sorted(slices.Values(to)))) != 8 {
			t.Errorf("part %v of %v was checked by way of %v, want 8 members, it the second", h.span, h.to, to)
		}
	}
	if len(turns) != fan || random != 1 {
		t.Errorf("%d parts checked and %d random ticks, want %d and 1", len(turns), random, fan)
	}
}

func TestLeafTellsAtRandomOnly(t *testing.T) {
	x := newSolo(t, 40, nil)
	c := x.foreign(1, 1, "k", "v", time.Second)
	x.recv(1, deltaOf(wire.Span{}, c))
	told := tells(x.pass(2*time.Second), c.Dot())
	if len(told) != 1 || told[0].Frame.Msg.(*wire.Have).Span != nil {
		t.Errorf("a leaf told %d times, want once at random", len(told))
	}
}

// What a leaf learns in half a second it tells in one packet, and its timer does
// not go off before.
func TestLeafGathersWhatItTells(t *testing.T) {
	x := newSolo(t, 40, nil)
	x.n.run(time.Second)
	const cells = 20
	var told []Packet
	for i := range uint64(cells) {
		x.recv(1, deltaOf(wire.Span{}, x.foreign(1, i+1, fmt.Sprint(i), "v", time.Second)))
		told = append(told, only[*wire.Have](x.pass(25*time.Millisecond))...)
	}
	left := func(one *digest) bool { return one.told < one.ticks }
	for slices.ContainsFunc(x.e.push.digests.active, left) {
		sent := only[*wire.Have](x.pass(x.e.push.digests.due - x.e.push.now()))
		if len(sent) == 0 {
			t.Fatal("a tick had nothing to tell")
		}
		told = append(told, sent...)
	}
	seen := uint64(0)
	for _, p := range told {
		for _, run := range p.Frame.Msg.(*wire.Have).Runs {
			seen += run.Len
		}
	}
	if seen != cells || len(told) > 2 {
		t.Errorf("%d of %d cells were told in %d packets, want 1 or 2", seen, cells, len(told))
	}
}

// No timer goes off for a cell of which all parts have given a receipt, but for
// the slow ones that end and forget it.
func TestNoQuickTickIsForWhatIsSettled(t *testing.T) {
	x := newSolo(t, 40, nil)
	x.n.run(time.Second)
	c := x.put("k", []byte("v"))
	for _, h := range hops(x.pass(quietWindow), c.Dot()) {
		x.confirm(h.to, c.Dot())
	}
	d := &x.e.push.digests
	if len(d.active) != 1 || d.active[0].unmarked() > 0 {
		t.Fatalf("%d cells are told of, want one with all receipts", len(d.active))
	}
	if want := d.grid(d.active[0].from, x.e.cfg.IdleTick); d.due != want {
		t.Errorf("the next tick is at %v, want the slow one at %v", d.due, want)
	}
	for range 2 { // the second is to forget what was handed out
		if sent := tells(x.pass(d.due-x.e.push.now()), c.Dot()); len(sent) > 0 {
			t.Errorf("%d times told, want never", len(sent))
		}
	}
	if d.due != never || len(d.active) > 0 {
		t.Errorf("%d cells left, the next tick is at %v", len(d.active), d.due)
	}
}

// What has no ticks left is remembered out of the way of what has, and told of
// again when a check asks for more.
func TestWhatIsOnlyRememberedTakesNoPartInTicks(t *testing.T) {
	x := newSolo(t, 40, nil)
	x.n.run(time.Second)
	d := &x.e.push.digests
	const cells = 50
	for i := range uint64(cells) {
		x.recv(1, deltaOf(wire.Span{}, x.foreign(1, i+1, fmt.Sprint(i), "v", time.Second)))
	}
	x.pass(1200 * time.Millisecond) // all is told
	if len(d.active) != 0 || d.kept.len() != cells || len(d.byAddr) != cells {
		t.Fatalf("%d cells take part in ticks and %d of %d are remembered, want none and all", len(d.active), d.kept.len(), len(d.byAddr))
	}
	span := arc(0, 0.5)
	x.recv(1, &wire.Have{Span: &span, Runs: []cell.Run{cell.RunOf(cell.Dot{O: 1, N: 7})}})
	if len(d.active) != 1 || d.due > x.e.push.now()+x.e.cfg.IdleTick {
		t.Errorf("%d cells take part in ticks when one is checked, the next in %v", len(d.active), d.due-x.e.push.now())
	}
	x.pass(rememberFor)
	if _, ok := d.byAddr[cell.At("7", "r")]; ok || d.kept.len() > 1 || len(d.byAddr) > 1 {
		t.Errorf("%d cells and %d addresses are remembered after their time", d.kept.len(), len(d.byAddr))
	}
	x.pass(10 * time.Second)
	if d.due != never || len(d.active)+d.kept.len()+len(d.byAddr) > 0 {
		t.Errorf("%d, %d cells and %d addresses are left, the next tick is at %v", len(d.active), d.kept.len(), len(d.byAddr), d.due)
	}
}

// Where packets get lost, a leaf tells at the quick ticks.
func TestLeafIsQuickWherePacketsGetLost(t *testing.T) {
	x := newSolo(t, 40, nil)
	x.n.run(time.Second)
	for i := range uint64(2 * receiptSamples) { // nobody gives a receipt
		x.recv(1, deltaOf(x.e.peers.whole(), x.foreign(1, i+1, fmt.Sprint(i), "v", time.Second)))
		x.pass(200 * time.Millisecond)
	}
	x.pass(5 * time.Second)
	c := x.foreign(1, 1000, "leaf", "v", time.Second)
	x.recv(1, deltaOf(wire.Span{}, c))
	if told := tells(x.pass(digestDelay+2*x.e.cfg.DigestTick+4*x.e.push.wanted.rtt), c.Dot()); len(told) == 0 {
		t.Error("a leaf that knows of loss told nothing at its second tick")
	}
}

func TestFirstTickWaits(t *testing.T) {
	for start := range 50 {
		x := newSolo(t, 40, nil)
		x.n.run(time.Second + time.Duration(start)*time.Millisecond)
		c := x.put("k", []byte("v"))
		if told := tells(x.pass(quietWindow+digestDelay-time.Microsecond), c.Dot()); len(told) > 0 {
			t.Fatalf("told before the push had a chance, start %d", start)
		}
		if told := tells(x.pass(51*time.Millisecond), c.Dot()); len(told) == 0 {
			t.Fatalf("not told within a tick, start %d", start)
		}
	}
}

func TestManyPartChecksBecomeRandomTicks(t *testing.T) {
	x := newSolo(t, 200, nil)
	for i := range 60 {
		x.recv(1, deltaOf(arc(float64(i)/60, 0.1), x.foreign(1, uint64(i+1), fmt.Sprint(i), "v", time.Second)))
	}
	checks, told := 0, 0
	for _, p := range only[*wire.Have](x.pass(3 * time.Second)) {
		if m := p.Frame.Msg.(*wire.Have); m.Span != nil {
			checks++
		} else if cell.Contains(m.Runs, cell.Dot{O: 1, N: 30}) {
			told++
		}
	}
	if want := uncheckedTicks + 1; checks > maxPartChecks || told != want { // and the receipt
		t.Errorf("%d part checks in one go, a cell told %d times, want at most %d and %d", checks, told, maxPartChecks, want)
	}
}

func TestTicksFollowTheLoss(t *testing.T) {
	for _, c := range []struct {
		loss  float64
		tells int
	}{{0, 1}, {0.019, 1}, {0.02, 2}, {0.09, 2}, {0.1, 4}, {0.5, 4}} {
		x := newSolo(t, 2, nil)
		p := x.e.push
		p.links.last, p.links.at, p.links.known = c.loss, p.now(), true
		if tells := p.digests.tells(p); tells != c.tells {
			t.Errorf("loss %v: %d random, want %d", c.loss, tells, c.tells)
		}
		p.doubleDigests()
		if tells := p.digests.tells(p); tells != 2*c.tells {
			t.Errorf("loss %v doubled: %d random", c.loss, tells)
		}
		p.e.now.Mono += doubleFor
		p.links.at = p.now()
		if tells := p.digests.tells(p); tells != c.tells {
			t.Errorf("loss %v after the doubling: %d random", c.loss, tells)
		}
	}
}

func TestSessionCellsAreToldNotPushed(t *testing.T) {
	x := newSolo(t, 20, nil)
	learn := func(c *cell.Cell) {
		x.e.begin(x.reading())
		x.e.apply(c)
		x.e.push.learned(c, bySession)
		x.perform(x.e.end())
	}
	young := x.foreign(1, 1, "young", "v", time.Minute)
	old := x.foreign(1, 5, "old", "v", 6*time.Minute)
	learn(young)
	learn(old)
	sent := x.pass(2 * time.Second)
	if h := hops(sent, young.Dot()); len(h) > 0 {
		t.Errorf("a cell from a session was pushed to %v", h)
	}
	told := tells(sent, young.Dot())
	if len(told) != 3 || len(tells(sent, old.Dot())) != 0 {
		t.Errorf("told %d times, the old one %d times, want 3 and 0", len(told), len(tells(sent, old.Dot())))
	}
	for _, p := range told {
		if p.Frame.Msg.(*wire.Have).Span != nil {
			t.Error("a part check of a cell that was not handed out")
		}
	}
}

func TestOvertakenCellIsNotTold(t *testing.T) {
	x := newSolo(t, 20, nil)
	first := x.put("k", []byte("1"))
	x.pass(quietWindow)
	second := x.put("k", []byte("2"))
	sent := x.pass(2 * time.Second)
	if len(tells(sent, first.Dot())) > 0 || len(tells(sent, second.Dot())) == 0 {
		t.Errorf("the overtaken version told %d times, the newest %d", len(tells(sent, first.Dot())), len(tells(sent, second.Dot())))
	}
}

func TestWhatIsGoneIsNotTold(t *testing.T) {
	x := newSolo(t, 20, nil)
	purged, deleted, kept := x.put("purged", []byte("1")), x.put("deleted", []byte("2")), x.put("kept", []byte("3"))
	x.pass(quietWindow)
	x.e.begin(x.reading())
	x.e.purge(purged.Addr, purged.Dot())
	x.perform(x.e.end())
	fx, err := x.e.Commit(x.reading(), Tx{Writes: []Write{{Addr: deleted.Addr.Floor(), Tomb: true}}})
	if err != nil {
		t.Fatal(err)
	}
	x.perform(fx)
	sent := x.pass(rememberFor + time.Second)
	if len(tells(sent, purged.Dot())) > 0 || len(tells(sent, deleted.Dot())) > 0 {
		t.Error("told of a cell that is not stored any more")
	}
	if len(tells(sent, kept.Dot())) == 0 {
		t.Error("did not tell of the cell that is stored")
	}
	if n, m := len(x.e.push.digests.active), len(x.e.push.digests.byAddr); n != 0 || m != 0 {
		t.Errorf("%d digests and %d addresses are kept when all was told", n, m)
	}
}

func TestDotsAreToldAsRuns(t *testing.T) {
	x := newSolo(t, 20, nil)
	x.n.run(time.Second)
	for i := range 1000 {
		x.put(fmt.Sprint(i), []byte("v"))
	}
	have := only[*wire.Have](x.pass(2 * time.Second))
	if len(have) == 0 || len(have) > 40 {
		t.Errorf("%d HAVE for 1000 dots of one origin", len(have))
	}
}

func TestManyOriginsTakeManyPackets(t *testing.T) {
	x := newSolo(t, 3, nil)
	const dots = 1000
	for i := range dots {
		x.e.begin(x.reading())
		c := x.foreign(cell.Origin(1000+2*i), 1, fmt.Sprint(i), "v", time.Second)
		x.e.apply(c)
		x.e.push.learned(c, bySession)
		x.perform(x.e.end())
	}
	told := make(map[cell.Dot]int)
	for range 60 {
		sent := only[*wire.Have](x.pass(50 * time.Millisecond)) // inspect checks the size
		if len(sent) > maxTellPackets {
			t.Errorf("%d HAVE in one tick", len(sent))
		}
		for _, p := range sent {
			for _, r := range p.Frame.Msg.(*wire.Have).Runs {
				told[cell.Dot{O: r.O, N: r.From}]++
			}
		}
	}
	if len(told) != dots {
		t.Errorf("%d of %d dots were told", len(told), dots)
	}
	for d, n := range told {
		if n != 3 {
			t.Errorf("%v was told %d times, want 3", d, n)
		}
	}
}

func TestRunsOfDots(t *testing.T) {
	got := runsOf([]cell.Dot{{O: 2, N: 5}, {O: 1, N: 3}, {O: 1, N: 1}, {O: 1, N: 2}, {O: 1, N: 2}, {O: 2, N: 7}})
	want := []cell.Run{{O: 1, From: 1, Len: 3}, {O: 2, From: 5, Len: 1}, {O: 2, From: 7, Len: 1}}
	if !slices.Equal(got, want) {
		t.Errorf("runs %v, want %v", got, want)
	}
}

func TestRecentDotsForget(t *testing.T) {
	var r recentDots
	r.add(cell.Dot{O: 1, N: 1}, "a\x00r", 0)
	r.add(cell.Dot{O: 1, N: 2}, "b\x00r", recentAge)
	if _, ok := r.addr(cell.Dot{O: 1, N: 1}); ok {
		t.Error("a dot is known after its time")
	}
	for i := range uint64(maxRecent) {
		r.add(cell.Dot{O: 2, N: i}, "c\x00r", recentAge)
	}
	if _, ok := r.addr(cell.Dot{O: 1, N: 2}); ok || len(r.byDot) != maxRecent || r.order.len() != maxRecent {
		t.Errorf("%d dots are known, want %d", len(r.byDot), maxRecent)
	}
}

func TestTicksStayOnTheirGrid(t *testing.T) {
	d := digests{phase: 37 * time.Millisecond}
	for at := -200 * time.Millisecond; at < 300*time.Millisecond; at += time.Millisecond {
		got := d.grid(at, 50*time.Millisecond)
		if got < at || got >= at+50*time.Millisecond || (got-d.phase)%(50*time.Millisecond) != 0 {
			t.Fatalf("grid(%v) = %v", at, got)
		}
	}
}

// A cell that is told for more than a second is told at the slow tick.
func TestOldCellsTickSlowly(t *testing.T) {
	x := newSolo(t, 5, nil)
	c := x.put("k", []byte("v"))
	x.pass(quietWindow)
	x.e.push.digests.active[0].ticks = 1000
	quick := len(tells(x.pass(time.Second), c.Dot()))
	slow := len(tells(x.pass(10*time.Second), c.Dot()))
	if quick < 15 || slow < 18 || slow > 22 {
		t.Errorf("%d ticks in the first second, %d in the next ten, want about 20 and 20", quick, slow)
	}
}

func TestSameSeedSamePackets(t *testing.T) {
	trace := func() (out []string) {
		n := newPushNet(t, 12, 42, nil)
		n.loss = 0.2
		for i := range 40 {
			n.nodes[i%12].put(fmt.Sprint(i%7), make([]byte, 100*i))
			n.run(3 * time.Millisecond)
		}
		for _, x := range n.nodes {
			x.keep = true
		}
		n.run(time.Second)
		for _, x := range n.nodes {
			for _, p := range x.outbox {
				b, _ := n.codec.Append(nil, p.Frame)
				out = append(out, fmt.Sprintf("%v %x", p.To, b))
			}
			out = append(out, fmt.Sprint(x.e.Root().Tree.Agg(), hlc.Time(x.e.Now())))
		}
		return out
	}
	first := trace()
	for range 5 {
		if !slices.Equal(first, trace()) {
			t.Fatal("the same seed gave other packets")
		}
	}
}
