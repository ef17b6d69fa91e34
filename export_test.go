package starling

import "github.com/starlingkv/starling/internal/engine"

// EndStarting opens the gate as if no seed had answered.
func (n *Node) EndStarting() { n.step(engine.OpenGate{Why: engine.ReadyUnanswered}) }
