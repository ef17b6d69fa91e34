package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// receiptsOf lists to whom a dot was confirmed: HAVEs without a range to who
// had sent it.
func receiptsOf(sent []Packet, d cell.Dot, from cell.Origin) (n int) {
	for _, p := range tells(sent, d) {
		if p.Frame.Msg.(*wire.Have).Span == nil && p.To == from {
			n++
		}
	}
	return n
}

// receive feeds the receipt of a member for a dot.
func (x *solo) confirm(from cell.Origin, d cell.Dot) {
	x.recv(from, &wire.Have{Runs: []cell.Run{cell.RunOf(d)}})
}

func TestReceiptComesWhenTheCellIsHandedOn(t *testing.T) {
	x := newSolo(t, 40, nil)
	leaf, empty, head := x.foreign(1, 1, "leaf", "v", time.Second), x.foreign(1, 2, "empty", "v", time.Second), x.foreign(1, 3, "head", "v", time.Second)
	alone := wire.Span{Lo: x.e.peers.at - 1, Hi: x.e.peers.at}
	if n := receiptsOf(x.recv(1, deltaOf(alone, leaf)), leaf.Dot(), 1); n != 1 {
		t.Errorf("who has nobody to serve sent %d receipts at once", n)
	}
	if n := receiptsOf(x.recv(1, deltaOf(wire.Span{}, empty)), empty.Dot(), 1); n != 0 {
		t.Error("a receipt for a cell that came without a range")
	}
	if n := receiptsOf(x.recv(1, deltaOf(arc(0, 0.5), head)), head.Dot(), 1); n != 0 {
		t.Error("a receipt before the cell was handed on")
	}
	sent := x.pass(quietWindow)
	if len(hops(sent, head.Dot())) == 0 || receiptsOf(sent, head.Dot(), 1) != 1 {
		t.Errorf("handed on to %v with %d receipts, want one", hops(sent, head.Dot()), receiptsOf(sent, head.Dot(), 1))
	}
	again := x.recv(2, deltaOf(arc(0, 0.5), head))
	if receiptsOf(again, head.Dot(), 2) != 1 {
		t.Error("no receipt for a cell that was handed on before")
	}
}

func TestPartsWithReceiptsAreNotChecked(t *testing.T) {
	x := newSolo(t, 40, nil)
	c := x.put("k", []byte("v"))
	heads := hops(x.pass(quietWindow), c.Dot())
	x.n.run(time.Millisecond)
	for _, h := range heads[1:] {
		x.confirm(h.to, c.Dot())
	}
	for _, p := range tells(x.pass(100*time.Millisecond), c.Dot()) {
		if span := p.Frame.Msg.(*wire.Have).Span; span == nil || *span != heads[0].span {
			t.Errorf("told %v of %v, only %v has given no receipt", p.To, span, heads[0])
		}
	}
	c = x.put("k2", []byte("v"))
	for _, h := range hops(x.pass(quietWindow), c.Dot()) {
		x.confirm(h.to, c.Dot())
	}
	if told := tells(x.pass(rememberFor+time.Second), c.Dot()); len(told) > 0 {
		t.Errorf("told %d times of a cell that all parts have", len(told))
	}
	if n := len(x.e.push.digests.active); n > 0 {
		t.Errorf("%d digests are left", n)
	}
}

// A random digest of a head whose push was lost looks like its receipt.
func TestALateReceiptProvesNothing(t *testing.T) {
	x := newSolo(t, 40, nil)
	c := x.put("k", []byte("v"))
	head := hops(x.pass(quietWindow), c.Dot())[0]
	for len(only[*wire.Have](x.pass(time.Millisecond))) == 0 {
	}
	x.n.run(100 * time.Millisecond) // the head was asked, and then another
	x.confirm(head.to, c.Dot())
	checked := 0
	for _, p := range tells(x.pass(2*time.Second), c.Dot()) {
		if span := p.Frame.Msg.(*wire.Have).Span; span != nil && *span == head.span {
			checked++
		}
	}
	if checked != 5 {
		t.Errorf("%d more checks of the part, want 5", checked)
	}
}

