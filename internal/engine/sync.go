package engine

import (
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// Session is one reconciliation over a stream.
type Session struct{}

type syncer struct{ e *Engine }

func newSyncer(e *Engine) *syncer                            { return &syncer{e} }
func (s *syncer) hello(from cell.Origin, m *wire.Hello)      {}
func (s *syncer) inSync(from cell.Origin, m *wire.InSync)    {}
func (s *syncer) busy(from cell.Origin, m *wire.Busy)        {}
func (s *syncer) peersChanged()                              {}
func (s *syncer) dirty(o cell.Origin, why string)            {}
func (s *syncer) tick()                                      {}
func (s *syncer) due() time.Duration                         { return never }
