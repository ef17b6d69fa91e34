package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// TestWhatGoesAheadIsUsed: the second side finds exactly what differs by what the
// other has shown ahead, with a leg less, also if half of it is lost.
func TestWhatGoesAheadIsUsed(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	for round := range 150 {
		d := randomDifference(rnd, round)
		p := newPair(t, d.sides[0], d.sides[1])
		for _, leg := range aheadOf(p.trees[1], Config{}.withDefaults()) {
			if rnd.IntN(3) > 0 {
				p.ahead = append(p.ahead, shownBy(leg)...)
			}
		}
		p.wantExactly(p.run(), d)
	}
}

// TestWhatGoesAheadConcludesNothing: it may be of another pin than the one that
// is compared with, or a lie.
func TestWhatGoesAheadConcludesNothing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6, 6))
	cfg := Config{}.withDefaults()
	for round := range 150 {
		d := randomDifference(rnd, round)
		p := newPair(t, d.sides[0], d.sides[1])
		legs := aheadOf(p.trees[0], cfg) // as if the peer held what this side does
		if round%3 == 0 {
			legs = append(legs, lies(rnd, p.recs[1].first(sum{count: 4711})))
		}
		for _, leg := range legs {
			p.ahead = append(p.ahead, shownBy(leg)...)
		}
		for i := range p.ahead {
			if round%3 == 1 && i%2 == 0 {
				p.ahead[i].in.Count, p.ahead[i].in.FP = 0, [12]byte{} // it was empty then
			}
		}
		sent := p.run()
		for i := range sent {
			for _, a := range d.want[i] {
				if sent[i][a] == 0 {
					t.Fatalf("round %d: side %d did not send %q", round, i, a)
				}
			}
		}
	}
}

// TestWhatGoesAheadFitsPackets: few of them, whatever the keys are.
func TestWhatGoesAheadFitsPackets(t *testing.T) {
	cfg := Config{}.withDefaults()
	codec := wire.New(cell.NewHasher("t"))
	for name, key := range map[string]func(i int) string{
		"short keys": func(i int) string { return fmt.Sprintf("ring/ingester-%06d", i) },
		"long keys": func(i int) string {
			return fmt.Sprintf("%06d/%0900d", i/2, i%2) // every other bound has to be long
		},
	} {
		var cells []*cell.Cell
		for i := range 20_000 {
			cells = append(cells, cellAt(key(i), uint64(i+1), "x"))
		}
		p := newPair(t, cells, nil)
		legs, shown := aheadOf(p.trees[0], cfg), 0
		for _, leg := range legs {
			b, err := codec.Append(nil, wire.Frame{Header: wire.Header{Origin: 1, Seq: 1 << 40}, Msg: &wire.Ranges{Ranges: leg}})
			if err != nil {
				t.Fatal(err)
			}
			if len(b) > cfg.PacketBudget {
				t.Errorf("%s: a packet of %d bytes", name, len(b))
			}
			shown += len(shownBy(leg))
		}
		if len(legs) == 0 || len(legs) > aheadPackets || name == "short keys" && shown < 150 {
			t.Errorf("%s: %d packets show %d ranges", name, len(legs), shown)
		}
	}
}

// TestSessionFollowsWhatWentAhead: six flights, HELLO and DIFFER counted, of
// which the last only says that all is well.
func TestSessionFollowsWhatWentAhead(t *testing.T) {
	for _, c := range []struct {
		newer   string
		lost    bool          // what is sent ahead
		age     time.Duration // of what both hold
		flights int
	}{
		{"the asker", false, time.Hour, 6},
		{"the asked", false, time.Hour, 6},
		{"both", false, time.Hour, 6},
		{"both", true, time.Hour, 7},
		{"the asker", false, 0, 6},
		{"the asked", false, 0, 7}, // all is young, so what is new must be asked for
	} {
		t.Run(fmt.Sprintf("%s, lost %v, %v", c.newer, c.lost, c.age), func(t *testing.T) {
			n := newSyncNet(t, 2, nil)
			n.fill(20_000, 20)
			n.meet()
			n.now += c.age
			n.run(time.Second)
			n.quiet()
			for i := range 100 {
				if key := fmt.Sprintf("ring/key-%07d", 7919*i); c.newer == "the asker" || c.newer == "both" && i%2 == 0 {
					n.nodes[0].put(key, "new")
				} else {
					n.nodes[1].put(key, "new")
				}
			}
			n.drop = func(_, _ *syncNode, m wire.Msg) bool { return c.lost && m.Type() == wire.TypeRanges }
			n.ask(0, 1)
			n.wantEqual()
			if got := 2 + n.turns; got != c.flights {
				t.Errorf("%d flights, want %d; packets %v, frames %v", got, c.flights, n.packets, n.frames)
			}
			if n.cells != 100 {
				t.Errorf("%d cells were sent, want 100", n.cells)
			}
			if n.packets[wire.TypeRanges] == 0 || n.packets[wire.TypeRanges] > aheadPackets {
				t.Errorf("packets %v", n.packets)
			}
		})
	}
}

