package cell

import (
	"sync/atomic"

	"github.com/starlingkv/starling/internal/hlc"
)

// Spec is what a cell is made of.
type Spec struct {
	Addr  Addr
	Ver   Ver
	Codec string // id of the codec of Body
	Tomb  bool   // the cell says that there is no value
	Body  []byte

	Ord  hlc.Time // place in the order if not Ver.T
	By   Dot      // the dot if it is not that of Ver: a remove that carries the Ver of what it removes
	Born hlc.Time // since when a counter counts, if not since Ord
	Exp  int64    // unix milliseconds at which the cell expires, 0: never

	Prev    []Run  // the dots this write replaced, newest first
	PrevCut bool   // Prev is not complete
	Ext     []byte // optional data as it came, its flag byte first
}

// Cell is one immutable cell. Nothing it refers to may be written to. What only
// some have is read through methods; it stands apart to keep the others small.
// What a join looks at stands in front, so that it waits for little memory.
type Cell struct {
	Addr    Addr
	Ver     Ver
	hash    [16]byte
	Class   byte // that of Addr
	Tomb    bool
	prevCut bool
	kept    atomic.Bool // room is taken

	prev *[]Run  // nil: it names none
	rare *rare   // nil: it has none of it
	room *Stored // for the first that keeps it
	memo atomic.Pointer[any]

	Codec string
	Body  []byte
}

// rare is what few cells have.
type rare struct {
	ord, born hlc.Time
	by        Dot
	exp       int64
	bytes     []byte
}

// A cell lies in one piece of memory with the Stored that will hold it, and with
// what else it has: who looks at one looks at the others, and they go together.
type (
	plainCell struct {
		stored Stored
		Cell
	}
	// overCell has a Prev. Nearly all that replace something name one run.
	overCell struct {
		plainCell
		prev []Run
		run  [1]Run
	}
	rareCell struct {
		overCell
		rare rare
	}
)

// New makes a cell, which has yet to be sealed. It keeps s.Body and s.Ext as
// they are, and s.Prev if that is more than one run. What only repeats the
// meaning of its absence is left out (an Ord that is Ver.T, a By that is the dot
// of Ver, a Born that is the place in the order), so that one cell has one form.
func New(s Spec) *Cell {
	if s.Ord == s.Ver.T {
		s.Ord = 0
	}
	if s.By == s.Ver.Dot() {
		s.By = Dot{}
	}
	if s.Born == s.Ord || s.Ord == 0 && s.Born == s.Ver.T {
		s.Born = 0
	}
	if s.Ord != 0 || s.Born != 0 || !s.By.IsZero() || s.Exp != 0 || len(s.Ext) > 0 {
		c := &rareCell{rare: rare{ord: s.Ord, born: s.Born, by: s.By, exp: s.Exp, bytes: s.Ext}}
		c.set(&s)
		c.Cell.rare = &c.rare
		return &c.Cell
	}
	if len(s.Prev) > 0 {
		c := &overCell{}
		c.set(&s)
		return &c.Cell
	}
	c := &plainCell{}
	c.set(&s)
	return &c.Cell
}

// set takes the parts that every cell has.
func (c *plainCell) set(s *Spec) {
	c.Addr, c.Ver, c.Codec, c.Body = s.Addr, s.Ver, s.Codec, s.Body
	c.Class, c.Tomb, c.prevCut = s.Addr.Class(), s.Tomb, s.PrevCut
	c.room = &c.stored
}

func (c *overCell) set(s *Spec) {
	c.plainCell.set(s)
	switch len(s.Prev) {
	case 0:
		return
	case 1:
		c.run[0] = s.Prev[0]
		c.prev = c.run[:]
	default:
		c.prev = s.Prev
	}
	c.Cell.prev = &c.prev
}

// Spec is what c is made of, in canonical form.
func (c *Cell) Spec() Spec {
	s := Spec{
		Addr: c.Addr, Ver: c.Ver, Codec: c.Codec, Tomb: c.Tomb, Body: c.Body,
		Prev: c.PrevRuns(), PrevCut: c.prevCut,
	}
	if r := c.rare; r != nil {
		s.Ord, s.By, s.Born, s.Exp, s.Ext = r.ord, r.by, r.born, r.exp, r.bytes
	}
	return s
}

// Dot names the write that made c.
func (c *Cell) Dot() Dot {
	if by := c.ByDot(); !by.IsZero() {
		return by
	}
	return c.Ver.Dot()
}

// OrdT is the place of c in the order of its address.
func (c *Cell) OrdT() hlc.Time {
	if c.rare == nil || c.rare.ord == 0 {
		return c.Ver.T
	}
	return c.rare.ord
}

// ByDot is the dot of c if it is not that of Ver, else zero.
func (c *Cell) ByDot() Dot {
	if c.rare == nil {
		return Dot{}
	}
	return c.rare.by
}

// BornT is since when c counts if not since OrdT, else zero.
func (c *Cell) BornT() hlc.Time {
	if c.rare == nil {
		return 0
	}
	return c.rare.born
}

// Highest is the highest time that c carries: what replaces c must be above it.
func (c *Cell) Highest() hlc.Time { return max(c.Ver.T, c.OrdT(), c.BornT()) }

// ExpMS is the unix milliseconds at which c expires, 0 if never.
func (c *Cell) ExpMS() int64 {
	if c.rare == nil {
		return 0
	}
	return c.rare.exp
}

// PrevRuns is the dots that c replaced, newest first. It is shared: do not
// write into it.
func (c *Cell) PrevRuns() []Run {
	if c.prev == nil {
		return nil
	}
	return *c.prev
}

// PrevWasCut reports that c replaced more than PrevRuns names.
func (c *Cell) PrevWasCut() bool { return c.prevCut }

// ExtBytes is the optional data of c as it came, its flag byte first.
func (c *Cell) ExtBytes() []byte {
	if c.rare == nil {
		return nil
	}
	return c.rare.bytes
}

// IsFloor reports that c says that its key was deleted.
func (c *Cell) IsFloor() bool { return c.Class == 0 && c.Addr.IsFloor() }

// Live reports that c is a value at the given time.
func (c *Cell) Live(nowMS int64) bool { return c.valued() && !c.Expired(nowMS) }

// Expired reports that c is past its expiry. It is still the same cell.
func (c *Cell) Expired(nowMS int64) bool {
	exp := c.ExpMS()
	return exp != 0 && exp <= nowMS
}

// valued reports that c is neither a tombstone nor a Floor.
func (c *Cell) valued() bool { return !c.Tomb && !c.IsFloor() }

// DeadUnder reports that the Floor of its key, which may be nil, removes c. A
// Floor is not dead under another: of the two the join takes the higher.
func (c *Cell) DeadUnder(floor *Cell) bool {
	if floor == nil || c.IsFloor() {
		return false
	}
	return c.since() <= floor.OrdT()
}

// since is what a Floor must reach to remove c.
func (c *Cell) since() hlc.Time {
	if born := c.BornT(); born != 0 {
		return born
	}
	return c.OrdT()
}

// Hash is the hash of c, zero before it is sealed.
func (c *Cell) Hash() [16]byte { return c.hash }

// Memo is what SetMemo has left, nil if nothing. Both may be called at any time
// by anybody.
func (c *Cell) Memo() any {
	if v := c.memo.Load(); v != nil {
		return *v
	}
	return nil
}

// SetMemo leaves the decoded value at the cell. The last one stays.
func (c *Cell) SetMemo(v any) { c.memo.Store(&v) }
