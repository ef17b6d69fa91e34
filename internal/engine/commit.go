package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
)

// Errors of Commit. The clock's are hlc.ErrSkew.
var (
	// ErrNotReady means that the first-session gate is closed.
	ErrNotReady = errors.New("no complete session with a peer yet")
	// ErrConflict is what a Check returns when its reader lost a race.
	ErrConflict = errors.New("changed since it was read")
	// ErrMixed means that a Tx deletes a key and writes to it. All of a Tx has one
	// time, so the cell would be dead on arrival everywhere but here.
	ErrMixed = errors.New("one commit deletes a key and writes to it")
)

// Tx is one local write: all of its cells or none, in one Step, with one T.
type Tx struct {
	// Check is judged on the current Root before anything is written; its error
	// is Commit's. It says what the writer saw. Nil: no condition.
	Check  func(*Root) error
	Writes []Write
}

// mixed reports whether a key is deleted and written to.
func (tx Tx) mixed() bool {
	for _, floor := range tx.Writes {
		if !floor.Addr.IsFloor() {
			continue
		}
		for _, w := range tx.Writes {
			if !w.Addr.IsFloor() && w.Addr.Key() == floor.Addr.Key() {
				return true
			}
		}
	}
	return false
}

// Write is one cell to be written. A Floor is a Write to cell.FloorOf(key) with
// Tomb.
type Write struct {
	Addr  cell.Addr
	Codec string
	Body  []byte // taken over: not to be changed afterwards
	Tomb  bool
	Exp   int64    // absolute ms, 0: never
	Born  hlc.Time // since when a counter counts, if that is longer than this write
	Ext   []byte

	// Survey, of a Floor, is what NewSurvey found of its key; nil: Commit looks
	// itself.
	Survey *Survey

	// Place is where the write wants to stand in the order of its address, for
	// values that bring an order of their own; zero: at its time. It is raised
	// above what the writer has seen, the stored cell and the Floor, and must not
	// be further ahead than a clock may be.
	Place hlc.Time

	// Observed makes a tombstone one of the cell that stands at the address, and
	// of no other: it has the cell's place in the order and wins it by Tomb, so
	// that whatever was written there without having been seen stands above it.
	// Where nothing stands, nothing is written.
	Observed bool
}

// Commit writes locally. It returns ErrNotReady before the gate opens, an error
// of the clock, or that of the Check; then nothing was written.
func (e *Engine) Commit(now hlc.Reading, tx Tx) (Effects, error) {
	e.begin(now)
	err := e.write(tx)
	e.runDue()
	return e.end(), err
}

func (e *Engine) write(tx Tx) error {
	if !e.ready {
		return ErrNotReady
	}
	if err := e.clock.Writable(e.peers.count()); err != nil {
		return err
	}
	if tx.mixed() {
		return ErrMixed
	}
	for _, w := range tx.Writes {
		if e.clock.TooFar(w.Place) {
			return fmt.Errorf("%w: %q is written with the time %v, which peers would refuse: check what sets it",
				hlc.ErrSkew, w.Addr, time.UnixMilli(w.Place.Milli()).UTC())
		}
	}
	if tx.Check != nil {
		if err := tx.Check(e.root.Load()); err != nil {
			return err
		}
	}
	t := e.clock.Next(e.above(tx))
	for _, w := range tx.Writes {
		e.commitCell(w, t)
	}
	return nil
}

// above is the time that a version of tx must be above.
func (e *Engine) above(tx Tx) (t hlc.Time) {
	for _, w := range tx.Writes {
		if s := e.at(w.Addr); s != nil {
			t = max(t, s.Ver.T, s.OrdT())
		}
		if f := e.floorOf(w.Addr); f != nil {
			t = max(t, f.Ver.T, f.OrdT())
		}
		switch {
		case !w.Addr.IsFloor():
		case w.Survey != nil:
			t = max(t, w.Survey.top, topOf(w.Survey.since(e.tree(), w.Addr.Key())))
		default:
			lo, hi := cell.KeyRange(w.Addr.Key())
			for s := range e.tree().Range(lo, hi) {
				t = max(t, s.Highest())
			}
		}
	}
	return t
}

func (e *Engine) commitCell(w Write, t hlc.Time) {
	cur := e.at(w.Addr)
	if w.Observed && (cur == nil || cur.Tomb) {
		return
	}
	e.counter++
	spec := cell.Spec{
		Addr: w.Addr, Ver: cell.Ver{T: t, O: e.cfg.Origin, N: e.counter},
		Codec: w.Codec, Body: w.Body, Tomb: w.Tomb, Exp: w.Exp, Ext: w.Ext,
		Born: w.Born,
	}
	if w.Place != 0 {
		spec.Ord = e.placed(w, spec.Ver)
	}
	if w.Observed {
		spec.Ver.O, spec.Ver.N = cur.Ver.O, cur.Ver.N
		spec.Ord, spec.Born = cur.OrdT(), cur.BornT()
		spec.By = cell.Dot{O: e.cfg.Origin, N: e.counter}
	}
	if !w.Tomb || e.cfg.Plant != PlantNoPrev {
		spec.Prev, spec.PrevCut = e.replaced(w, cur)
	}
	c := cell.New(spec)
	e.sealer.Seal(c)
	e.enter(c)
	if cur != nil {
		e.outlived(cur.Dot(), t)
	}
	e.put(c.Keep())
	if c.IsFloor() {
		e.sweep(c)
	}
	e.push.learned(c, ownWrite)
}

// placed is the place of a write that asks for one: where it wants to be, if
// that is above the Floor of its key and the cell at its address. Above a Floor
// two writes keep the order in which their logical counters put them.
func (e *Engine) placed(w Write, v cell.Ver) hlc.Time {
	at := w.Place
	if f := e.floorOf(w.Addr); f != nil && at <= f.OrdT() {
		at = f.OrdT().Next() + hlc.Time(at.Logical())
	}
	cur := e.at(w.Addr)
	if cur == nil || at > cur.OrdT() || at == cur.OrdT() && v.Dot().Compare(cur.Ver.Dot()) > 0 {
		return at
	}
	return cur.OrdT().Next()
}

// replaced is the Prev of a write: every dot this node knows to stand below it
// at its address, newest first. A Floor replaces all cells of its key, and a
// cell under a Floor also what the Floor removed, so that its readers know
// that its author had seen it.
func (e *Engine) replaced(w Write, cur *cell.Stored) ([]cell.Run, bool) {
	key := w.Addr.Key()
	cut := e.falling(key)
	var room [2]*cell.Stored
	cells := room[:0]
	if cur != nil {
		cells = append(cells, cur)
	}
	chain := cells
	var known []cell.Run
	switch floor := e.floorOf(w.Addr); {
	case w.Survey != nil:
		cells = w.Survey.since(e.tree(), key)
		known, cut = w.Survey.runs, cut || w.Survey.cut
		chain = cells
	case w.Addr.IsFloor():
		cells = e.underKey(key, cur)
		chain = cells
	case floor != nil:
		chain = append(chain, floor)
	}
	runs, more := runsOver(cells, known, chain)
	return runs, cut || more
}

// underKey lists the cells of a key, its Floor among them, newest first.
func (e *Engine) underKey(key string, floor *cell.Stored) []*cell.Stored {
	var chain []*cell.Stored
	if floor != nil {
		chain = append(chain, floor)
	}
	lo, hi := cell.KeyRange(key)
	for s := range e.tree().Range(lo, hi) {
		if s != floor {
			chain = append(chain, s)
		}
	}
	return newestFirst(chain)
}
