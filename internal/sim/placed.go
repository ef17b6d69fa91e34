package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/hlc"
)

// placed is clients of values that bring their own order, in every eighth seed:
// heartbeats of whole seconds, and removals, as package crdt writes those of a
// hash ring. What is higher is not what is later there, and the general oracles
// go by what is higher. Their randomness is their own, as that of kinds is.
type placed struct {
	*drama
	rnd *rand.Rand
}

const (
	placedOps = 90
	placedKey = "ring"
	instances = 3
)

// planPlaced draws when those clients act.
func (d *drama) planPlaced(seed uint64) {
	if seed%8 != 5 {
		return
	}
	p := &placed{drama: d, rnd: rand.New(rand.NewPCG(seed, 0xbea7))}
	for range placedOps {
		at := 500*time.Millisecond + time.Duration(p.rnd.Int64N(int64(chaosUntil-time.Second)))
		d.After(at, p.act)
	}
}

// act lets one client do one thing.
func (p *placed) act() {
	m := p.nodes[p.rnd.IntN(len(p.nodes))]
	if !m.running() {
		p.Counts.Op("no node runs")
		return
	}
	// A clock may be behind; one that is ahead of its node's own is refused.
	second := m.reading().Wall/1000 - p.rnd.Int64N(3)
	w := engine.Write{Addr: cell.At(placedKey, fmt.Sprintf("ggi-%d\x00\x00", p.rnd.IntN(instances))), Place: hlc.Make(1000*second, 0)}
	switch n := p.rnd.IntN(100); {
	case n < 70:
		w.Codec, w.Body = "ring", fmt.Appendf(nil, "beat %d", p.rnd.Uint64())
		p.load.commit(m, "beat", engine.Tx{Writes: []engine.Write{w}})
	case n < 92:
		w.Tomb, w.Place = true, w.Place|1<<8
		p.load.commit(m, "leave", engine.Tx{Writes: []engine.Write{w}})
	default:
		p.load.remove(m, placedKey)
	}
}
