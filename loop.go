package starling

import (
	"errors"
	"time"

	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/wire"
)

// shortestNap keeps the loop from spinning on a timer that is due.
const shortestNap = 200 * time.Microsecond

// run is the one loop that feeds the engine with packets, views and time.
func (n *Node) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.inbox.ready:
			n.drain()
		case <-n.viewChanged:
			n.refreshView()
		case o := <-n.strangers:
			n.refreshView()
			if _, known := n.dir.Load().byOrigin[o]; !known {
				n.group.Ask(o)
			}
		case <-n.kick:
		case <-timer.C:
			n.step(engine.Tick{})
		}
		timer.Reset(n.nap())
	}
}

// nap is how long the loop may sleep.
func (n *Node) nap() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sleeping = n.wake
	return max(n.sleeping-time.Since(n.began), shortestNap)
}

// step feeds one input to the engine and does what it asks.
func (n *Node) step(in engine.Input) engine.Effects {
	n.mu.Lock()
	fx := n.engine.Step(n.reading(), in)
	late := n.after(fx)
	n.mu.Unlock()
	n.perform(fx, late)
	return fx
}

// commit writes locally. The Tx is made under the lock, for the time it takes.
func (n *Node) commit(make func(physicalMS int64) engine.Tx) (engine.Effects, error) {
	n.mu.Lock()
	now := n.reading()
	fx, err := n.engine.Commit(now, make(max(n.engine.Physical(), now.Wall)))
	late := n.after(fx)
	n.mu.Unlock()
	n.perform(fx, late)
	return fx, err
}

// lateness says whether the loop sleeps longer than the engine wants.
type lateness bool

// after notes, under the lock, what a Step has changed for the loop.
func (n *Node) after(fx engine.Effects) lateness {
	n.wake = fx.Wake
	if n.leaving && n.engine.Unsent() == 0 {
		n.life.flushed()
	}
	return lateness(n.wake < n.sleeping)
}

// perform does what a Step asks, without the lock.
func (n *Node) perform(fx engine.Effects, late lateness) {
	n.hub.touched(fx.Changed)
	for _, ev := range fx.Events {
		n.happened(ev)
	}
	for _, p := range fx.Send {
		n.send(p)
	}
	for _, d := range fx.Dial {
		n.dial(d)
	}
	if late {
		poke(n.kick)
	}
}

// usualFrame is what most frames have room in.
const usualFrame = 256

// send sends one packet; what cannot be sent is lost like any packet.
func (n *Node) send(p engine.Packet) {
	to, known := n.dir.Load().byOrigin[p.To]
	if !known {
		n.counts.unsendable.Add(1)
		return
	}
	frame, err := n.codec.Append(make([]byte, 0, usualFrame), p.Frame)
	if err == nil {
		n.counts.packetsOut.Add(1)
		n.counts.bytesOut.Add(uint64(len(frame)))
		err = n.group.Send(to, frame)
	}
	if err != nil {
		n.counts.unsendable.Add(1)
		n.log.Debug("packet not sent", "to", to.Name, "err", err)
	}
}

// drain feeds all packets that wait.
func (n *Node) drain() {
	frames, lossy := n.inbox.take()
	var b batch
	for _, raw := range frames {
		n.counts.packetsIn.Add(1)
		n.counts.bytesIn.Add(uint64(len(raw)))
		f, err := n.codec.Parse(raw)
		if err == nil && f.Stream {
			err = errFrame
		}
		switch {
		case err == nil:
			n.early.keep(f, n.dir.Load())
			if !b.add(f) {
				n.stepBatch(&b)
				b.add(f)
			}
		case errors.Is(err, wire.ErrCRC):
			// Who sent it is all that is left of it, if that is not garbled too.
			n.step(engine.Damaged{From: senderOf(raw), Why: "garbled packet"})
			fallthrough
		default:
			n.counts.malformed.add(reasonOf(err))
			n.log.Debug("malformed packet", "bytes", len(raw), "err", err)
		}
		if n.ctx.Err() != nil {
			return
		}
	}
	n.stepBatch(&b)
	for _, o := range lossy {
		n.step(engine.Damaged{From: o, Why: "inbox full"})
	}
}

// stepBatch feeds a batch, and empties it.
func (n *Node) stepBatch(b *batch) {
	if len(b.frames) > 0 {
		n.step(engine.Packets{Frames: b.frames})
		*b = batch{}
	}
}

// maxBatch bounds the frames of one Step.
const maxBatch = 64

// batch is packets that one Step takes together.
type batch struct {
	frames []wire.Frame
	cells  int
}

// add takes a frame, if there is room for its cells; the first has room.
func (b *batch) add(f wire.Frame) bool {
	cells := 0
	if d, ok := f.Msg.(*wire.Delta); ok {
		cells = d.Len()
	}
	if len(b.frames) > 0 && (len(b.frames) == maxBatch || b.cells+cells > engine.MaxStepCells) {
		return false
	}
	b.frames, b.cells = append(b.frames, f), b.cells+cells
	return true
}
