package sim

import (
	"fmt"
	"time"

	"github.com/starlingkv/starling/internal/engine"
)

// The phases of a seed, in virtual time.
const (
	calmUntil   = 4 * time.Second  // no faults: what costs what is measured here
	chaosUntil  = 40 * time.Second // faults and clients
	replayUntil = 46 * time.Second // no new faults, old packets still arrive
	quietUntil  = 62 * time.Second // nothing but the engines
)

// Options of one seed.
type Options struct {
	Plant engine.Plant // a planted bug
}

// Result is what one seed came to.
type Result struct {
	Seed       uint64
	Trace      [32]byte
	Virtual    time.Duration
	Nodes      int
	Counts     *Counts
	Violations []Violation
}

// Violation is an oracle's finding.
type Violation struct {
	Oracle string // the invariant of docs/protocol.md: I1..I10, L8, or "told"
	At     time.Duration
	Node   string
	What   string
}

// String is one line for a person.
func (v Violation) String() string {
	return fmt.Sprintf("%s at %v on %s: %s", v.Oracle, v.At, v.Node, v.What)
}

// drama is one seed being played.
type drama struct {
	*World
	plant    engine.Plant
	judge    *judge
	load     *load
	watches  []*watch
	kinds    *kinds    // clients of merging kinds, in some seeds
	thinkers *thinkers // clients of merging kinds that think, in others
}

// Run plays one seed.
func Run(seed uint64, opt Options) Result {
	d := newDrama(seed, opt)
	d.start()
	d.planKinds(seed)
	d.planThinkers(seed)
	d.planPlaced(seed)
	d.RunUntil(calmUntil)
	d.judge.endCalm()
	d.planFaults()
	d.RunUntil(chaosUntil)
	d.heal()
	d.RunUntil(replayUntil)
	d.bag = nil
	d.Links.Keep = 0
	d.RunUntil(quietUntil)
	d.judge.verdict()
	d.judgeKinds()
	return Result{
		Seed: seed, Trace: d.Trace(), Virtual: d.now, Nodes: len(d.nodes),
		Counts: d.Counts, Violations: d.judge.found,
	}
}

// newDrama draws the stage.
func newDrama(seed uint64, opt Options) *drama {
	d := &drama{World: NewWorld(engine.Config{}, seed), plant: opt.Plant}
	d.Config = drawConfig(d.World, opt.Plant)
	if seed%4 == 3 { // what falls under a Floor is booked in pieces of 1 to 3 cells
		d.Config.SweepPerStep = 1 + int(seed/4%3)
	}
	d.smallQueues(seed)
	*d.World = *rebase(d.World)
	d.Links.Keep = 0.05
	d.Links.ViewEvery = time.Duration(300+d.rnd.IntN(900)) * time.Millisecond
	d.judge = newJudge(d)
	d.Observe = d.judge
	d.load = &load{drama: d}
	return d
}

// rebase gives the World the codec of its Config's cluster.
func rebase(w *World) *World {
	v := NewWorld(w.Config, 0)
	v.rnd = w.rnd
	return v
}

// drawConfig draws ages short enough that a minute sees collection, retention
// and stale packets.
func drawConfig(w *World, plant engine.Plant) engine.Config {
	ms := func(from, to int) time.Duration {
		return time.Duration(from+w.rnd.IntN(to-from+1)) * time.Millisecond
	}
	cfg := engine.Config{
		Cluster:         "sim",
		JoinWait:        ms(500, 2000),
		MaxSkew:         ms(700, 1500),
		StaleAge:        ms(2000, 5000),
		MinTombstoneAge: ms(2000, 6000),
		AppliedAge:      ms(300, 1000),
		SyncInterval:    ms(800, 2000),
		AgreeAge:        ms(1000, 2000),
		SessionIdle:     ms(500, 2000),
		PinAge:          ms(2000, 5000),
		DigestTick:      ms(40, 100),
		LargeBody:       2 << 10,
		Plant:           plant,
	}
	cfg.TombstoneEpoch = cfg.MinTombstoneAge / time.Duration(3+w.rnd.IntN(5))
	cfg.OriginRetention = time.Hour
	cfg.OriginEpoch = time.Minute
	if w.rnd.IntN(3) == 0 { // short enough that an origin is forgotten within the seed
		cfg.OriginRetention = cfg.StaleAge + cfg.MinTombstoneAge + ms(8000, 20000)
		cfg.OriginEpoch = ms(500, 1500)
	}
	return cfg
}

// start brings up the nodes and the clients.
func (d *drama) start() {
	n := 3 + d.rnd.IntN(7)
	if d.rnd.IntN(2) == 0 {
		n = 3 + d.rnd.IntN(3) // small ones are cheap, and most bugs need few
	}
	for i := range n {
		m := d.AddNode(fmt.Sprintf("n%d", i+1))
		m.Skew = time.Duration(d.rnd.Int64N(int64(d.Config.MaxSkew)/2)) - d.Config.MaxSkew/4
	}
	for _, m := range d.nodes {
		m.Start(nil, 0)
		d.keepDisk(m)
	}
	d.watchAll()
	d.load.plan()
}

// keepDisk writes a node's disk now and then, never at the moment it dies.
func (d *drama) keepDisk(m *Node) {
	d.After(time.Duration(500+d.rnd.IntN(4000))*time.Millisecond, func() {
		if m.running() {
			m.Save()
			d.judge.savedDisk(m)
		}
		d.keepDisk(m)
	})
}

// heal ends every fault and brings every node back.
func (d *drama) heal() {
	l := newLinks()
	l.cut, l.ViewEvery = d.Links.cut, d.Links.ViewEvery
	d.Links = l
	d.Links.Keep = 0
	d.Links.Heal()
	for _, m := range d.nodes {
		m.wrong = nil
		m.setDrift(0)
		if !m.up {
			d.restart(m)
		}
	}
	for i := range 10 {
		d.After(time.Duration(i)*(replayUntil-chaosUntil)/11, func() { d.Replay(3) })
	}
}

// restart starts a node again, with or without what it had stored.
func (d *drama) restart(m *Node) {
	reuse := originOf(m)
	if d.plant != engine.PlantReuseOrigin {
		reuse = 0
	}
	if m.disk == nil || d.rnd.IntN(2) == 0 {
		d.Counts.Fault("restart without memory")
		m.disk = nil
		m.Start(nil, reuse)
		return
	}
	s := m.disk
	if d.plant == engine.PlantCtxAhead { // P8: the context of the moment of death, cells of the disk
		ahead := *s.Root
		ahead.Ctx = m.Root().Ctx
		s = &engine.Snapshot{Root: &ahead, Clock: s.Clock, At: s.At}
	}
	d.Counts.Fault("restart with memory")
	m.Start(s, reuse)
}
