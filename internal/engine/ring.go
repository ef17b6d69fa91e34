package engine

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"math/rand/v2"
	"slices"
	"sort"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// fan is into how many parts a range is cut on the way down.
const fan = 4

// View is the live members of a cluster in ring order: every member stands at
// the first 8 bytes of the sha256 of its name. All nodes that see the same
// members see the same ring, so a range means the same to all of them. A View is
// immutable; engines may share one. A nil View has no members.
type View struct {
	nodes []ringNode
	index map[cell.Origin]int // in nodes
}

type ringNode struct {
	at uint64
	Peer
}

// NewView orders members, in which the node that gets to see them may be or not.
func NewView(members []Peer) *View {
	v := &View{nodes: make([]ringNode, len(members)), index: make(map[cell.Origin]int, len(members))}
	for i, p := range members {
		v.nodes[i] = ringNode{at: placeOf(p.Name), Peer: p}
	}
	slices.SortFunc(v.nodes, func(a, b ringNode) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Origin, b.Origin))
	})
	for i, n := range v.nodes {
		v.index[n.Origin] = i
	}
	return v
}

// Peers yields the members in ring order.
func (v *View) Peers() iter.Seq[Peer] {
	return func(yield func(Peer) bool) {
		if v == nil {
			return
		}
		for i := range v.nodes {
			if !yield(v.nodes[i].Peer) {
				return
			}
		}
	}
}

// ring is a View as one of its members sees it: without itself.
type ring struct {
	name string
	at   uint64 // where this node stands
	view *View
	self int // this node's index in view; behind its end if it is not there
}

// part is a piece of a range: the run of n nodes from first on, cyclic.
type part struct {
	span     wire.Span
	first, n int
}

func newRing(name string) *ring { return &ring{name: name, at: placeOf(name), view: &View{}} }

// placeOf is where a member of that name stands.
func placeOf(name string) uint64 {
	sum := sha256.Sum256([]byte(name))
	return binary.BigEndian.Uint64(sum[:8])
}

// set replaces the view.
func (r *ring) set(v *View) {
	if v == nil {
		v = &View{}
	}
	r.view = v
	r.self = slices.IndexFunc(v.nodes, func(n ringNode) bool { return n.Name == r.name })
	if r.self < 0 {
		r.self = len(v.nodes)
	}
}

// node returns the i-th member beside this node.
func (r *ring) node(i int) *ringNode {
	if i >= r.self {
		i++
	}
	return &r.view.nodes[i]
}

// nodes yields the members beside this node in ring order.
func (r *ring) nodes() iter.Seq[Peer] {
	return func(yield func(Peer) bool) {
		for i := range r.count() {
			if !yield(r.node(i).Peer) {
				return
			}
		}
	}
}

// known reports whether a live member beside this node has the origin.
func (r *ring) known(o cell.Origin) bool {
	i, ok := r.view.index[o]
	return ok && i != r.self
}

// shared reports whether a live member beside this node has the origin, be it
// that this node announces it too.
func (r *ring) shared(o cell.Origin) bool {
	return slices.ContainsFunc(r.view.nodes, func(n ringNode) bool { return n.Origin == o && n.Name != r.name })
}

// count is how many live members there are beside this node.
func (r *ring) count() int {
	n := len(r.view.nodes)
	if r.self < n {
		n--
	}
	return n
}

// byOrigin returns the member that has the origin.
func (r *ring) byOrigin(o cell.Origin) (Peer, bool) {
	if !r.known(o) {
		return Peer{}, false
	}
	return r.view.nodes[r.view.index[o]].Peer, true
}

// whole is the range of all members but this node.
func (r *ring) whole() wire.Span { return wire.Span{Lo: r.at, Hi: r.at - 1} }

// members is the part of the ring that stands in a range.
func (r *ring) members(s wire.Span) part {
	p := part{span: s, first: r.after(s.Lo)}
	switch end := r.after(s.Hi); {
	case s.Lo == s.Hi:
	case s.Lo < s.Hi:
		p.n = end - p.first
	default:
		p.n = r.count() - p.first + end
	}
	return p
}

// after is the index of the first node that stands above x.
func (r *ring) after(x uint64) int {
	i := sort.Search(len(r.view.nodes), func(i int) bool { return r.view.nodes[i].at > x })
	if i > r.self {
		i--
	}
	return i
}

// origin is that of the i-th node of a part.
func (r *ring) origin(p part, i int) cell.Origin { return r.node((p.first + i) % r.count()).Origin }

