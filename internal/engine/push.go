package engine

import (
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// learnedHow says how a cell came to be stored here.
type learnedHow uint8

const (
	ownWrite  learnedHow = iota // committed here: push it over the whole ring
	bySession                   // a session brought it: digests only, if it is fresh
)

type pusher struct{ e *Engine }

func newPusher(e *Engine) *pusher                                  { return &pusher{e} }
func (p *pusher) learned(c *cell.Cell, how learnedHow)             {}
func (p *pusher) delta(from cell.Origin, m *wire.Delta)            {}
func (p *pusher) have(from cell.Origin, m *wire.Have)              {}
func (p *pusher) want(from cell.Origin, m *wire.Want)              {}
func (p *pusher) advert(from cell.Origin, m *wire.Advert)          {}
func (p *pusher) body(from cell.Origin, m *wire.Body)              {}
func (p *pusher) arrived(from cell.Origin, seq uint64)             {}
func (p *pusher) nextSeq(to cell.Origin) uint64                    { return 0 }
func (p *pusher) renamed()                                         {}
func (p *pusher) leave()                                           {}
func (p *pusher) tick()                                            {}
func (p *pusher) flush()                                           {}
func (p *pusher) due() time.Duration                               { return never }
