package engine

import "github.com/starlingkv/starling/internal/hlc"

// Offset is how far the clocks of the peers are from this node's.
func (e *Engine) Offset() hlc.Offset { return e.clock.Offset() }