// split cuts a range without this node into at most fan contiguous parts of
// about equal numbers of members. They are disjoint, leave out nothing but this
// node, and none straddles it: behind it the ring goes on in another part.
func (r *ring) split(s wire.Span) []part {
	before, behind := r.members(s), part{}
	if within(s, r.at) {
		before = r.members(wire.Span{Lo: s.Lo, Hi: r.at - 1})
		behind = r.members(wire.Span{Lo: r.at, Hi: s.Hi})
	}
	all := before.n + behind.n
	if all == 0 {
		return nil
	}
	k := (2*fan*before.n + all) / (2 * all) // rounded
	if before.n > 0 {
		k = max(k, 1)
	}
	if behind.n > 0 {
		k = min(k, fan-1)
	}
	return r.cut(r.cut(make([]part, 0, fan), before, k), behind, fan-k)
}

// cut appends a part cut into at most k. The gaps between members belong to the
// part above them, so that members which only others see are served as well.
func (r *ring) cut(out []part, p part, k int) []part {
	k = min(k, p.n)
	lo := p.span.Lo
	for j := range k {
		from, to := p.n*j/k, p.n*(j+1)/k
		hi := p.span.Hi
		if j < k-1 {
			hi = r.node((p.first + to - 1) % r.count()).at
		}
		out = append(out, part{
			span:  wire.Span{Lo: lo, Hi: hi},
			first: (p.first + from) % r.count(),
			n:     to - from,
		})
		lo = hi
	}
	return out
}

// pick returns a random member of a part that has members.
func (r *ring) pick(p part, rnd *rand.Rand) cell.Origin { return r.origin(p, rnd.IntN(p.n)) }

// pickOther returns a member of a range that is not the given one, unless it is
// alone there: another one at every turn, until all had theirs. It reports false
// if the range is empty.
func (r *ring) pickOther(s wire.Span, not cell.Origin, turn int) (cell.Origin, bool) {
	p := r.members(s)
	if p.n == 0 {
		return 0, false
	}
	draw := int((uint64(not) ^ r.at) >> 8 % (1 << 32)) // who begins differs from node to node
	at, ok := r.index(not)
	if at = (at - p.first + r.count()) % r.count(); !ok || at >= p.n {
		return r.origin(p, scattered(draw, turn, p.n)), true
	}
	return r.origin(p, (at+1+scattered(draw, turn, max(p.n-1, 1)))%p.n), true
}

// scattered is the place of n whose turn it is: all have one, neighbours not one
// after the other. Members that are next to each other hold a cell or lack it
// together, because they are of one part.
func scattered(draw, turn, n int) int {
	step := max(n*5/13, 1) // near the golden section
	for gcd(step, n) != 1 {
		step++
	}
	return (draw%n + turn%n*step) % n
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// index is where a member stands among those beside this node.
func (r *ring) index(o cell.Origin) (int, bool) {
	i, ok := r.view.index[o]
	if !ok || i == r.self {
		return 0, false
	}
	if i > r.self {
		i--
	}
	return i, true
}

// any returns a random member. There must be one.
func (r *ring) any(rnd *rand.Rand) cell.Origin { return r.node(rnd.IntN(r.count())).Origin }

// within reports that x stands in a range.
func within(s wire.Span, x uint64) bool { return x-s.Lo-1 < s.Hi-s.Lo }

// without appends what of a range is not in another one: at most two pieces.
func without(out []wire.Span, s, not wire.Span) []wire.Span {
	size, at := s.Hi-s.Lo, not.Lo-s.Lo
	end := at + (not.Hi - not.Lo)
	if end < at { // it goes around: what is kept lies between its end and its beginning
		if to := min(at, size); end < to {
			out = append(out, wire.Span{Lo: s.Lo + end, Hi: s.Lo + to})
		}
		return out
	}
	if to := min(at, size); to > 0 {
		out = append(out, wire.Span{Lo: s.Lo, Hi: s.Lo + to})
	}
	if end < size {
		out = append(out, wire.Span{Lo: s.Lo + end, Hi: s.Hi})
	}
	return out
}

// addSpan adds a range to a list of ranges that do not touch each other. What
// goes around the whole ring is the range of all members but this node.
func (r *ring) addSpan(spans []wire.Span, s wire.Span) []wire.Span {
	if s.Lo == s.Hi {
		return spans
	}
	for i := 0; i < len(spans); i++ {
		joined, touch := r.join(spans[i], s)
		if !touch {
			continue
		}
		if joined == spans[i] {
			return spans
		}
		// What has grown may touch others now.
		s = joined
		spans = slices.Delete(spans, i, i+1)
		i = -1
	}
	return append(spans, s)
}

// join is the range that two ranges make up together if they touch.
func (r *ring) join(a, b wire.Span) (s wire.Span, touch bool) {
	if b.Lo-a.Lo > a.Hi-a.Lo {
		a, b = b, a
	}
	at, size := b.Lo-a.Lo, b.Hi-b.Lo
	if at > a.Hi-a.Lo {
		return s, false
	}
	if at+size < at {
		return r.whole(), true
	}
	return wire.Span{Lo: a.Lo, Hi: a.Lo + max(a.Hi-a.Lo, at+size)}, true
}
