package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// randomRing is a ring of up to 40 members beside the own one.
func randomRing(rnd *rand.Rand) *ring {
	r := newRing(fmt.Sprintf("self-%d", rnd.IntN(1000)))
	peers := make([]Peer, rnd.IntN(41))
	for i := range peers {
		peers[i] = Peer{Name: fmt.Sprintf("m-%d", rnd.Uint64()), Origin: cell.Origin(i + 1)}
	}
	if rnd.IntN(2) == 0 { // a view that is shared has this node in it
		peers = append(peers, Peer{Name: r.name, Origin: 1 << 20})
	}
	r.set(NewView(peers))
	return r
}

// randomSpan is any range, or one with ends on members and on the own place.
func randomSpan(r *ring, rnd *rand.Rand) wire.Span {
	end := func() uint64 {
		switch n := rnd.IntN(5); {
		case n == 0:
			return r.at
		case n == 1:
			return r.at - 1
		case n < 4 && r.count() > 0:
			return r.node(rnd.IntN(r.count())).at
		}
		return rnd.Uint64()
	}
	if rnd.IntN(4) == 0 {
		return r.whole()
	}
	return wire.Span{Lo: end(), Hi: end()}
}

// inside lists the members of a range by looking at each.
func inside(r *ring, s wire.Span) []cell.Origin {
	var out []cell.Origin
	for i := range r.count() {
		n := r.node(i)
		if s.Lo != s.Hi && (s.Lo < s.Hi && n.at > s.Lo && n.at <= s.Hi || s.Lo > s.Hi && (n.at > s.Lo || n.at <= s.Hi)) {
			out = append(out, n.Origin)
		}
	}
	slices.Sort(out)
	return out
}

func TestSplitLaws(t *testing.T) {
	rnd := newRand(1)
	for range 20_000 {
		r := randomRing(rnd)
		s := randomSpan(r, rnd)
		parts := r.split(s)
		if len(parts) > fan {
			t.Fatalf("%d parts of %v", len(parts), s)
		}
		var all []cell.Origin
		least, most := r.count(), 0
		for _, p := range parts {
			if within(p.span, r.at) {
				t.Fatalf("part %v of %v straddles the own place %x", p.span, s, r.at)
			}
			var mine []cell.Origin
			for i := range p.n {
				mine = append(mine, r.origin(p, i))
			}
			all = append(all, mine...)
			slices.Sort(mine)
			if want := inside(r, p.span); !slices.Equal(mine, want) || p.n == 0 {
				t.Fatalf("part %v holds %v, its range %v", p.span, mine, want)
			}
			least, most = min(least, p.n), max(most, p.n)
		}
		slices.Sort(all)
		if want := inside(r, s); !slices.Equal(all, want) {
			t.Fatalf("parts of %v hold %v, want each of %v once", s, all, want)
		}
		if len(parts) > 0 && !within(s, r.at) && most-least > 1 {
			t.Fatalf("parts of %v have %d to %d members", s, least, most)
		}
		if n := len(inside(r, s)); len(parts) < min(fan, n) && (n > fan || !within(s, r.at)) {
			t.Fatalf("%d parts of %d members", len(parts), n)
		}
		checkTiling(t, r, s, parts)
	}
}

// checkTiling checks that the parts lie end to end, so that no point is in none
// of them: there may be a member that only others see.
func checkTiling(t *testing.T, r *ring, s wire.Span, parts []part) {
	t.Helper()
	sides := []wire.Span{s}
	if within(s, r.at) {
		sides = []wire.Span{{Lo: s.Lo, Hi: r.at - 1}, {Lo: r.at, Hi: s.Hi}}
	}
	for _, side := range sides {
		if side.Lo == side.Hi || len(inside(r, side)) == 0 {
			continue
		}
		at := side.Lo
		for len(parts) > 0 && at != side.Hi && parts[0].span.Lo == at {
			at, parts = parts[0].span.Hi, parts[1:]
		}
		if at != side.Hi {
			t.Fatalf("the parts of %v end at %x, next are %v", side, at, parts)
		}
	}
	if len(parts) > 0 {
		t.Fatalf("parts beside %v: %v", s, parts)
	}
}

func TestPickStaysInItsPart(t *testing.T) {
	rnd := newRand(2)
	for range 5_000 {
		r := randomRing(rnd)
		s := randomSpan(r, rnd)
		for _, p := range r.split(s) {
			got := r.pick(p, rnd)
			if !slices.Contains(inside(r, p.span), got) {
				t.Fatalf("%v picked for a part that holds %v", got, inside(r, p.span))
			}
			other, ok := r.pickOther(p.span, got, rnd.IntN(9))
			if !ok || !slices.Contains(inside(r, p.span), other) || p.n > 1 && other == got {
				t.Fatalf("%v, %v picked beside %v of %v", other, ok, got, inside(r, p.span))
			}
		}
	}
}

