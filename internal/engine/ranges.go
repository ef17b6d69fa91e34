package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// Bounds of one leg. The frame limit of the wire is well above them: bounds are
// front coded there and counted whole here.
const (
	legBytes  = 512 << 10 // of RANGES in one leg; what is over it waits for the next
	listChunk = 1024      // items of one LIST
	denseMost = 2048      // items that are listed at once to save legs
	maxLevel  = 16        // from here on nothing is split any more: lists end every dispute
	maxLegs   = 2000      // a peer that never agrees is given up
)

var (
	errRangesOverlap = errors.New("ranges overlap what is still open")
	errTooManyLegs   = errors.New("reconciliation does not end")
)

// half is one of the two trees of one side, pinned.
type half interface {
	sum(lo, hi string) sum                // of [lo, hi); hi "" is the end
	bounds(lo, hi string, n int) []string // n-1 keys that cut [lo, hi) into n parts of equal count
	list(lo, hi string) []wire.Item
	// compared takes the peer's whole list of a range and says what to answer
	// with; it queues what the peer lacks.
	compared(lo, hi string, theirs []wire.Item) wire.Range
	wanted(lo, hi string, hashes []uint64) // queues what the peer asked for
	lacked(lo, hi string) reply            // the peer has nothing there
}

// reply says how a range that the peer shows empty is answered.
type reply uint8

const (
	replySkip reply = iota // what it lacks is queued
	replyList              // it must see the list
)

// sum is the size and the fingerprint of a range, as long as it is on the wire.
type sum struct {
	count uint64
	fp    [12]byte
}

func sumOf(count uint64, fp [2]uint64) sum {
	s := sum{count: count}
	binary.BigEndian.PutUint64(s.fp[:8], fp[0])
	binary.BigEndian.PutUint32(s.fp[8:], uint32(fp[1]>>32))
	return s
}

// piece is one range that waits for an answer.
type piece struct {
	lo, hi string
	in     wire.Range
	mine   sum
	all    bool // list it: it was decided before
}

// reconciler finds what two trees do not have in common. It keeps what it
// cannot answer in one leg: a leg that says SKIP everywhere has nothing left.
type reconciler struct {
	half
	fan, leaf int
	level     int // of the last ranges that came
	legs      int
	open      []piece
	said      saying // by the last leg of this side
}

// saying is what a leg says.
type saying uint8

const (
	saysNothing saying = iota // SKIP only
	asks                      // WANT, and no more to compare
	compares                  // there is more to compare
)

func sayingOf(leg []wire.Range) saying {
	says := saysNothing
	for _, g := range leg {
		switch g.Mode {
		case wire.ModeSkip:
		case wire.ModeWant:
			says = asks
		default:
			return compares
		}
	}
	return says
}

// newReconciler makes one for the side that speaks first, or for the other.
func newReconciler(h half, cfg Config, s side) *reconciler {
	r := &reconciler{half: h, fan: cfg.SplitFan, leaf: cfg.ListThreshold, said: compares}
	if s == answering {
		r.level = -1
	}
	return r
}

// side is which end of a session this is.
type side uint8

const (
	asking    side = iota // it sent HELLO and opened the stream
	answering             // it answered DIFFER
)

// first is the first leg, towards a peer that has shown the given sum. Whether
// two sides are equal is only concluded from what was exchanged on the stream:
// the sum may be of an older pin than the one the peer compares with, and a
// side that skips what it takes for equal is complete without having seen it.
func (r *reconciler) first(theirs sum) []wire.Range {
	mine := r.sum("", "")
	switch {
	case mine == theirs:
		return []wire.Range{{Mode: wire.ModeFP, Count: mine.count, FP: mine.fp}}
	case theirs.count == 0 && r.lacked("", "") == replySkip:
		return []wire.Range{{Mode: wire.ModeList}} // it shows what it has by now
	}
	w := &weaver{}
	r.answerPiece(w, piece{in: wire.Range{Mode: wire.ModeFP, Count: theirs.count, FP: theirs.fp}, mine: mine})
	return w.end()
}

// answer takes one leg of the peer and returns the next. No leg is one that says
// nothing.
func (r *reconciler) answer(in []wire.Range) ([]wire.Range, error) {
	r.level += 2
	if r.legs++; r.legs > maxLegs {
		return nil, errTooManyLegs
	}
	pieces, err := r.gather(in)
	if err != nil {
		return nil, err
	}
	if r.dense(pieces) {
		for i := range pieces {
			pieces[i].all = true
		}
	}
	w := &weaver{}
	for i, p := range pieces {
		if w.size >= legBytes {
			r.open = append(r.open, pieces[i:]...)
			break
		}
		if p.lo != "" {
			w.skipTo(p.lo)
		}
		r.answerPiece(w, p)
	}
	out := w.end()
	if r.said = sayingOf(out); len(r.open) > 0 || !whole(in) {
		r.said = compares
	}
	return out, nil
}

// gather merges what came with what was left open, in key order.
func (r *reconciler) gather(in []wire.Range) ([]piece, error) {
	pieces := r.open
	r.open = nil
	merge := len(pieces) > 0
	lo := ""
	for _, g := range in {
		if g.Mode != wire.ModeSkip {
			p := piece{lo: lo, hi: g.Upper, in: g}
			if g.Mode == wire.ModeFP {
				p.mine = r.sum(p.lo, p.hi)
			}
			pieces = append(pieces, p)
		}
		lo = g.Upper
	}
	if !merge {
		return pieces, nil
	}
	slices.SortFunc(pieces, func(a, b piece) int { return strings.Compare(a.lo, b.lo) })
	for i := 1; i < len(pieces); i++ {
		if before := pieces[i-1].hi; before == "" || before > pieces[i].lo {
			return nil, errRangesOverlap
		}
	}
	return pieces, nil
}