// Who stands alone in its part has nobody to serve: once it says that it has the
// cell, however late, nothing is left to check.
func TestALateReceiptIsEnoughOfWhoIsAlone(t *testing.T) {
	x := newSolo(t, fan, nil)
	c := x.put("k", []byte("v"))
	heads := hops(x.pass(quietWindow), c.Dot())
	checks := make(map[cell.Origin]int)
	pass := func(d time.Duration) {
		for _, p := range tells(x.pass(d), c.Dot()) {
			if p.Frame.Msg.(*wire.Have).Span != nil {
				checks[p.To]++
			}
		}
	}
	late := heads[0].to
	for checks[late] <= lateReceipt {
		pass(time.Millisecond)
	}
	x.confirm(late, c.Dot())
	pass(2 * time.Second)
	for _, h := range heads {
		want := partChecks
		if h.to == late {
			want = lateReceipt + 1
		}
		if checks[h.to] != want {
			t.Errorf("%v, alone in %v, was checked %d times, want %d", h.to, h.span, checks[h.to], want)
		}
	}
}

func TestWhoMendsAPartGivesItsReceipt(t *testing.T) {
	x := newSolo(t, 40, nil)
	c := x.put("k", []byte("v"))
	head := hops(x.pass(quietWindow), c.Dot())[0]
	var check Packet
	for check.To == 0 {
		for _, p := range tells(x.pass(time.Millisecond), c.Dot()) {
			if *p.Frame.Msg.(*wire.Have).Span == head.span {
				check = p
			}
		}
	}
	x.recv(check.To, &wire.Want{Span: &head.span, Runs: []cell.Run{cell.RunOf(c.Dot())}})
	x.n.run(120 * time.Millisecond)
	x.confirm(check.To, c.Dot())
	for _, p := range tells(x.pass(2*time.Second), c.Dot()) {
		if span := p.Frame.Msg.(*wire.Have).Span; span != nil && *span == head.span {
			t.Fatal("a part that is mended is checked on")
		}
	}
}

// Digests and pushes overtake each other when packets get lost: whatever comes
// first, the range must be served.
func TestARangeIsServedWhateverCameFirst(t *testing.T) {
	for name, come := range map[string]func(x *solo, c *cell.Cell){
		"the push, after a random digest": func(x *solo, c *cell.Cell) {
			x.recv(2, deltaOf(wire.Span{}, c))
			x.n.run(30 * time.Millisecond)
			x.recv(1, deltaOf(arc(0, 0.5), c))
		},
		"the answer to a random digest, asked before a part check": func(x *solo, c *cell.Cell) {
			span := arc(0, 0.5)
			x.recv(2, &wire.Have{Runs: []cell.Run{cell.RunOf(c.Dot())}})
			x.recv(1, &wire.Have{Span: &span, Runs: []cell.Run{cell.RunOf(c.Dot())}})
			x.n.run(5 * time.Millisecond)
			x.recv(2, deltaOf(wire.Span{}, c))
		},
	} {
		x := newSolo(t, 40, nil)
		c := x.foreign(1, 1, "k", "v", time.Second)
		come(x, c)
		want := len(x.inSpan(arc(0, 0.5)))
		if got := x.covered(hops(x.pass(quietWindow), c.Dot())); len(got) != want {
			t.Errorf("%s: handed on to parts of %d members, want %d", name, len(got), want)
		}
	}
}

// Who has a cell by chance does not know whether a range is served: it asks those
// who stand there, also when it has long stopped to tell of the cell.
func TestWhoHasACellByChanceChecksTheRange(t *testing.T) {
	for _, after := range []time.Duration{30 * time.Millisecond, 1500 * time.Millisecond} {
		x := newSolo(t, 40, nil)
		c := x.foreign(1, 1, "k", "v", time.Second)
		x.recv(2, deltaOf(wire.Span{}, c))
		x.n.run(after)
		span := arc(0, 0.5)
		x.recv(1, &wire.Have{Span: &span, Runs: []cell.Run{cell.RunOf(c.Dot())}})
		asked := make(map[wire.Span]int)
		for _, p := range tells(x.pass(6*time.Second), c.Dot()) {
			if s := p.Frame.Msg.(*wire.Have).Span; s != nil {
				asked[*s]++
			}
		}
		var spans []wire.Span
		for s, n := range asked {
			spans = append(spans, s)
			if n != partChecks {
				t.Errorf("after %v: %v was checked %d times, want %d", after, s, n, partChecks)
			}
		}
		if want := x.inSpan(span); !slices.Equal(x.inSpan(spans...), want) {
			t.Errorf("after %v: checked %v, want the %d members of the range", after, spans, len(want))
		}
	}
}

