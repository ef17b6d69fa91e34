package engine

import (
	"encoding/binary"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/tree"
	"github.com/starlingkv/starling/internal/wire"
)

// cut returns the keys that cut the items of [lo, hi) into n parts of equal
// count, each as short as it can be.
func cut[T tree.Item](t tree.Tree[T], lo, hi string, n int) []string {
	from, to := t.Rank(lo), t.Len()
	if hi != "" {
		to = t.Rank(hi)
	}
	count := to - from
	n = min(n, count)
	var keys []string
	for i := 1; i < n; i++ {
		j := from + count*i/n
		keys = append(keys, tree.Separator(t.At(j-1).Key(), t.At(j).Key()))
	}
	return keys
}

// measured is a tree whose ranges are summed. Those that are asked for one after
// the other mostly adjoin, so what lies below a bound is found once for the two
// ranges that it parts.
type measured[T tree.Item] struct {
	tree  tree.Tree[T]
	bound string // that was asked for last
	below tree.Sum
}

func (m *measured[T]) sum(lo, hi string) sum {
	if hi != "" && hi <= lo {
		return sum{}
	}
	from, to := m.upTo(lo), m.tree.Agg().Sum()
	if hi != "" {
		to = m.upTo(hi)
	}
	part := to.Minus(from)
	return sumOf(part.Count, part.FP)
}

// upTo is the sum of what is below a bound.
func (m *measured[T]) upTo(bound string) tree.Sum {
	if bound != m.bound {
		m.bound, m.below = bound, m.tree.Below(bound)
	}
	return m.below
}

// treeHalf is the pinned tree of cells. What the peer lacks goes to out.
type treeHalf struct {
	measured[*cell.Stored]
	out    *outbox
	futile *futilePairs
	young  int64                // unix milliseconds from which a cell is young; 0: none is
	came   map[uint64]wire.Item // cells of the peer, by the hash of their address
}

// What goes along with a LIST: young cells are those that a peer may lack, as
// what is older was looked at in sessions before. Where they are many, as in a
// table that is written all the time, most of them have come by packets.
const (
	youngAge   = time.Minute // twice as long as until the next regular session
	youngShare = 8           // at most one item of so many, or one
	youngBytes = 1 << 10     // and no larger bodies
	cameMost   = 4096        // cells that are known to have come; the others are asked for
)

func (h *treeHalf) bounds(lo, hi string, n int) []string { return cut(h.tree, lo, hi, n) }

// list is the list of a range. The peer does not ask for the young cells in it if
// they go along: that is a flight less where only they differ.
func (h *treeHalf) list(lo, hi string) []wire.Item {
	var items []wire.Item
	var young []*cell.Cell
	for c := range h.tree.Range(lo, hi) {
		items = append(items, itemOf(c.Cell))
		if h.young > 0 && c.Ver.T.Milli() >= h.young && len(c.Body) <= youngBytes {
			young = append(young, c.Cell)
		}
	}
	if len(young) <= max(len(items)/youngShare, 1) {
		for _, c := range young {
			h.out.addCell(c)
		}
	}
	return items
}

// note keeps what has come.
func (h *treeHalf) note(cells []*cell.Cell) {
	for _, c := range cells[:min(len(cells), cameMost-len(h.came))] {
		it := itemOf(c)
		h.came[it.AddrHash] = it
	}
}

// lacks reports whether a cell of the peer's list has to be asked for.
func (h *treeHalf) lacks(it wire.Item) bool { return h.came[it.AddrHash] != it }

// itemOf is what a LIST shows of a cell: the first three parts of its place in
// the order. A cell whose place is not its time, as the remove of what was
// observed, must be shown by its place: else the side that holds the lower cell
// takes it for the higher, is shown nothing, and is complete without it.
func itemOf(c *cell.Cell) wire.Item {
	hash := c.Hash()
	at := cell.Ver{T: c.OrdT(), O: c.Ver.O, N: c.Ver.N}
	return wire.Item{AddrHash: addrHash(c.Addr), CellHash: binary.BigEndian.Uint32(hash[:]), Ver: at}
}

func (h *treeHalf) lacked(lo, hi string) reply {
	h.out.addRange(h.tree, lo, hi)
	return replySkip
}

