// Package sim runs many engines on one virtual network and one virtual clock,
// from one seed, in one goroutine: the same seed gives the same trace, byte for
// byte. The engines are the product's own, their frames go through the
// product's own encoding; only sockets, clocks and member views are played.
//
// A World is the stage: nodes, links, time. Run plays a random drama on it:
// clients that write, networks that fail, processes that die, clocks that step.
// Oracles watch every step and the end. A campaign plays many seeds and counts
// how often each fault, frame, session end and delete rule occurred, since a
// suite that never reached a rule says nothing about it. Planted bugs (see
// engine.Plant) prove that the oracles bite.
package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math/rand/v2"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/wire"
)

// epoch is the wall clock at virtual time zero, in unix ms.
const epoch = 1_800_000_000_000

// World is a stage of nodes, links and time. It is not safe for concurrent use.
type World struct {
	// Config is the template of every engine; name, origin, randomness and
	// snapshot are set per node.
	Config engine.Config
	// Observe is told of every step of a node, after it; nil is allowed.
	Observe Observer

	Counts *Counts
	Links  Links

	rnd      *rand.Rand
	now      time.Duration
	queue    queue
	seq      uint64
	nodes    []*Node
	byOrigin map[cell.Origin]*Node
	codec    *wire.Codec
	trace    hash.Hash
	streams  []*stream
	bag      []parcel     // packets kept for replay at any age
	view     *engine.View // what every node sees for ever, if it is not nil
}

// Observer watches a World. Its methods are called synchronously.
type Observer interface {
	Stepped(n *Node, before *engine.Root, fx *engine.Effects)
	Delivered(n *Node, f wire.Frame, before *engine.Root)
	Sent(n *Node, to *Node, f wire.Frame, size int)
	Restarted(n *Node)
}

// NewWorld returns an empty stage whose every choice comes from seed.
func NewWorld(cfg engine.Config, seed uint64) *World {
	return &World{
		Config:   cfg,
		Counts:   NewCounts(),
		rnd:      rand.New(rand.NewPCG(seed, 0x5ca1ab1e)),
		byOrigin: make(map[cell.Origin]*Node),
		codec:    wire.New(cell.NewHasher(cfg.Cluster)),
		trace:    sha256.New(),
		Links:    newLinks(),
	}
}

// Now is the virtual time since the World began.
func (w *World) Now() time.Duration { return w.now }

// Rand is the World's randomness.
func (w *World) Rand() *rand.Rand { return w.rnd }

// Nodes lists all nodes, up or not.
func (w *World) Nodes() []*Node { return w.nodes }

// Node returns the node of a name, or nil.
func (w *World) Node(name string) *Node {
	for _, n := range w.nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Trace is the hash of everything that happened so far.
func (w *World) Trace() [32]byte { return [32]byte(w.trace.Sum(nil)) }

// note puts one happening into the trace, if there is one.
func (w *World) note(kind byte, node int, data []byte) {
	if w.trace == nil {
		return
	}
	var b [24]byte
	b[0] = kind
	binary.BigEndian.PutUint64(b[1:], uint64(w.now))
	binary.BigEndian.PutUint32(b[9:], uint32(node))
	binary.BigEndian.PutUint32(b[13:], uint32(len(data)))
	w.trace.Write(b[:])
	w.trace.Write(data)
}

// After plans f in d of virtual time.
func (w *World) After(d time.Duration, f func()) {
	w.seq++
	w.queue.push(event{at: w.now + max(d, 0), seq: w.seq, run: f})
}

// RunUntil plays everything that is planned up to the given time.
func (w *World) RunUntil(t time.Duration) {
	for len(w.queue) > 0 && w.queue[0].at <= t {
		ev := w.queue.pop()
		w.now = ev.at
		ev.run()
	}
	w.now = max(w.now, t)
}

// Advance plays d of virtual time.
func (w *World) Advance(d time.Duration) { w.RunUntil(w.now + d) }

// AddNode adds a node that is down; see Node.Start.
func (w *World) AddNode(name string) *Node {
	n := &Node{w: w, Index: len(w.nodes), Name: name}
	w.nodes = append(w.nodes, n)
	return n
}

// reading is what the clocks of a node show now.
func (n *Node) reading() hlc.Reading {
	wall := float64(n.w.now.Milliseconds()) * (1 + n.Drift)
	return hlc.Reading{Wall: epoch + int64(wall) + n.Skew.Milliseconds(), Mono: n.w.now}
}

// event is something planned.
type event struct {
	at  time.Duration
	seq uint64
	run func()
}

// queue is a heap by time, then by the order of planning.
type queue []event

func (q queue) less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}

func (q *queue) push(e event) {
	*q = append(*q, e)
	h := *q
	for i := len(h) - 1; i > 0; {
		p := (i - 1) / 2
		if !h.less(i, p) {
			return
		}
		h[i], h[p] = h[p], h[i]
		i = p
	}
}

func (q *queue) pop() event {
	h := *q
	top := h[0]
	last := len(h) - 1
	h[0] = h[last]
	h[last] = event{}
	h = h[:last]
	*q = h
	for i := 0; ; {
		c := 2*i + 1
		if c >= last {
			return top
		}
		if c+1 < last && h.less(c+1, c) {
			c++
		}
		if !h.less(c, i) {
			return top
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}