// A piece of a range that was served is not the range.
func TestOnlyWhatWasHandedOutCounts(t *testing.T) {
	x := newSolo(t, 40, nil)
	c := x.foreign(1, 1, "k", "v", time.Second)
	x.recv(1, deltaOf(arc(0, 0.25), c))
	first := hops(x.pass(quietWindow), c.Dot())
	for _, h := range first {
		x.confirm(h.to, c.Dot())
	}
	x.n.run(300 * time.Millisecond)
	if sent := x.recv(2, deltaOf(arc(0.1, 0.3), c)); receiptsOf(sent, c.Dot(), 2) != 0 {
		t.Error("a receipt before the rest was handed on")
	}
	sent := x.pass(quietWindow)
	want := x.inSpan(wire.Span{Lo: arc(0, 0.25).Hi, Hi: arc(0.1, 0.3).Hi})
	if got := x.covered(hops(sent, c.Dot())); !slices.Equal(got, want) || receiptsOf(sent, c.Dot(), 2) != 1 {
		t.Errorf("handed on to %v with %d receipts, want %v with one", got, receiptsOf(sent, c.Dot(), 2), want)
	}
}

// Two that are given the same members may count on each other: what was handed
// out before is checked once more, by way of those that stand there.
func TestWhatIsHandedTwiceIsChecked(t *testing.T) {
	for name, c := range map[string]struct {
		again  wire.Span
		checks int
	}{
		"a piece of what it has handed out": {arc(0.1, 0.05), doubtChecks},
		"the same range once more":          {arc(0, 0.25), 0},
	} {
		x := newSolo(t, 40, nil)
		cell := x.foreign(1, 1, "k", "v", time.Second)
		x.recv(1, deltaOf(arc(0, 0.25), cell))
		for _, h := range hops(x.pass(quietWindow), cell.Dot()) {
			x.confirm(h.to, cell.Dot())
		}
		x.n.run(600 * time.Millisecond)
		if sent := x.recv(2, deltaOf(c.again, cell)); receiptsOf(sent, cell.Dot(), 2) != 1 {
			t.Errorf("%s: no receipt at once", name)
		}
		pieces := make(map[wire.Span]int)
		sent := x.pass(time.Second)
		for _, p := range tells(sent, cell.Dot()) {
			if s := p.Frame.Msg.(*wire.Have).Span; s != nil {
				pieces[*s]++
			}
		}
		if len(hops(sent, cell.Dot())) > 0 || (len(pieces) > 0) != (c.checks > 0) {
			t.Errorf("%s: pushed %v, checked %v", name, hops(sent, cell.Dot()), pieces)
		}
		for s, n := range pieces {
			if n != c.checks || len(without(nil, s, c.again)) > 0 {
				t.Errorf("%s: %v was checked %d times, want %d", name, s, n, c.checks)
			}
		}
	}
}

