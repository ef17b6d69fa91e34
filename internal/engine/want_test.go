package engine

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

func run1(o cell.Origin, n uint64) []cell.Run { return []cell.Run{{O: o, From: n, Len: 1}} }

func TestHaveIsAnsweredForWhatIsMissing(t *testing.T) {
	x := newSolo(t, 5, nil)
	x.recv(1, deltaOf(wire.Span{}, x.foreign(1, 3, "a", "v", time.Second), x.foreign(1, 5, "b", "v", time.Second)))
	span := arc(0.2, 0.3)
	sent := only[*wire.Want](x.recv(2, &wire.Have{Span: &span, Runs: []cell.Run{{O: 1, From: 2, Len: 6}, {O: 9, From: 4, Len: 2}}}))
	if len(sent) != 1 || sent[0].To != 2 {
		t.Fatalf("%d WANT, want one to the sender", len(sent))
	}
	m := sent[0].Frame.Msg.(*wire.Want)
	want := []cell.Run{{O: 1, From: 2, Len: 1}, {O: 1, From: 4, Len: 1}, {O: 1, From: 6, Len: 2}, {O: 9, From: 4, Len: 2}}
	if !slices.Equal(m.Runs, want) || m.Span == nil || *m.Span != span {
		t.Errorf("asked for %v in %v, want %v in %v", m.Runs, m.Span, want, span)
	}
	if again := only[*wire.Want](x.recv(3, &wire.Have{Runs: []cell.Run{{O: 1, From: 2, Len: 6}}})); len(again) != 0 {
		t.Error("what is on its way was asked for again at once")
	}
}

// The same holder is asked again, then another, three times in all and once for
// each further HAVE; then the first holder is dirty.
func TestWantIsRepeated(t *testing.T) {
	x := newSolo(t, 5, nil)
	span := arc(0.2, 0.3)
	x.recv(2, &wire.Have{Span: &span, Runs: run1(9, 1)})
	x.recv(3, &wire.Have{Runs: run1(9, 1)})
	var to []cell.Origin
	for range 10 {
		for _, p := range only[*wire.Want](x.pass(reaskAfter)) {
			to = append(to, p.To)
			if m := p.Frame.Msg.(*wire.Want); (m.Span != nil) != (p.To == 2) || !slices.Equal(m.Runs, run1(9, 1)) {
				t.Errorf("asked %v for %v in %v", p.To, m.Runs, m.Span)
			}
		}
	}
	if want := []cell.Origin{2, 3, 2, 3}; !slices.Equal(to, want) {
		t.Errorf("asked again %v, want %v", to, want)
	}
	if x.dirtied(2) != 1 || x.e.Stats().Pending != 0 {
		t.Errorf("dirty %d, pending %d", x.dirtied(2), x.e.Stats().Pending)
	}
}

func TestWhatCameIsNotAskedForAgain(t *testing.T) {
	x := newSolo(t, 5, nil)
	x.recv(2, &wire.Have{Runs: run1(9, 1)})
	x.n.run(4 * time.Millisecond)
	x.recv(2, deltaOf(wire.Span{}, x.foreign(9, 1, "k", "v", time.Second)))
	if x.e.push.wanted.rtt != 4*time.Millisecond {
		t.Errorf("round trip %v, want 4ms", x.e.push.wanted.rtt)
	}
	// A session may bring it as well.
	x.recv(2, &wire.Have{Runs: run1(9, 2)})
	x.e.begin(x.reading())
	x.e.apply(x.foreign(9, 2, "k2", "v", time.Second))
	x.perform(x.e.end())
	if again := only[*wire.Want](x.pass(time.Second)); len(again) > 0 || x.dirtied(2) > 0 || x.e.Stats().Pending > 0 {
		t.Errorf("asked %d times more, dirty %d, pending %d", len(again), x.dirtied(2), x.e.Stats().Pending)
	}
}

func TestWantBringsWhatIsStoredNow(t *testing.T) {
	x := newSolo(t, 40, nil)
	c := x.put("k", []byte("1"))
	x.pass(5 * time.Millisecond)
	span := arc(0.2, 0.3)
	if got := hops(x.recv(4, &wire.Want{Span: &span, Runs: run1(c.Ver.O, c.Ver.N)}), c.Dot()); !slices.Equal(got, []hop{{4, span}}) {
		t.Errorf("answered %v", got)
	}
	newer := x.put("k", []byte("2"))
	x.pass(5 * time.Millisecond)
	if got := hops(x.recv(5, &wire.Want{Runs: run1(c.Ver.O, c.Ver.N)}), newer.Dot()); !slices.Equal(got, []hop{{5, wire.Span{}}}) {
		t.Errorf("answered %v with the newer version", got)
	}
	if x.dirtied(4)+x.dirtied(5) > 0 {
		t.Error("the asker is dirty though it was served")
	}
	x.n.run(recentAge)
	x.put("other", []byte("v"))
	x.pass(5 * time.Millisecond)
	x.recv(6, &wire.Want{Runs: run1(c.Ver.O, c.Ver.N)})
	if x.dirtied(6) != 1 {
		t.Errorf("who asks for what is long past is dirty %d times, want 1", x.dirtied(6))
	}
}

