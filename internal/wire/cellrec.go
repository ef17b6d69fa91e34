package wire

import (
	"cmp"
	"encoding/binary"
	"math"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
)

// The flags of a CellRec say which optional fields follow, in the order Ord,
// By, Born, Exp, Prev, ext. A present field is never 0 and never repeats what
// its absence means: Ord differs from T, By from the dot of the version, Born
// from Ord or else T. Exp is not negative and Prev has 1 to MaxPrev runs. Tomb
// and PrevCut have no field.
const (
	recTomb    = 1 << 0
	recPrev    = 1 << 1
	recExp     = 1 << 2
	recOrd     = 1 << 3
	recBy      = 1 << 4
	recBorn    = 1 << 5
	recPrevCut = 1 << 6
	recExt     = 1 << 7
)

// minRec is the shortest CellRec without its body: flags, class, codec, shared,
// suffix length, T, O#, N.
const minRec = 1 + 1 + 1 + 1 + 1 + 8 + 1 + 1

// recFlags returns the flags of a cell's CellRec.
func recFlags(c *cell.Cell) (flags byte) {
	set := func(flag byte, on bool) {
		if on {
			flags |= flag
		}
	}
	set(recTomb, c.Tomb)
	set(recPrev, len(c.PrevRuns()) > 0)
	set(recExp, c.ExpMS() != 0)
	set(recOrd, c.OrdT() != c.Ver.T)
	set(recBy, !c.ByDot().IsZero())
	set(recBorn, c.BornT() != 0)
	set(recPrevCut, c.PrevWasCut())
	set(recExt, len(c.ExtBytes()) > 0)
	return flags
}

// head writes a CellRec up to its body:
//
//	flags 1 | class 1 | codec# uv | shared uv, suffix string | T 8 | O# uv | N uv
//	| [Ord 8] [By: O# uv, N uv] [Born 8] [Exp 8]
//	| [Prev: n uv, n x (O# uv, from uv, len uv)] [ext string]
func (w *writer) head(c *cell.Cell) {
	flags := recFlags(c)
	w.byte(flags)
	w.byte(c.Class)
	w.codec(c.Codec)
	w.fold(string(c.Addr))
	w.ver(c.Ver)
	if flags&recOrd != 0 {
		w.u64(uint64(c.OrdT()))
	}
	if flags&recBy != 0 {
		w.dot(c.ByDot())
	}
	if flags&recBorn != 0 {
		w.u64(uint64(c.BornT()))
	}
	if flags&recExp != 0 {
		w.u64(uint64(c.ExpMS()))
	}
	if flags&recPrev != 0 {
		w.count(len(c.PrevRuns()))
		w.runs(c.PrevRuns())
	}
	if flags&recExt != 0 {
		w.bytes(c.ExtBytes())
	}
}

// cell writes a whole CellRec: its head, then the body as a string.
func (w *writer) cell(c *cell.Cell) {
	w.head(c)
	w.bytes(c.Body)
}

// head reads a CellRec up to its body.
func (r *reader) head() cell.Spec {
	var s cell.Spec
	flags := r.byte()
	s.Tomb = flags&recTomb != 0
	s.PrevCut = flags&recPrevCut != 0
	class := r.byte()
	s.Codec = r.codec()
	s.Addr = cell.Addr(r.unfold())
	s.Ver = r.ver()
	if r.err == nil {
		if err := checkCell(s.Addr, class, s.Tomb); err != nil {
			r.fail(err)
		}
	}
	if flags&^(recTomb|recPrevCut) != 0 {
		r.optional(&s, flags)
	}
	return s
}

// checkCell says what is wrong with where a cell stands.
func checkCell(addr cell.Addr, class byte, tomb bool) error {
	if err := checkAddr(string(addr)); err != nil {
		return err
	}
	if addr.Class() != class || class == 0 && !tomb {
		return ErrClass
	}
	return nil
}

// optional reads the fields that the flags name.
func (r *reader) optional(s *cell.Spec, flags byte) {
	if flags&recOrd != 0 {
		s.Ord = hlc.Time(r.u64())
		r.present(s.Ord != 0 && s.Ord != s.Ver.T)
	}
	if flags&recBy != 0 {
		s.By = r.dot()
		r.present(s.By != s.Ver.Dot())
	}
	if flags&recBorn != 0 {
		s.Born = hlc.Time(r.u64())
		r.present(s.Born != 0 && s.Born != cmp.Or(s.Ord, s.Ver.T))
	}
	if flags&recExp != 0 {
		exp := r.u64()
		r.present(exp != 0 && exp <= math.MaxInt64)
		s.Exp = int64(exp)
	}
	if flags&recPrev != 0 {
		s.Prev = r.prevRuns()
	}
	if flags&recExt != 0 {
		ext := r.text(MaxExt, ErrExt)
		if r.err == nil && !isExt(ext) {
			r.fail(ErrExt)
		}
		s.Ext = keep(ext)
	}
}

// prevRuns reads a Prev. That of nearly all cells is one run, and good until the
// next one is read.
func (r *reader) prevRuns() []cell.Run {
	n := r.count(3)
	switch {
	case n == 0 || n > MaxPrev:
		r.fail(ErrRuns)
		return nil
	case n > 1:
		return r.runs(n)
	}
	return r.runsInto(r.tools.one[:])
}

// present fails unless an optional field holds what only it could say.
func (r *reader) present(says bool) {
	if !says {
		r.fail(ErrField)
	}
}

// isExt reports whether b is an extension: a flag byte, then any number of
// (tag 1, length uv, bytes). What the flags and tags mean is not asked.
func isExt(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	for b = b[1:]; len(b) > 0; {
		n, size := binary.Uvarint(b[1:])
		if size <= 0 || n > uint64(len(b)-1-size) {
			return false
		}
		b = b[1+size+int(n):]
	}
	return true
}

// cell reads a whole CellRec and seals the cell.
func (r *reader) cell() *cell.Cell {
	s := r.head()
	body := r.text(MaxValue, ErrValue)
	if r.err != nil {
		return nil
	}
	s.Body = keep(body)
	c := cell.New(s)
	r.tools.Seal(c)
	return c
}

// bare reads a CellRec without its body. Its hash would be that of another
// cell, so it is not sealed.
func (r *reader) bare() *cell.Cell {
	s := r.head()
	if r.err != nil {
		return nil
	}
	return cell.New(s)
}