func TestPickOtherReachesAllInTurn(t *testing.T) {
	first := make(map[cell.Origin]int)
	for self := range 200 {
		r := newRing(fmt.Sprint("self-", self))
		r.set(NewView(soloPeers(5)))
		for _, not := range []cell.Origin{3, 99} { // 99 is gone
			seen := make(map[cell.Origin]bool)
			for turn := range 5 {
				o, ok := r.pickOther(r.whole(), not, turn)
				if !ok || o == 3 && not == 3 {
					t.Fatalf("%v, %v picked beside %v", o, ok, not)
				}
				if seen[o] = true; turn == 0 {
					first[o]++
				}
			}
			if not == 3 && len(seen) != 4 || not == 99 && len(seen) != 5 {
				t.Errorf("beside %v only %d members had a turn", not, len(seen))
			}
		}
	}
	for o := cell.Origin(1); o <= 5; o++ {
		if n := first[o]; n < 20 {
			t.Errorf("%v is the first of all for %d of 400 nodes only", o, n)
		}
	}
}

// Neighbours are of one part and hold a cell or lack it together: the turns of a
// few checks are spread over the range.
func TestPickOtherScatters(t *testing.T) {
	r := newRing("self")
	r.set(NewView(soloPeers(700)))
	for _, not := range []cell.Origin{3, 9999} {
		var places []int
		for turn := range partChecks {
			o, _ := r.pickOther(r.whole(), not, turn)
			at, _ := r.index(o)
			places = append(places, at)
		}
		slices.Sort(places)
		for i, at := range places {
			if gap := (places[(i+1)%len(places)] - at + 700) % 700; gap > 700/4 || gap < 700/40 {
				t.Errorf("beside %v the turns are at %v of 700", not, places)
				break
			}
		}
	}
}

func TestWithoutIsDifference(t *testing.T) {
	rnd := newRand(4)
	seen := make(map[int]int)
	for range 20_000 {
		s, not := wire.Span{Lo: rnd.Uint64(), Hi: rnd.Uint64()}, wire.Span{Lo: rnd.Uint64(), Hi: rnd.Uint64()}
		switch rnd.IntN(8) {
		case 0:
			not.Lo = s.Lo
		case 1:
			not.Hi = s.Hi
		case 2:
			not.Hi = s.Lo
		case 3:
			not.Hi = not.Lo
		case 4:
			s.Hi = s.Lo
		}
		left := without(nil, s, not)
		seen[len(left)]++
		ends := []uint64{s.Lo, s.Hi, not.Lo, not.Hi, rnd.Uint64()}
		for _, x := range append(ends, s.Lo+1, s.Hi+1, not.Lo+1, not.Hi+1) {
			n := 0
			for _, piece := range left {
				if within(piece, x) {
					n++
				}
			}
			if want := within(s, x) && !within(not, x); n > 1 || (n == 1) != want {
				t.Fatalf("%v without %v is %v: it holds %d %d times", s, not, left, x, n)
			}
		}
	}
	if seen[0] < 100 || seen[1] < 100 || seen[2] < 100 {
		t.Errorf("pieces: %v", seen)
	}
}

func TestAddSpanIsUnion(t *testing.T) {
	rnd := newRand(3)
	wholes := 0
	for range 20_000 {
		r := randomRing(rnd)
		var spans, given []wire.Span
		for range 1 + rnd.IntN(6) {
			s := randomSpan(r, rnd)
			given = append(given, s)
			spans = r.addSpan(spans, s)
		}
		if slices.Contains(spans, r.whole()) && !slices.Contains(given, r.whole()) {
			wholes++
		}
		for i := range 20 {
			x := rnd.Uint64()
			if i < r.count() {
				x = r.node(i).at
			}
			if x == r.at {
				continue
			}
			want, got := 0, 0
			for _, s := range given {
				if within(s, x) {
					want = 1
				}
			}
			for _, s := range spans {
				if within(s, x) {
					got++
				}
			}
			if got != want && !(slices.Equal(spans, []wire.Span{r.whole()}) && got == 1) {
				t.Fatalf("%x is in %d of %v, which came of %v", x, got, spans, given)
			}
		}
	}
	if wholes == 0 {
		t.Error("no union went around the ring: the case is not tested")
	}
}

func TestRingKnowsItsMembers(t *testing.T) {
	r := newRing("self")
	r.set(NewView(append(soloPeers(3), Peer{Name: "self", Origin: 99})))
	if r.count() != 3 || r.known(99) || !r.known(2) {
		t.Errorf("count %d, knows itself %v, knows 2 %v", r.count(), r.known(99), r.known(2))
	}
	if p, ok := r.byOrigin(2); !ok || p.Name != "peer-2" {
		t.Errorf("byOrigin(2) = %v, %v", p, ok)
	}
	r.set(NewView(soloPeers(1)))
	if r.count() != 1 || r.known(2) {
		t.Errorf("count %d, knows 2 %v after it left", r.count(), r.known(2))
	}
}

func TestANamesakeIsNoPeer(t *testing.T) {
	b := newBench(t, 1, nil)
	b.e.sync.synced = true
	b.step(PeersChanged{View: NewView([]Peer{{Name: "n", Origin: 9}})})
	if b.e.peers.count() != 0 || len(b.e.sync.dirt) != 0 {
		t.Fatalf("%d peers, %d of them to be asked, want none: the only one has the own name", b.e.peers.count(), len(b.e.sync.dirt))
	}
}
