package engine

import "github.com/starlingkv/starling/internal/cell"

// Damaged tells that something a peer sent was lost on the way in: a packet was
// garbled, or dropped because too many waited. A session will show what it was.
type Damaged struct {
	From cell.Origin
	Why  string
}

func (Damaged) input() {}

func (d Damaged) run(e *Engine) {
	if e.peers.known(d.From) {
		e.sync.dirty(d.From, d.Why)
	}
}

// Physical is the unix milliseconds that the engine goes by: the wall clock, or
// where it stood before it was set back. Times to live are counted from it.
func (e *Engine) Physical() int64 { return e.clock.Physical() }

// OpenGate opens the first-session gate without a session, for one of the
// reasons Ready...: the shell knows of seeds, the engine does not.
type OpenGate struct{ Why string }

func (OpenGate) input() {}

func (in OpenGate) run(e *Engine) { e.open(in.Why) }
