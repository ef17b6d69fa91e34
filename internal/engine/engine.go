// Package engine is starling's replicated store as one pure machine.
//
// All state is one map from cell.Addr to cell.Cell, joined by one rule, beside
// a causal context of the dots that were ever part of it. Both live in
// persistent trees that are published together as a Root, so that reading
// takes no lock and never copies.
//
// Step and Commit are the only ways in, Effects the only way out: what to
// send, which streams to open, which addresses changed, what happened, and
// when to call again. The engine reads no clock, opens no socket, starts no
// goroutine and logs nothing; the shell around it does, and so does the
// simulator, with the same code.
//
// An Engine is not safe for concurrent use; Root may be called from anywhere.
package engine

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/tree"
	"github.com/starlingkv/starling/internal/wire"
)

// never is the due time of a timer that is not set.
const never = time.Duration(math.MaxInt64)

// MaxStepCells is how many cells one Step applies at most.
const MaxStepCells = 256

// Root is one published state. It is immutable and stays valid for ever.
type Root struct {
	Tree tree.Tree[*cell.Stored]
	Ctx  cell.Context
	Rev  uint64 // rises with every published change of Tree
}

// Engine is the machine. The zero value is not usable; see New.
type Engine struct {
	cfg    Config
	hasher cell.Hasher
	sealer cell.Sealer // of own writes
	clock  *hlc.Clock
	root   atomic.Pointer[Root]

	now hlc.Reading // of the present Step
	fx  Effects     // of the present Step
	w   writer      // the editors of the present Step

	counter uint64              // N of the last own cell
	stored  map[cell.Origin]int // cells in the tree per origin of their dot
	graves  graves
	fallen  []*fallen // what fell under Floors and is not in the books yet
	purges  purgeAlarm

	ready    bool // the first-session gate is open
	started  time.Duration
	leaving  bool
	drifts   bool          // it was told that the clocks of the peers differ
	lastYes  time.Duration // pin of the last session whose peer accepted all we showed; see collect
	gcDue    time.Duration
	ctxDue   time.Duration
	peers    *ring
	push     *pusher
	sync     *syncer
	counters Counters
	muted    [numEvents]bool // events that Effects do not carry
}

// New returns an engine that holds nothing, or what cfg.Restore holds.
func New(cfg Config) *Engine {
	cfg = cfg.withDefaults()
	e := &Engine{
		cfg:     cfg,
		hasher:  cell.NewHasher(cfg.Cluster),
		clock:   hlc.New(cfg.MaxSkew),
		stored:  make(map[cell.Origin]int),
		started: never,
		lastYes: -1,
	}
	e.sealer.Hasher = &e.hasher
	for k := range e.muted {
		e.muted[k] = cfg.Tells != nil && !cfg.Tells(EventKind(k))
	}
	e.clock.Slew = cfg.Plant == PlantSlew
	e.root.Store(&Root{})
	e.peers = newRing(cfg.Name)
	e.push = newPusher(e)
	e.sync = newSyncer(e)
	return e
}

// Root returns the state as of the last Step or Commit. It may be called
// concurrently with everything.
func (e *Engine) Root() *Root { return e.root.Load() }

// Hasher returns the hasher of this cluster, for parsing frames.
func (e *Engine) Hasher() cell.Hasher { return e.hasher }

// Origin returns the origin under which this engine writes now. It changes
// only when another process is found to use the same one.
func (e *Engine) Origin() cell.Origin { return e.cfg.Origin }

// Ready reports whether the first-session gate is open: writes are taken.
func (e *Engine) Ready() bool { return e.ready }

// Step feeds one input to the machine. Inputs that carry cells hold at most
// MaxStepCells; the caller splits.
func (e *Engine) Step(now hlc.Reading, in Input) Effects {
	e.begin(now)
	switch in := in.(type) {
	case Tick:
	case Received:
		e.receive(in.Frame)
	case Packets:
		for _, f := range in.Frames {
			e.receive(f)
		}
	case PeersChanged:
		came := e.newcomers(in.View)
		e.peers.set(in.View)
		e.meetTwin()
		e.sync.peersChanged()
		e.sync.greet(came)
	case Leave:
		e.leaving = true
		e.push.leave()
	case sessionInput:
		in.run(e)
	}
	e.runDue()
	return e.end()
}

