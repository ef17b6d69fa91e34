package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

func TestWindowGrowsWithTheRate(t *testing.T) {
	p := newPace(Config{PacketsPerSec: 2000, BytesPerSec: 5_000_000})
	at := 10 * time.Second
	for _, step := range []struct {
		packets int
		want    time.Duration
	}{{0, quietWindow}, {99, quietWindow}, {1, midWindow}, {399, midWindow}, {1, busyWindow}} {
		p.eager.add(at, step.packets)
		if got := p.window(at); got != step.want {
			t.Errorf("window after %d more packets is %v, want %v", step.packets, got, step.want)
		}
	}
	if got := p.window(at + time.Second); got != quietWindow {
		t.Errorf("window after a quiet second is %v, want %v", got, quietWindow)
	}
}

func TestBusyNodeWaitsLonger(t *testing.T) {
	x := newSolo(t, 200, nil)
	for i := range 60 {
		x.recv(1, deltaOf(arc(float64(i)/60, 0.2), x.foreign(1, uint64(i+1), fmt.Sprint(i), "v", time.Second)))
	}
	x.pass(quietWindow) // 240 cells to about 140 members
	c := x.put("k", []byte("v"))
	if got := hops(x.pass(midWindow-time.Microsecond), c.Dot()); len(got) > 0 {
		t.Error("pushed before the window of a busy node was over")
	}
	if got := hops(x.pass(time.Microsecond), c.Dot()); len(got) == 0 {
		t.Error("not pushed when the window was over")
	}
}

func TestRateCountsOneSecond(t *testing.T) {
	var r rate
	for i := range 100 {
		r.add(time.Duration(i)*50*time.Millisecond, 1)
		if n := r.sum(time.Duration(i) * 50 * time.Millisecond); n > 20 || i > 20 && n < 18 {
			t.Fatalf("%d in a second of 20 at step %d", n, i)
		}
	}
	if n := r.sum(time.Hour); n != 0 {
		t.Errorf("%d after an hour", n)
	}
}

func TestCellsWaitForTheWindow(t *testing.T) {
	x := newSolo(t, 5, nil)
	c := x.put("k", []byte("v"))
	if got := hops(x.pass(quietWindow-time.Microsecond), c.Dot()); len(got) > 0 {
		t.Errorf("pushed to %v before the window was over", got)
	}
	if got := hops(x.pass(time.Microsecond), c.Dot()); len(got) == 0 {
		t.Error("not pushed when the window was over")
	}
}

// The budget of packets is kept, and what exceeds it is late but not lost.
func TestPacketBudgetDelaysAndLosesNothing(t *testing.T) {
	const perSec, cells = 100, 300
	x := newSolo(t, 200, func(c *Config) { c.PacketsPerSec = perSec })
	// Cells of different ranges share no packets.
	for i := range cells {
		c := x.foreign(1, uint64(i+1), fmt.Sprintf("k%d", i), "v", time.Second)
		x.recv(1, deltaOf(arc(float64(i)/cells, 0.2), c))
	}
	got := make(map[cell.Dot]int)
	for second := range 20 {
		sent := x.pass(time.Second)
		if n := len(sent); n > perSec*5/4 {
			t.Errorf("%d packets in second %d, budget is %d", n, second, perSec)
		}
		for i := range cells {
			d := cell.Dot{O: 1, N: uint64(i + 1)}
			got[d] += len(hops(sent, d))
		}
	}
	for d, n := range got {
		if n != fan {
			t.Errorf("%v went to %d members, want %d", d, n, fan)
		}
	}
	if x.n.events["throttled"] == 0 {
		t.Error("nobody was told that the budget was empty")
	}
}

func TestByteBudgetIsKept(t *testing.T) {
	const perSec = 20_000
	x := newSolo(t, 8, func(c *Config) { c.BytesPerSec = perSec })
	for i := range 100 {
		x.put(fmt.Sprintf("k%d", i), make([]byte, 500))
	}
	for range 5 {
		bytes := 0
		for _, p := range x.pass(time.Second) {
			b, _ := x.n.codec.Append(nil, p.Frame)
			bytes += len(b)
		}
		if bytes > perSec*5/4 || bytes < perSec/2 {
			t.Errorf("%d bytes in a second, budget is %d", bytes, perSec)
		}
	}
}