// Answers wait for the budget, and then go by themselves.
func TestAnswersWaitForTheBudget(t *testing.T) {
	x := newSolo(t, 3, func(c *Config) { c.PacketsPerSec = 50 })
	var last *cell.Cell
	for i := range 100 {
		last = x.put(fmt.Sprint(i), make([]byte, 1000))
		x.pass(quietWindow)
	}
	x.n.run(20 * time.Second)
	now := only[*wire.Delta](x.recv(3, &wire.Want{Runs: []cell.Run{{O: last.Ver.O, From: 1, Len: 100}}}))
	if due := x.e.push.due(); due > x.e.push.now()+time.Second {
		t.Errorf("the other answers are due in %v", due-x.e.push.now())
	}
	later := only[*wire.Delta](x.pass(10 * time.Second))
	if len(now) == 0 || len(now) > 10 || len(now)+len(later) != 100 {
		t.Errorf("%d answers at once, %d later, want 100 together and few at once", len(now), len(later))
	}
}

func TestWantIsBounded(t *testing.T) {
	x := newSolo(t, 3, nil)
	var writes []Write
	for i := range maxPerHave + 500 {
		writes = append(writes, Write{Addr: cell.At(fmt.Sprint(i), "r"), Body: []byte("v")})
	}
	fx, err := x.e.Commit(x.reading(), Tx{Writes: writes})
	if err != nil {
		t.Fatal(err)
	}
	x.perform(fx)
	x.n.run(10 * time.Second)
	before := len(x.outbox)
	x.recv(3, &wire.Want{Runs: []cell.Run{{O: x.e.Origin(), From: 1, Len: maxPerHave + 500}}})
	x.n.run(10 * time.Second)
	sent := 0
	for _, p := range only[*wire.Delta](x.outbox[before:]) {
		sent += len(p.Frame.Msg.(*wire.Delta).Groups[0].Cells)
	}
	if sent != maxPerHave || x.dirtied(3) != 1 {
		t.Errorf("%d answers to one WANT, dirty %d, want %d and 1", sent, x.dirtied(3), maxPerHave)
	}
}

// No HAVE or WANT makes this node do more than its limit.
func TestHostileDigestsAreBounded(t *testing.T) {
	x := newSolo(t, 5, nil)
	huge := []cell.Run{{O: 9, From: 1, Len: math.MaxUint64 - 1}}
	sent := only[*wire.Want](x.recv(2, &wire.Have{Runs: huge}))
	if n := x.e.Stats().Pending; n != maxPerHave || x.dirtied(2) != 1 {
		t.Errorf("pending %d, dirty %d", n, x.dirtied(2))
	}
	if len(sent) != 1 || sent[0].Frame.Msg.(*wire.Want).Runs[0].Len != maxPerHave {
		t.Errorf("%d WANT", len(sent))
	}
	x.recv(3, &wire.Want{Runs: huge})
	if x.dirtied(3) != 1 {
		t.Errorf("dirty %d", x.dirtied(3))
	}
	if gaps := x.e.push.missing(cell.Run{O: 9, From: math.MaxUint64 - 3, Len: 10}); len(gaps) != 0 {
		t.Errorf("a run past the last number misses %v", gaps)
	}
	for o := cell.Origin(100); o < 100+maxWanted/maxPerHave; o++ {
		x.recv(5, &wire.Have{Runs: []cell.Run{{O: o, From: 1, Len: maxPerHave}}})
	}
	if n := x.e.Stats().Pending; n > maxWanted || x.dirtied(5) == 0 {
		t.Errorf("pending %d of %d, dirty %d", n, maxWanted, x.dirtied(5))
	}
	x.n.run(time.Second)
	if n := x.e.Stats().Pending; n != 0 {
		t.Errorf("pending %d after a second", n)
	}
}

func TestRepairedPartIsServedFromThere(t *testing.T) {
	for seed := range uint64(10) {
		n := newPushNet(t, 64, seed, nil)
		// The whole first hop to one member is lost: a quarter of the ring.
		lost := cell.Origin(0)
		n.drop = func(from, to *pushNode, f wire.Frame) bool {
			if _, ok := f.Msg.(*wire.Delta); ok && from == n.nodes[0] && lost == 0 {
				lost = to.e.Origin()
			}
			return to.e.Origin() == lost
		}
		c := n.nodes[0].put("k", []byte("v"))
		n.run(200 * time.Millisecond)
		if miss := n.missing(c); miss != 1 { // the lost one hears nothing at all
			t.Errorf("seed %d: %d nodes miss the cell after 200 ms, want 1", seed, miss)
		}
		n.drop = nil
	}
}

func TestAnswersLeaveRoomForWrites(t *testing.T) {
	x := newSolo(t, 4, func(c *Config) { c.BytesPerSec = 100_000 })
	x.n.run(time.Second)
	body := make([]byte, 1000)
	var first, last *cell.Cell
	for i := range 64 {
		if last = x.put(fmt.Sprint(i), body); first == nil {
			first = last
		}
	}
	x.pass(20 * time.Second)
	ask := &wire.Want{Runs: []cell.Run{{O: first.Ver.O, From: first.Ver.N, Len: 64}}}
	for o := cell.Origin(1); o <= 4; o++ {
		for range 20 {
			x.recv(o, ask)
		}
	}
	if wait := x.e.push.owed.len(); wait < 1000 {
		t.Fatalf("%d answers wait: no flood", wait)
	}
	mine := x.put("mine", []byte("v"))
	if got := len(hops(x.pass(500*time.Millisecond), mine.Dot())); got < 4 {
		t.Errorf("a write went to %d of 4 members in half a second of a flood of answers", got)
	}
	before := x.e.push.owed.len()
	if x.pass(time.Second); x.e.push.owed.len() >= before {
		t.Error("the answers stand still")
	}
	if x.pass(2 * time.Minute); x.e.push.owed.len() != 0 {
		t.Errorf("%d answers are never sent", x.e.push.owed.len())
	}
}
