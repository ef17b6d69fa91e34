package lab

import (
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/kvtest"
)

// Writes is the line as the conformance suite takes it: mark is in every request that writes, and in no other; beside
// opens a client of the same store on another line.
func (p *Proxy) Writes(mark string, beside func(codec kv.Codec) kv.Client) *kvtest.Line {
	return &kvtest.Line{
		Lose:   func() <-chan struct{} { return p.MuteAt(mark) },
		Drop:   func() <-chan struct{} { return p.DeafenAt(mark) },
		Heal:   p.Heal,
		Beside: beside,
	}
}