// While own writes fill the budget relayed cells get a quarter of it.
func TestRelayedCellsGetTheirShare(t *testing.T) {
	var f freshSet
	r := newRing("self")
	r.set(NewView(soloPeers(8)))
	for i := range 400 {
		f.add(r, cell.At(fmt.Sprintf("own%d", i), "r"), r.whole(), ownCells)
		f.add(r, cell.At(fmt.Sprintf("relayed%d", i), "r"), r.whole(), relayedCells)
	}
	count := [numClasses]int{}
	for range 200 {
		in := f.next()
		count[in.class]++
		f.spent[in.class] += 100
	}
	if count[relayedCells] < 49 || count[relayedCells] > 60 {
		t.Errorf("%d of 200 were relayed, want a quarter", count[relayedCells])
	}
	for f.next() != nil {
	}
	if f.len() != 0 {
		t.Errorf("%d are left", f.len())
	}
}

func TestFreshSetKeepsTheOrderOfEachClass(t *testing.T) {
	var f freshSet
	r := newRing("self")
	r.set(NewView(soloPeers(8)))
	add := func(key string, class freshClass) { f.add(r, cell.At(key, "r"), r.whole(), class) }
	add("a", relayedCells)
	add("b", relayedCells)
	add("c", ownCells)
	add("b", ownCells)     // changes its class and waits behind c
	add("a", relayedCells) // is there already
	var got []string
	for in := f.next(); in != nil; in = f.next() {
		got = append(got, in.addr.Key())
	}
	if want := []string{"c", "b", "a"}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	add("a", relayedCells)
	if in := f.next(); in == nil || in.class != relayedCells || f.next() != nil {
		t.Error("an address that comes again is not there once")
	}
}

func TestManyRangesBecomeTheWhole(t *testing.T) {
	var f freshSet
	r := newRing("self")
	for i := range maxSpans + 1 {
		f.add(r, "a\x00r", wire.Span{Lo: uint64(i) << 20, Hi: uint64(i)<<20 + 1}, relayedCells)
	}
	if in := f.next(); len(in.spans) != 1 || in.spans[0] != r.whole() {
		t.Errorf("ranges %v, want the whole ring", in.spans)
	}
}

func TestOverflowLeavesItToSessions(t *testing.T) {
	x := newSolo(t, 5, func(c *Config) { c.MaxFresh = 10 })
	for i := range 11 {
		x.put(fmt.Sprintf("k%d", i), []byte("v"))
	}
	if x.n.events["push_overflow"] != 1 || x.e.Stats().Fresh != 0 {
		t.Errorf("overflows %d, waiting %d", x.n.events["push_overflow"], x.e.Stats().Fresh)
	}
	for o := range cell.Origin(5) {
		if x.dirtied(o+1) != 1 {
			t.Errorf("peer %v is dirty %d times, want 1", o+1, x.dirtied(o+1))
		}
	}
	c := x.put("later", []byte("v"))
	if got := hops(x.pass(time.Second), c.Dot()); len(got) != fan {
		t.Errorf("a write after the overflow went to %v", got)
	}
}

func TestFIFO(t *testing.T) {
	var q fifo[int]
	in, out := 0, 0
	rnd := newRand(4)
	for range 20_000 {
		if rnd.IntN(2) == 0 {
			q.push(in)
			in++
			continue
		}
		v, ok := q.pop()
		if ok != (out < in) || ok && v != out {
			t.Fatalf("pop = %d, %v, want %d, %v", v, ok, out, out < in)
		}
		if ok {
			out++
		}
		if q.len() != in-out || cap(q.items) > 4*(q.len()+1024) {
			t.Fatalf("length %d, want %d, capacity %d", q.len(), in-out, cap(q.items))
		}
	}
}