// dense reports that so many ranges differ, and that so little is in them, that
// lists at once save legs. Of large ranges lists would cost more than the legs
// are worth: splitting finds one difference for the price of twenty items.
func (r *reconciler) dense(pieces []piece) bool {
	if r.level < 2 {
		return false
	}
	fps, differ, items := 0, 0, uint64(0)
	for _, p := range pieces {
		if p.in.Mode == wire.ModeFP && !p.all {
			fps++
			if p.mine != (sum{p.in.Count, p.in.FP}) {
				differ++
				items += p.mine.count
			}
		}
	}
	return fps >= r.fan && differ*3 > fps && items <= denseMost
}

func (r *reconciler) answerPiece(w *weaver, p piece) {
	switch p.in.Mode {
	case wire.ModeList:
		w.add(r.compared(p.lo, p.hi, p.in.Items))
	case wire.ModeWant:
		r.wanted(p.lo, p.hi, p.in.Want)
		w.skipTo(p.hi)
	case wire.ModeFP:
		r.answerFP(w, p)
	default:
		w.skipTo(p.hi)
	}
}

// answerFP answers a fingerprint: equal, listed by the side that has less, or
// split by this side's count.
func (r *reconciler) answerFP(w *weaver, p piece) {
	n, leaf := p.mine.count, uint64(r.leaf)
	switch {
	case p.mine == sum{p.in.Count, p.in.FP}:
		w.skipTo(p.hi)
	case p.in.Count == 0 && n > 0 && r.lacked(p.lo, p.hi) == replySkip:
		w.skipTo(p.hi)
	case p.all || n <= leaf || r.level >= maxLevel || p.in.Count <= leaf && n <= 2*leaf:
		r.lists(w, p)
	case p.in.Count <= leaf:
		// The peer has less: it sees a count over its own and lists.
		w.add(wire.Range{Mode: wire.ModeFP, Upper: p.hi, Count: n, FP: p.mine.fp})
	default:
		r.split(w, p)
	}
}

func (r *reconciler) split(w *weaver, p piece) {
	lo := p.lo
	for _, hi := range append(r.bounds(p.lo, p.hi, r.parts(p)), p.hi) {
		s := r.sum(lo, hi)
		w.add(wire.Range{Mode: wire.ModeFP, Upper: hi, Count: s.count, FP: s.fp})
		lo = hi
	}
}

// parts is into how many a range is cut. Its parts will be listed if they are
// small: then it is cut so that all fingerprints cost what the one list does, an
// item being a third longer than a range. The whole is cut as if twice, in one
// leg: that is some KB, and nearly always where many of the parts differ.
func (r *reconciler) parts(p piece) int {
	n := p.mine.count
	fit := max(int(math.Sqrt(float64(n)*4/3)), 2)
	switch {
	case p.lo == "" && p.hi == "":
		return min(fit, r.fan*r.fan)
	case n > uint64(r.fan*r.leaf):
		return r.fan
	}
	return fit
}

// lists adds the list of a piece, in chunks; what does not fit stays open.
func (r *reconciler) lists(w *weaver, p piece) {
	parts := int(p.mine.count/listChunk) + 1
	lo := p.lo
	for _, hi := range append(r.bounds(p.lo, p.hi, parts), p.hi) {
		if w.size >= legBytes {
			p.lo, p.all, p.mine = lo, true, r.sum(lo, p.hi)
			r.open = append(r.open, p)
			return
		}
		w.add(wire.Range{Mode: wire.ModeList, Upper: hi, Items: r.list(lo, hi)})
		lo = hi
	}
}

// weaver makes one leg: ranges that ascend without a gap.
type weaver struct {
	out  []wire.Range
	at   string // upper bound so far
	full bool   // it is the end
	size int
}

func (w *weaver) add(g wire.Range) {
	w.at, w.full = g.Upper, g.Upper == ""
	if last := len(w.out) - 1; g.Mode == wire.ModeSkip && last >= 0 && w.out[last].Mode == wire.ModeSkip {
		w.out[last].Upper = g.Upper
		return
	}
	w.out = append(w.out, g)
	w.size += weight(g)
}

// weight is what a range counts for in the bound of a leg.
func weight(g wire.Range) int { return len(g.Upper) + 20 + 32*len(g.Items) + 8*len(g.Want) }

// skipTo adds what has nothing to say up to hi.
func (w *weaver) skipTo(hi string) {
	if w.full || hi != "" && hi <= w.at {
		return
	}
	w.add(wire.Range{Mode: wire.ModeSkip, Upper: hi})
}

func (w *weaver) end() []wire.Range {
	w.skipTo("")
	return w.out
}

// whole reports that the sender of a leg keeps nothing open that it would say
// in the next: it had room.
func whole(in []wire.Range) bool {
	size := 0
	for _, g := range in {
		size += weight(g)
	}
	return size < legBytes/2
}

// silent reports that a leg says nothing.
func silent(in []wire.Range) bool { return sayingOf(in) == saysNothing }

// addrHash names an address in a LIST: the first 8 bytes of its sha256.
func addrHash(a cell.Addr) uint64 {
	var small [256]byte
	h := sha256.Sum256(append(small[:0], a...))
	return binary.BigEndian.Uint64(h[:])
}
