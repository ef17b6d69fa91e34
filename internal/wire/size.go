package wire

import (
	"math/bits"

	"github.com/starlingkv/starling/internal/cell"
)

// index is the most that the number of a table entry, or of things in a frame,
// takes: a frame has no room for 2^21 of anything.
const index = 3

// Upper bounds for whoever fills frames: what a frame takes without its
// entries, and what one entry adds, its share of the tables included. A frame
// in a packet may have Budget bytes, one on a stream MaxFrame.
const (
	HeaderSize = minHead + 10 + crcLen // of any frame without a body

	DeltaSize = HeaderSize + 3*index
	GroupSize = 8 + 8 + index

	HaveSize = HeaderSize + index + 1 + 16 + index // and of a WANT
	RunSize  = 8 + index + 10 + 10

	AdvertSize = HeaderSize + 2*index + 16 + index
	FetchSize  = HeaderSize + index
	PurgeSize  = HeaderSize + 2*index
	CellsSize  = HeaderSize + 4*index
	DeferSize  = index + 4
	CtxSize    = HeaderSize + index
	RangesSize = HeaderSize + 1 + 2*index
	ItemSize   = 8 + 4 + 8 + 8 + index + 10

	// MaxChunk is how many bytes of a body every BODY frame has room for.
	MaxChunk = MaxFrame - HeaderSize - (index + MaxAddr) - (8 + 8 + 10) - 3*4
)

// CellSize returns an upper bound of what a cell adds to a DELTA or to CELLS
// if it follows a cell at the address prev; "" is always safe. With another
// prev it is a bound only in frames under 64 KiB: in longer ones front coding
// may end at MaxShared.
func CellSize(prev cell.Addr, c *cell.Cell) int {
	return headSize(prev, c) + textSize(len(c.Body))
}

// AdSize returns an upper bound of what an ad of a cell adds to an ADVERT, and
// the cell without its body to CELLS, as CellSize does for whole cells.
func AdSize(prev cell.Addr, c *cell.Cell) int {
	return headSize(prev, c) + 4 + 32
}

// FetchItemSize returns an upper bound of what an address adds to a FETCH.
func FetchItemSize(a cell.Addr) int { return textSize(len(a)) + 8 + 8 + 10 }

// PurgeItemSize returns an upper bound of what an address adds to a PURGE.
func PurgeItemSize(a cell.Addr) int { return textSize(len(a)) + 8 + index + 10 }

// EntrySize returns an upper bound of what an entry adds to a CTX.
func EntrySize(e *cell.Entry) int {
	n := 8 + 8 + index
	for _, s := range e.Spans {
		n += uvSize(s.From) + uvSize(s.Len)
	}
	return n
}

// RangeSize returns an upper bound of what a range adds to RANGES if it follows
// one with the bound prev; "" is always safe, another prev as in CellSize.
func RangeSize(prev string, r *Range) int {
	shared := commonPrefix(prev, r.Upper)
	n := 1 + uvSize(uint64(shared)) + textSize(len(r.Upper)-shared)
	switch r.Mode {
	case ModeFP:
		n += uvSize(r.Count) + len(r.FP)
	case ModeList:
		n += index + len(r.Items)*ItemSize
	case ModeWant:
		n += index + len(r.Want)*8
	}
	return n
}

// headSize bounds a CellRec without its body. Every origin and the codec are
// taken to be new to the frame.
func headSize(prev cell.Addr, c *cell.Cell) int {
	shared := commonPrefix(string(prev), string(c.Addr))
	n := 1 + 1 + index + uvSize(uint64(shared)) + textSize(len(c.Addr)-shared)
	n += 8 + 8 + index + uvSize(c.Ver.N)
	if c.Codec != "" {
		n += textSize(len(c.Codec))
	}
	if flags := recFlags(c); flags&^(recTomb|recPrevCut) != 0 {
		n += optionalSize(flags, c)
	}
	return n
}

func optionalSize(flags byte, c *cell.Cell) int {
	n := 0
	for _, fixed := range [...]byte{recOrd, recBorn, recExp} {
		if flags&fixed != 0 {
			n += 8
		}
	}
	if flags&recBy != 0 {
		n += 8 + index + uvSize(c.ByDot().N)
	}
	if flags&recPrev != 0 {
		n++
		for _, run := range c.PrevRuns() {
			n += 8 + index + uvSize(run.From) + uvSize(run.Len)
		}
	}
	if flags&recExt != 0 {
		n += textSize(len(c.ExtBytes()))
	}
	return n
}

func uvSize(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

func textSize(n int) int { return uvSize(uint64(n)) + n }
