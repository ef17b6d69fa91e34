package sim

import (
	"math/rand/v2"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
)

// Node is one member: an engine, its clock, its disk, and what it believes of
// the others.
type Node struct {
	Index int
	Name  string
	Skew  time.Duration // of its wall clock
	Drift float64       // of its wall clock, per unit of time

	w      *World
	eng    *engine.Engine
	life   int // rises with every start; what belongs to an earlier one is dropped
	up     bool
	paused time.Duration // until when it stands still; 0 if it runs
	wake   time.Duration // when the next planned tick is
	view   []engine.Peer
	wrong  map[int]bool // members it is wrong about, for a while
	disk   *engine.Snapshot
}

// Up reports whether the node's process runs (it may be paused).
func (n *Node) Up() bool { return n.up }

// Life numbers the node's processes.
func (n *Node) Life() int { return n.life }

// Engine is the running process, or the last one.
func (n *Node) Engine() *engine.Engine { return n.eng }

// Root is the node's present state.
func (n *Node) Root() *engine.Root { return n.eng.Root() }

// Disk is what the node would find at a restart with memory.
func (n *Node) Disk() *engine.Snapshot { return n.disk }

// Start starts a process: with a snapshot, or empty if it is nil. Its origin is
// fresh, unless reuse names one.
func (n *Node) Start(s *engine.Snapshot, reuse cell.Origin) {
	w := n.w
	cfg := w.Config
	cfg.Name, cfg.Restore = n.Name, s
	cfg.Origin = reuse
	for cfg.Origin == 0 {
		cfg.Origin = cell.Origin(w.rnd.Uint64())
	}
	cfg.Rand = rand.New(rand.NewPCG(w.rnd.Uint64(), w.rnd.Uint64()))
	n.eng = engine.New(cfg)
	n.life++
	n.up, n.paused, n.wake, n.view, n.wrong = true, 0, 0, nil, nil
	w.byOrigin[cfg.Origin] = n
	w.note('s', n.Index, nil)
	if w.Observe != nil {
		w.Observe.Restarted(n)
	}
	n.Step(engine.Tick{})
	n.lookAround()
}

// Stop kills the process: nothing is flushed.
func (n *Node) Stop() {
	n.up = false
	n.w.note('k', n.Index, nil)
	n.w.abortStreamsOf(n)
}

// Save writes the disk.
func (n *Node) Save() { n.disk = n.eng.Snapshot() }

// SaveSnapshot replaces the disk by s.
func (n *Node) SaveSnapshot(s *engine.Snapshot) { n.disk = s }

// Pause stands the process still for d, as SIGSTOP or a stopped machine does.
func (n *Node) Pause(d time.Duration) { n.paused = n.w.now + d }

// setDrift changes how fast the wall clock runs from now on, without a step.
func (n *Node) setDrift(d float64) {
	was := n.reading().Wall
	n.Drift = d
	n.Skew += time.Duration(was-n.reading().Wall) * time.Millisecond
}

// running reports whether the node can do something now.
func (n *Node) running() bool { return n.up && n.paused <= n.w.now }

// later runs f when the node can: now, or when its pause is over. It is dropped
// if the process dies before.
func (n *Node) later(f func()) {
	if n.running() {
		f()
		return
	}
	life := n.life
	n.w.After(n.paused-n.w.now, func() {
		if n.up && n.life == life {
			n.later(f)
		}
	})
}

// Step feeds one input to the node's engine and performs what it asks for.
func (n *Node) Step(in engine.Input) engine.Effects {
	before := n.eng.Root()
	fx := n.eng.Step(n.reading(), in)
	n.perform(before, &fx)
	return fx
}

// Commit writes on the node, as a client of it would.
func (n *Node) Commit(tx engine.Tx) (engine.Effects, error) {
	before := n.eng.Root()
	fx, err := n.eng.Commit(n.reading(), tx)
	n.perform(before, &fx)
	return fx, err
}

// perform does what a Step asked for.
func (n *Node) perform(before *engine.Root, fx *engine.Effects) {
	w := n.w
	for _, ev := range fx.Events {
		w.Counts.Event(ev)
	}
	n.noteEffects(fx)
	if w.Observe != nil {
		w.Observe.Stepped(n, before, fx)
	}
	for _, p := range fx.Send {
		w.sendPacket(n, p)
	}
	for _, d := range fx.Dial {
		w.dial(n, d)
	}
	n.planWake(fx.Wake)
}

// noteEffects puts the state that a Step published into the trace.
func (n *Node) noteEffects(fx *engine.Effects) {
	if len(fx.Changed) == 0 {
		return
	}
	for _, a := range fx.Changed {
		n.w.note('c', n.Index, []byte(a))
	}
	fp := fx.Root.Tree.Agg().FP
	n.w.note('f', n.Index, []byte{byte(fp[0]), byte(fp[0] >> 8), byte(fp[1]), byte(fp[1] >> 8)})
}

// planWake plans the tick that the engine asked for.
func (n *Node) planWake(at time.Duration) {
	at = max(at, n.w.now+time.Millisecond)
	if n.wake > n.w.now && n.wake <= at {
		return
	}
	n.wake = at
	life := n.life
	n.w.After(at-n.w.now, func() {
		if n.life != life || !n.up || n.wake != at {
			return
		}
		n.later(func() {
			if n.wake == at {
				n.wake = 0
			}
			n.Step(engine.Tick{})
		})
	})
}

// lookAround updates the member view from time to time, as failure detection
// would: late, and for a while wrong.
func (n *Node) lookAround() {
	w := n.w
	if w.view != nil {
		n.Step(engine.PeersChanged{View: w.view})
		return
	}
	life := n.life
	n.updateView()
	w.After(w.Links.ViewEvery/2+time.Duration(w.rnd.Int64N(int64(w.Links.ViewEvery))), func() {
		if n.up && n.life == life {
			n.later(n.lookAround)
		}
	})
}

// updateView tells the engine who is alive, if that changed.
func (n *Node) updateView() {
	var peers []engine.Peer
	for _, m := range n.w.nodes {
		if m == n || m.eng == nil {
			continue
		}
		seen := m.up && n.w.Links.open(n.Index, m.Index) && n.w.Links.open(m.Index, n.Index)
		if n.wrong[m.Index] {
			seen = !seen
		}
		if seen {
			peers = append(peers, engine.Peer{Name: m.Name, Origin: m.eng.Origin()})
		}
	}
	if same(peers, n.view) {
		return
	}
	n.view = peers
	n.w.note('v', n.Index, []byte{byte(len(peers))})
	n.Step(engine.PeersChanged{View: engine.NewView(peers)})
}

func same(a, b []engine.Peer) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
