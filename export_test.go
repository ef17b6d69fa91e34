package starling

import (
	"encoding/binary"

	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/member"
)

// EndStarting opens the gate as if no seed had answered.
func (n *Node) EndStarting() { n.step(engine.OpenGate{Why: engine.ReadyUnanswered}) }

// OpenIn opens a node in a network inside this process.
func OpenIn(network *member.Memory, opts Options) (*Node, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	seed := newSeed()
	n := newNode(opts.withDefaults(binary.BigEndian.Uint32(seed[:])), seed)
	if err := n.open(network); err != nil {
		n.cancel()
		return nil, err
	}
	return n, nil
}

// RewriteDocs is set when the tables in docs are to be written anew.
var RewriteDocs = rewriteDocs
