package wire

import (
	"math/bits"

	"github.com/starlingkv/starling/internal/cell"
)

// CellSize returns an upper bound of what a cell adds to a DELTA or to CELLS,
// its share of the tables included, if it follows a cell at the address prev;
// "" is always safe. With another prev it is a bound only while the frame is
// under 64 KiB: longer ones may run out of MaxShared.
func CellSize(prev cell.Addr, c *cell.Cell) int {
	return headSize(prev, c) + textSize(len(c.Body))
}

// AdSize returns an upper bound of what an ad of a cell adds to an ADVERT, as
// CellSize does for whole cells.
func AdSize(prev cell.Addr, c *cell.Cell) int {
	return headSize(prev, c) + 4 + 32
}

// headSize bounds a CellRec without its body. Every origin and the codec are
// taken to be new to the frame.
func headSize(prev cell.Addr, c *cell.Cell) int {
	const index = 3 // of a table: a frame has no room for more than 2^21 entries
	shared := commonPrefix(string(prev), string(c.Addr))
	n := 1 + 1 + index + uvSize(uint64(shared)) + textSize(len(c.Addr)-shared)
	n += 8 + 8 + index + uvSize(c.Ver.N)
	if c.Codec != "" {
		n += textSize(len(c.Codec))
	}
	flags := recFlags(c)
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
