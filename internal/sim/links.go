package sim

import (
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
)

// Links is the condition of the network.
type Links struct {
	Latency   time.Duration // of every packet and frame
	Jitter    time.Duration // added, uniformly
	Loss      float64       // of packets
	Duplicate float64       // of packets: comes twice
	Hold      float64       // of packets: comes much later, so out of order
	HoldFor   time.Duration
	Corrupt   float64 // of packets: one byte is flipped on the way
	Keep      float64 // of packets: a copy is kept for replay at any age
	CutStream float64 // of stream frames: the stream breaks there
	ViewEvery time.Duration

	cut [][]bool // cut[from][to]; what it has no room for is open
}

func newLinks() Links {
	return Links{Latency: time.Millisecond, Jitter: time.Millisecond, ViewEvery: 500 * time.Millisecond}
}

// Cut closes the way from one node to another; the way back stays as it is.
func (l *Links) Cut(from, to int) {
	for len(l.cut) <= from {
		l.cut = append(l.cut, nil)
	}
	if n := to + 1 - len(l.cut[from]); n > 0 {
		l.cut[from] = append(l.cut[from], make([]bool, n)...)
	}
	l.cut[from][to] = true
}

// Heal opens every way.
func (l *Links) Heal() {
	for _, row := range l.cut {
		clear(row)
	}
}

func (l *Links) open(from, to int) bool {
	return from >= len(l.cut) || to >= len(l.cut[from]) || !l.cut[from][to]
}

// parcel is one packet on its way. It reaches whatever process runs at its
// address when it comes.
type parcel struct {
	from, to *Node
	bytes    []byte
}

// sendPacket puts a packet on the network.
func (w *World) sendPacket(n *Node, p engine.Packet) {
	b, err := w.codec.Append(nil, p.Frame)
	if err != nil {
		panic("sim: the engine sent a frame that does not encode: " + err.Error())
	}
	w.Counts.Frame(p.Frame.Msg.Type())
	to := w.byOrigin[p.To]
	w.note('p', n.Index, b)
	if w.Observe != nil {
		w.Observe.Sent(n, to, p.Frame, len(b))
	}
	if to == nil || !w.Links.open(n.Index, to.Index) || w.rnd.Float64() < w.Links.Loss {
		w.Counts.Fault("packet lost")
		return
	}
	pc := parcel{from: n, to: to, bytes: b}
	if w.rnd.Float64() < w.Links.Keep {
		w.bag = append(w.bag, pc)
	}
	w.carry(pc)
	if w.rnd.Float64() < w.Links.Duplicate {
		w.Counts.Fault("packet duplicated")
		w.carry(pc)
	}
}

// carry delivers a parcel after the time it takes.
func (w *World) carry(p parcel) {
	d := w.Links.Latency + w.jitter()
	if w.rnd.Float64() < w.Links.Hold {
		w.Counts.Fault("packet held back")
		d += time.Duration(w.rnd.Int64N(int64(w.Links.HoldFor) + 1))
	}
	if w.rnd.Float64() < w.Links.Corrupt {
		w.Counts.Fault("packet corrupted")
		p.bytes = append([]byte(nil), p.bytes...)
		p.bytes[w.rnd.IntN(len(p.bytes))] ^= byte(1 << w.rnd.IntN(8))
	}
	w.After(d, func() { w.arrive(p) })
}

func (w *World) jitter() time.Duration { return time.Duration(w.rnd.Int64N(int64(w.Links.Jitter) + 1)) }

// arrive hands a parcel to whatever process runs at its address now.
func (w *World) arrive(p parcel) {
	if !p.to.up || !w.Links.open(p.from.Index, p.to.Index) {
		w.Counts.Fault("packet lost")
		return
	}
	p.to.later(func() {
		f, err := w.codec.Parse(p.bytes)
		if err != nil {
			w.Counts.Fault("frame refused")
			return
		}
		before := p.to.eng.Root()
		p.to.Step(engine.Received{Frame: f})
		if w.Observe != nil {
			w.Observe.Delivered(p.to, f, before)
		}
	})
}

// Replay delivers up to n kept packets again, whatever their age.
func (w *World) Replay(n int) {
	for ; n > 0 && len(w.bag) > 0; n-- {
		w.Counts.Fault("packet replayed")
		w.carry(w.bag[w.rnd.IntN(len(w.bag))])
	}
}

// originOf is the present origin of a node.
func originOf(n *Node) cell.Origin { return n.eng.Origin() }