func (h *treeHalf) wanted(lo, hi string, hashes []uint64) {
	want := make(map[uint64]bool, len(hashes))
	for _, x := range hashes {
		want[x] = true
	}
	for c := range h.tree.Range(lo, hi) {
		if want[addrHash(c.Addr)] {
			h.out.addCell(c.Cell)
		}
	}
}

// listed is one address hash of the peer's list.
type listed struct {
	item wire.Item
	many bool // the peer has several addresses with this hash
	met  bool // this side has an address with it
}

func index(theirs []wire.Item) map[uint64]*listed {
	by := make(map[uint64]*listed, len(theirs))
	for _, it := range theirs {
		if l := by[it.AddrHash]; l != nil {
			l.many = true
		} else {
			by[it.AddrHash] = &listed{item: it}
		}
	}
	return by
}

// compared queues what this side has higher or alone, and asks for what the
// peer has higher or alone. Of equal versions with different contents both
// sides send theirs: the join decides.
func (h *treeHalf) compared(lo, hi string, theirs []wire.Item) wire.Range {
	if len(theirs) == 0 {
		h.lacked(lo, hi)
		return wire.Range{Mode: wire.ModeSkip, Upper: hi}
	}
	by := index(theirs)
	var want []uint64
	for c := range h.tree.Range(lo, hi) {
		mine := itemOf(c.Cell)
		l := by[mine.AddrHash]
		send, ask := h.judge(c.Cell, mine, l)
		if send {
			h.out.addCell(c.Cell)
		}
		if ask {
			want = append(want, mine.AddrHash)
		}
		if l != nil {
			l.met = true
		}
	}
	for _, it := range theirs {
		l := by[it.AddrHash]
		if key := (pairKey{addr: it.AddrHash, theirs: it.CellHash}); !l.met && !h.futile.skips(key) {
			h.futile.note(key, "")
			if l.many || h.lacks(it) {
				want = append(want, it.AddrHash)
			}
		}
		l.met = true // once
	}
	if len(want) == 0 {
		return wire.Range{Mode: wire.ModeSkip, Upper: hi}
	}
	return wire.Range{Mode: wire.ModeWant, Upper: hi, Want: want}
}

// judge says whether this side's cell must be sent, and whether the peer's must
// be asked for.
func (h *treeHalf) judge(c *cell.Cell, mine wire.Item, l *listed) (send, ask bool) {
	key := pairKey{addr: mine.AddrHash, mine: mine.CellHash}
	switch {
	case l == nil:
		if send = !h.futile.skips(key); send {
			h.futile.note(key, c.Addr)
		}
		return send, false
	case l.many || l.met:
		return true, true // two addresses with one hash: both sides send all of them
	case l.item.CellHash == mine.CellHash && l.item.Ver == mine.Ver:
		return false, false
	}
	key.theirs = l.item.CellHash
	if h.futile.skips(key) {
		return false, false
	}
	h.futile.note(key, c.Addr)
	by := mine.Ver.Compare(l.item.Ver)
	return by >= 0, by <= 0 && h.lacks(l.item)
}

// ctxHalf is the pinned context. Entries have no order: what differs is sent
// both ways. They are kept until they may be sent, behind all cells.
type ctxHalf struct {
	measured[*cell.Entry]
	due   []*cell.Entry
	takes func() bool         // whether this side may still merge what it asks for
	live  func() cell.Context // set by PlantCtxLive only
}

func (h *ctxHalf) bounds(lo, hi string, n int) []string { return cut(h.tree, lo, hi, n) }

func (h *ctxHalf) list(lo, hi string) []wire.Item {
	var items []wire.Item
	for en := range h.tree.Range(lo, hi) {
		items = append(items, wire.Item{Origin: en.O, Hash: entryHash(en)})
	}
	return items
}

func entryHash(en *cell.Entry) uint64 {
	h := en.Hash()
	return binary.BigEndian.Uint64(h[:])
}

func (h *ctxHalf) lacked(lo, hi string) reply {
	for en := range h.tree.Range(lo, hi) {
		h.give(en)
	}
	return replySkip
}

func (h *ctxHalf) give(en *cell.Entry) { h.due = append(h.due, en) }

// sendTo queues what is due.
func (h *ctxHalf) sendTo(out *outbox) {
	for _, en := range h.due {
		if h.live != nil {
			en, _ = h.live().Entry(en.O)
		}
		if en != nil {
			out.addEntry(en)
		}
	}
	h.due = nil
}