// The receipt of a head gets lost: when it is checked it sends another one.
func TestAHeadConfirmsAgain(t *testing.T) {
	x := newSolo(t, 40, nil)
	c := x.foreign(1, 1, "k", "v", time.Second)
	span := arc(0, 0.5)
	check := &wire.Have{Span: &span, Runs: []cell.Run{cell.RunOf(c.Dot())}}
	x.recv(1, deltaOf(span, c))
	x.pass(100 * time.Millisecond)
	if n := receiptsOf(x.recv(1, check), c.Dot(), 1); n != 1 {
		t.Errorf("%d receipts for a check of what was handed on, want one", n)
	}
	wider := arc(0, 0.6)
	check.Span = &wider
	if n := receiptsOf(x.recv(1, check), c.Dot(), 1); n != 0 {
		t.Error("a receipt for a range that was not served")
	}
	y := newSolo(t, 40, nil)
	own := y.put("k", []byte("v"))
	head := hops(y.pass(quietWindow), own.Dot())[0]
	asked := func() bool {
		return slices.ContainsFunc(tells(y.pass(time.Millisecond), own.Dot()), func(p Packet) bool { return p.To == head.to })
	}
	for !asked() {
	}
	y.n.run(time.Millisecond)
	y.confirm(head.to, own.Dot())
	for _, p := range tells(y.pass(time.Second), own.Dot()) {
		if s := p.Frame.Msg.(*wire.Have).Span; s != nil && *s == head.span {
			t.Fatal("a part whose head has confirmed when it was asked is checked on")
		}
	}
}

// Who was handed a cell with a range is a leaf of the tree: that others around
// it may lack the cell is looked after by whom it has it from.
func TestALeafServesNoPartCheck(t *testing.T) {
	x := newSolo(t, 40, nil)
	c := x.foreign(1, 1, "k", "v", time.Second)
	x.recv(1, deltaOf(wire.Span{Lo: x.e.peers.at - 1, Hi: x.e.peers.at}, c))
	span := arc(0, 0.5)
	x.recv(2, &wire.Have{Span: &span, Runs: []cell.Run{cell.RunOf(c.Dot())}})
	if got := hops(x.pass(time.Second), c.Dot()); len(got) > 0 {
		t.Errorf("a leaf pushed to %v when it was checked", got)
	}
}

func TestMissingReceiptsAreLoss(t *testing.T) {
	for _, c := range []struct {
		come  int // receipts of every 20
		tells int
	}{{20, 1}, {19, 2}, {18, 2}, {10, 4}, {0, 4}} {
		x := newSolo(t, 40, nil)
		k := 0
		for i := range 20 {
			d := x.put(fmt.Sprint(i), []byte("v"))
			for _, h := range hops(x.pass(quietWindow), d.Dot()) {
				if k++; k%20 < c.come {
					x.confirm(h.to, d.Dot())
				}
			}
			x.n.run(500 * time.Millisecond)
		}
		p := x.e.push
		if tells := p.digests.tells(p); tells != c.tells {
			t.Errorf("%d of 20 receipts come: %d random ticks at a loss of %.3f, want %d", c.come, tells, p.receipts.loss(p.now()), c.tells)
		}
		x.n.run(40 * time.Second)
		if loss := p.receipts.loss(p.now()); loss != 0 {
			t.Errorf("a loss of %v is remembered for ever", loss)
		}
	}
}

func TestBusyNodesNeitherSendNorMissReceipts(t *testing.T) {
	x := newSolo(t, 40, nil)
	n := 0
	for i := range 400 {
		c := x.foreign(1, uint64(i+1), fmt.Sprint(i), "v", time.Second)
		n += receiptsOf(x.recv(1, deltaOf(wire.Span{Lo: x.e.peers.at - 1, Hi: x.e.peers.at}, c)), c.Dot(), 1)
	}
	if n > maxPartChecks {
		t.Errorf("%d receipts in one go, want at most %d", n, maxPartChecks)
	}
	for i := range 10 {
		x.put(fmt.Sprint("own-", i), []byte("v"))
	}
	x.pass(500 * time.Millisecond)
	if loss := x.e.push.receipts.loss(x.e.push.now()); loss != 0 {
		t.Errorf("a busy node takes receipts that nobody sends for a loss of %v", loss)
	}
}

func TestARoundTripGrowsWithDoubt(t *testing.T) {
	var w wanted
	w.took(time.Second)
	if w.rtt != leastRTT {
		t.Errorf("one answer after 1s makes the round trip %v", w.rtt)
	}
	for range 60 {
		w.took(200 * time.Millisecond)
	}
	if w.rtt < 180*time.Millisecond || w.rtt > 200*time.Millisecond {
		t.Errorf("the round trip is %v when all answers take 200ms", w.rtt)
	}
}