// TestWhatGoesAheadIsBounded: of whom, when, and how much.
func TestWhatGoesAheadIsBounded(t *testing.T) {
	n := newSyncNet(t, 3, nil)
	n.meet()
	n.run(time.Minute)
	n.quiet()
	a, b, c := n.nodes[0], n.nodes[1].e.Origin(), n.nodes[2].e.Origin()
	leg := &wire.Ranges{Ranges: []wire.Range{{Mode: wire.ModeFP, Count: 7}}}
	kept := func() int { return len(a.e.sync.asked.ahead) }
	a.e.begin(a.reading())
	defer a.e.end()
	a.e.sync.ahead(b, leg) // nobody was asked
	a.e.sync.ask(b)
	a.e.sync.ahead(c, leg)
	if kept() != 0 {
		t.Error("took what somebody else has sent")
	}
	for _, odd := range []*wire.Ranges{
		{Phase: wire.PhaseCtx, Ranges: leg.Ranges},
		{Ranges: []wire.Range{{Mode: wire.ModeSkip}}},
		{Ranges: []wire.Range{{Mode: wire.ModeWant}}},
	} {
		before := a.e.counters.Events[EventMisplacedFrame]
		if a.e.sync.ahead(b, odd); kept() != 0 || a.e.counters.Events[EventMisplacedFrame] != before+1 {
			t.Errorf("%+v was not told of", odd)
		}
	}
	for range 3 * aheadPackets {
		a.e.sync.ahead(b, leg)
	}
	if kept() != aheadPackets {
		t.Errorf("%d ranges of %d packets are kept", kept(), aheadPackets)
	}
	a.e.sync.asked.running = true
	if a.e.sync.ahead(b, leg); kept() != aheadPackets {
		t.Error("took what came behind DIFFER")
	}
}

// TestWhatGoesAheadIsSentOnce: a HELLO that comes again, or another soon after it,
// is answered with DIFFER alone.
func TestWhatGoesAheadIsSentOnce(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	n.fill(1000, 10)
	n.meet()
	n.run(time.Minute)
	n.quiet()
	a, b := n.nodes[0], n.nodes[1]
	a.put("k", "1")
	hello := func(sid uint64) (ahead, differ int) {
		n.forget()
		a.e.begin(a.reading())
		pin := a.e.sync.pinNow(b.e.Origin())
		pin.sid = sid
		a.e.send(b.e.Origin(), pin.hello(wire.TypeHello))
		a.perform(a.e.end())
		return n.packets[wire.TypeRanges], n.packets[wire.TypeDiffer]
	}
	for i, c := range []struct {
		sid   uint64
		after time.Duration
		want  bool
	}{{1, 0, true}, {1, time.Second, false}, {2, 0, false}, {3, openDeadline - time.Millisecond, false}, {4, openDeadline, true}} {
		n.now += c.after
		if ahead, differ := hello(c.sid); differ != 1 || (ahead > 0) != c.want {
			t.Errorf("HELLO %d: %d DIFFER, %d packets ahead, want them: %v", i, differ, ahead, c.want)
		}
	}
}

// BenchmarkAhead is what a HELLO that differs costs under the engine's lock.
func BenchmarkAhead(b *testing.B) {
	var cells []*cell.Cell
	for i := range 100_000 {
		cells = append(cells, cellAt(fmt.Sprintf("ring/ingester-%06d", i), uint64(i+1), "x"))
	}
	p, cfg := newPair(nil, cells, nil), Config{}.withDefaults()
	for b.Loop() {
		aheadOf(p.trees[0], cfg)
	}
}