func (h *ctxHalf) compared(lo, hi string, theirs []wire.Item) wire.Range {
	by := make(map[cell.Origin]uint64, len(theirs))
	for _, it := range theirs {
		by[it.Origin] = it.Hash
	}
	same := make(map[cell.Origin]bool)
	for en := range h.tree.Range(lo, hi) {
		if hash, ok := by[en.O]; ok && hash == entryHash(en) {
			same[en.O] = true
		} else {
			h.give(en)
		}
	}
	out := wire.Range{Mode: wire.ModeSkip, Upper: hi}
	if !h.takes() {
		return out
	}
	for _, it := range theirs {
		if !same[it.Origin] {
			out.Mode = wire.ModeWant
			out.Want = append(out.Want, uint64(it.Origin))
		}
	}
	return out
}

func (h *ctxHalf) wanted(lo, hi string, hashes []uint64) {
	want := make(map[uint64]bool, len(hashes))
	for _, x := range hashes {
		want[x] = true
	}
	for en := range h.tree.Range(lo, hi) {
		if want[uint64(en.O)] {
			h.give(en)
		}
	}
}

// probeHalf is the pinned tree as readers see it: it compares values only and
// finds what the two sides do not agree on as of a time. It sends no cell.
type probeHalf struct {
	tree   tree.Tree[*cell.Stored]
	before hlc.Time // H: what is younger may still be on its way
	found  *findings
	asked  map[[2]string]bool // ranges that this side has listed
}

func (h *probeHalf) sum(lo, hi string) sum {
	a := h.tree.AggOf(lo, hi)
	return sumOf(a.Live, a.FPLive)
}

func (h *probeHalf) bounds(lo, hi string, n int) []string { return cut(h.tree, lo, hi, n) }

func (h *probeHalf) lacked(string, string) reply { return replyList }

func (h *probeHalf) list(lo, hi string) []wire.Item {
	h.asked[[2]string{lo, hi}] = true
	var items []wire.Item
	for c := range h.tree.Range(lo, hi) {
		if c.Visible() {
			items = append(items, itemOf(c.Cell))
		}
	}
	return items
}

// wanted names what the peer found missing at its side and has counted.
func (h *probeHalf) wanted(lo, hi string, hashes []uint64) {
	for c := range h.tree.Range(lo, hi) {
		for _, x := range hashes {
			if x == addrHash(c.Addr) {
				h.found.name(c.Addr)
			}
		}
	}
}

// compared counts where the higher of the two cells is older than H and not on
// both sides, and asks for what it has counted so that the peer can name it.
// What only this side shows is listed in turn, because the peer may have a
// younger tombstone there.
func (h *probeHalf) compared(lo, hi string, theirs []wire.Item) wire.Range {
	by := index(theirs)
	var alone []wire.Item
	out := wire.Range{Mode: wire.ModeSkip, Upper: hi}
	for c := range h.tree.Range(lo, hi) {
		mine := itemOf(c.Cell)
		l := by[mine.AddrHash]
		switch {
		case l == nil && c.Visible() && c.Ver.T < h.before:
			alone = append(alone, mine)
		case l == nil:
		case l.item.CellHash == mine.CellHash && l.item.Ver == mine.Ver:
		case max(l.item.Ver.T, mine.Ver.T) < h.before:
			h.found.name(c.Addr)
			h.differs(&out, mine.AddrHash)
		}
		if l != nil {
			l.met = true
		}
	}
	for _, it := range theirs {
		if l := by[it.AddrHash]; !l.met && it.Ver.T < h.before {
			h.differs(&out, it.AddrHash)
		}
	}
	switch {
	case len(alone) == 0 || h.asked[[2]string{lo, hi}]:
		// The peer had its turn; what is alone here it has counted.
	case out.Mode == wire.ModeWant || len(alone) > listChunk:
		h.found.count += uint64(len(alone))
	default:
		out.Mode, out.Items = wire.ModeList, alone
	}
	return out
}

// differs counts one address; the peer is asked to name the first ones.
func (h *probeHalf) differs(out *wire.Range, hash uint64) {
	h.found.count++
	if len(out.Want) < keysNamed {
		out.Mode, out.Want = wire.ModeWant, append(out.Want, hash)
	}
}