// begin opens a Step.
func (e *Engine) begin(now hlc.Reading) {
	e.now = now
	e.fx = Effects{}
	e.clock.Observe(now)
	if e.started == never {
		e.started = now.Mono
		e.gcDue = now.Mono + e.cfg.GCInterval
		e.ctxDue = now.Mono + e.cfg.OriginEpoch/4
		e.restore()
		if e.cfg.Alone {
			e.open(ReadyAlone)
		}
	}
}

// runDue runs every timer that is due.
func (e *Engine) runDue() {
	if !e.ready && e.now.Mono-e.started >= e.cfg.JoinWait {
		e.open(ReadyUnanswered)
	}
	e.book(e.cfg.SweepPerStep)
	if e.now.Mono >= e.gcDue {
		e.collect()
	}
	if e.now.Mono >= e.ctxDue {
		e.forget()
		e.ctxDue = e.now.Mono + e.cfg.OriginEpoch/4
	}
	if e.now.Mono >= e.expiryDue() {
		e.expire()
	}
	e.push.tick()
	e.sync.tick()
}

// end publishes what the Step changed and returns its effects.
func (e *Engine) end() Effects {
	e.publish()
	e.push.flush()
	fx := e.fx
	fx.Root = e.root.Load()
	e.fx = Effects{}
	fx.Wake = min(e.gcDue, e.ctxDue, e.expiryDue(), e.push.due(), e.sync.due())
	if !e.ready {
		fx.Wake = min(fx.Wake, e.started+e.cfg.JoinWait)
	}
	if len(e.fallen) > 0 {
		fx.Wake = e.now.Mono
	}
	fx.Wake = max(fx.Wake, e.now.Mono)
	return fx
}

// open opens the first-session gate.
func (e *Engine) open(why string) {
	if e.ready {
		return
	}
	e.ready = true
	e.event(Event{Kind: EventReady, Text: why})
}

// receive takes one parsed frame that came in a packet or on a fetch stream.
func (e *Engine) receive(f wire.Frame) {
	if e.toldByTwin(f) {
		return
	}
	if !e.peers.known(f.Origin) {
		e.event(Event{Kind: EventUnknownOrigin, Peer: f.Origin})
		return
	}
	e.clock.Peer(uint64(f.Origin), f.Now)
	if !f.Stream {
		e.push.arrived(f.Origin, f.Seq)
	}
	switch m := f.Msg.(type) {
	case nil:
		e.event(Event{Kind: EventUnknownType, Peer: f.Origin})
	case *wire.Delta:
		e.push.delta(f.Origin, m)
	case *wire.Have:
		e.push.have(f.Origin, m)
	case *wire.Want:
		e.push.want(f.Origin, m)
	case *wire.Advert:
		e.push.advert(f.Origin, m)
	case *wire.Body:
		e.push.body(f.Origin, m)
	case *wire.Hello:
		e.sync.hello(f.Origin, m)
	case *wire.Ranges:
		e.sync.ahead(f.Origin, m)
	case *wire.InSync:
		e.sync.inSync(f.Origin, m)
	case *wire.Busy:
		e.sync.busy(f.Origin, m)
	case *wire.Err:
		e.event(Event{Kind: EventPeerRefused, Peer: f.Origin, N: uint64(m.Code), Text: m.Text})
	default:
		e.event(Event{Kind: EventMisplacedFrame, Peer: f.Origin, N: uint64(f.Msg.Type())})
	}
}

// send queues a packet for a peer; its sequence number is drawn here.
func (e *Engine) send(to cell.Origin, m wire.Msg) {
	e.fx.Send = append(e.fx.Send, Packet{
		To:    to,
		Frame: wire.Frame{Header: wire.Header{Origin: e.cfg.Origin, Now: e.clock.Now(), Seq: e.push.nextSeq(to)}, Msg: m},
	})
}

// event records what happened.
func (e *Engine) event(ev Event) {
	e.counters.Events[ev.Kind]++
	if !e.muted[ev.Kind] {
		e.fx.Events = append(e.fx.Events, ev)
	}
}
