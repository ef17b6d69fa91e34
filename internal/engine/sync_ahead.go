package engine

import (
	"cmp"
	"slices"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/tree"
	"github.com/starlingkv/starling/internal/wire"
)

// A peer that answers DIFFER knows already that the asker will want its
// fingerprints, and sends them ahead, in packets of their own: that is one flight
// less of each session that finds something. They are a hint and no more, as the
// pin that DIFFER names may be another by then: the asker shows on the stream how
// it compares, also where both seem to hold the same.

// aheadPackets is how many packets go ahead at most. They hold the fingerprints
// of some 250 ranges.
const (
	aheadPackets = 4
	skipToEnd    = 1 // bytes of the last range, if it says nothing
)

// sayAhead sends the fingerprints of what is pinned for a peer.
func (s *syncer) sayAhead(p *pin) {
	if p.flags&wire.HelloProbe != 0 || p.peerTree.Count == 0 {
		return // sums of values are others; and who has nothing lists nothing
	}
	for _, leg := range aheadOf(p.root.Tree, s.e.cfg) {
		s.e.send(p.peer, &wire.Ranges{Phase: wire.PhaseTree, Ranges: leg})
	}
}

// aheadOf is what goes ahead of DIFFER: the first split of a tree, in legs for
// one packet each. A small tree is listed, not split.
func aheadOf(t tree.Tree[*cell.Stored], cfg Config) [][]wire.Range {
	if t.Len() <= cfg.ListThreshold {
		return nil
	}
	h := &treeHalf{measured: measured[*cell.Stored]{tree: t}}
	r, w := newReconciler(h, cfg, answering), &weaver{}
	r.split(w, piece{mine: r.sum("", "")})
	return inPackets(w.out, cfg.PacketBudget)
}

// inPackets cuts a leg into some that fit a packet each: what stands in none of
// them is SKIP in all.
func inPackets(leg []wire.Range, budget int) (legs [][]wire.Range) {
	w, size, lo := &weaver{}, budget, ""
	for _, g := range leg {
		if size+wire.RangeSize(lo, &g) > budget {
			if lo != "" {
				legs = append(legs, w.end())
				w = &weaver{}
				w.skipTo(lo)
			}
			if len(legs) == aheadPackets {
				return legs
			}
			size = wire.RangesSize + wire.RangeSize("", &wire.Range{Upper: lo}) + skipToEnd
		}
		size += wire.RangeSize(lo, &g)
		w.add(g)
		lo = g.Upper
	}
	return append(legs, w.end())
}

// ahead keeps what a peer sends ahead of its DIFFER. What comes behind it is too
// late, and nothing is missed by that.
func (s *syncer) ahead(from cell.Origin, m *wire.Ranges) {
	a := s.asked
	if m.Phase != wire.PhaseTree || sayingOf(m.Ranges) != compares {
		s.e.event(Event{Kind: EventMisplacedFrame, Peer: from, N: uint64(wire.TypeRanges)})
		return
	}
	if a == nil || a.running || a.peer != from || a.packets == aheadPackets {
		return
	}
	a.packets++
	a.ahead = append(a.ahead, shownBy(m.Ranges)...)
}

// shownBy is the ranges whose fingerprints a leg shows.
func shownBy(leg []wire.Range) (pieces []piece) {
	lo := ""
	for _, g := range leg {
		if g.Mode == wire.ModeFP {
			pieces = append(pieces, piece{lo: lo, hi: g.Upper, in: g})
		}
		lo = g.Upper
	}
	return pieces
}

// follow is the first leg towards a peer that has sent fingerprints ahead. What
// seems to be equal is said again, for the peer to compare.
func (r *reconciler) follow(ahead []piece) []wire.Range {
	r.level = 1
	w, equal := &weaver{}, run{}
	for _, p := range covering(ahead) {
		p.mine = r.sum(p.lo, p.hi)
		known := p.in.Mode == wire.ModeFP
		if known && w.size < legBytes && p.mine == (sum{p.in.Count, p.in.FP}) {
			equal.add(p)
			continue
		}
		r.confirm(w, &equal)
		switch {
		case w.size >= legBytes:
			r.open = append(r.open, p.unknown())
		case !known:
			r.answerFP(w, p.unknown())
		case p.in.Count == 0 && r.lacked(p.lo, p.hi) == replySkip:
			w.add(wire.Range{Mode: wire.ModeList, Upper: p.hi}) // it shows what it has by now
		default:
			r.answerFP(w, p)
		}
	}
	r.confirm(w, &equal)
	return w.end()
}

// unknown is a piece of which the peer has shown nothing.
func (p piece) unknown() piece {
	p.in = wire.Range{Mode: wire.ModeFP, Upper: p.hi, Count: p.mine.count, FP: p.mine.fp}
	p.in.FP[0] ^= 1
	return p
}

// run is some ranges, one behind the other.
type run struct {
	lo, hi string
	any    bool
}

func (r *run) add(p piece) {
	if !r.any {
		r.lo, r.any = p.lo, true
	}
	r.hi = p.hi
}

// confirm says what a run of ranges holds, all together.
func (r *reconciler) confirm(w *weaver, equal *run) {
	if equal.any {
		s := r.sum(equal.lo, equal.hi)
		w.add(wire.Range{Mode: wire.ModeFP, Upper: equal.hi, Count: s.count, FP: s.fp})
		*equal = run{}
	}
}

// covering puts pieces in order, leaves out what overlaps, and fills the gaps
// with pieces of which nothing has come.
func covering(pieces []piece) []piece {
	slices.SortFunc(pieces, func(a, b piece) int { return cmp.Compare(a.lo, b.lo) })
	var out []piece
	at, end := "", false
	for _, p := range pieces {
		if end || p.lo < at {
			continue
		}
		if p.lo > at {
			out = append(out, piece{lo: at, hi: p.lo})
		}
		out = append(out, p)
		at, end = p.hi, p.hi == ""
	}
	if !end {
		out = append(out, piece{lo: at})
	}
	return out
}
