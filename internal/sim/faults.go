package sim

import (
	"time"
)

// fault is one kind of trouble: it begins, and undoes itself later.
type fault struct {
	name  string
	begin func(d *drama, m *Node, lasts time.Duration)
}

// faults is the palette. Each seed uses a random part of it, so that faults
// occur alone and together.
var faults = []fault{
	{"partition", func(d *drama, _ *Node, lasts time.Duration) { d.split(lasts, bothWays) }},
	{"one-way partition", func(d *drama, _ *Node, lasts time.Duration) { d.split(lasts, oneWay) }},
	{"isolation", func(d *drama, m *Node, lasts time.Duration) { d.isolate(m, lasts) }},
	{"loss", func(d *drama, _ *Node, lasts time.Duration) { d.raise(&d.Links.Loss, 0.05+0.45*d.rnd.Float64(), lasts) }},
	{"duplication", func(d *drama, _ *Node, lasts time.Duration) { d.raise(&d.Links.Duplicate, 0.3, lasts) }},
	{"reordering", func(d *drama, _ *Node, lasts time.Duration) {
		d.Links.HoldFor = time.Duration(20+d.rnd.IntN(400)) * time.Millisecond
		d.raise(&d.Links.Hold, 0.3, lasts)
	}},
	{"long delay", func(d *drama, _ *Node, lasts time.Duration) {
		d.Links.HoldFor = time.Duration(1+d.rnd.IntN(9)) * time.Second
		d.raise(&d.Links.Hold, 0.1, lasts)
	}},
	{"slow network", func(d *drama, _ *Node, lasts time.Duration) { d.slow(lasts) }},
	{"corruption", func(d *drama, _ *Node, lasts time.Duration) { d.raise(&d.Links.Corrupt, 0.1, lasts) }},
	{"replay", func(d *drama, _ *Node, _ time.Duration) { d.Replay(5 + d.rnd.IntN(20)) }},
	{"stream cuts", func(d *drama, _ *Node, lasts time.Duration) { d.raise(&d.Links.CutStream, 0.1, lasts) }},
	{"crash", func(d *drama, m *Node, lasts time.Duration) { d.crash(m, lasts) }},
	{"quick restart", func(d *drama, m *Node, _ time.Duration) { d.crash(m, time.Duration(d.rnd.IntN(200))*time.Millisecond) }},
	{"long absence", func(d *drama, m *Node, _ time.Duration) { d.crash(m, chaosUntil-d.now) }},
	{"pause", func(_ *drama, m *Node, lasts time.Duration) { m.Pause(lasts) }},
	{"clock forward", func(d *drama, m *Node, lasts time.Duration) { d.stepClock(m, 1, lasts) }},
	{"clock backward", func(d *drama, m *Node, lasts time.Duration) { d.stepClock(m, -1, lasts) }},
	{"clock drift", func(d *drama, m *Node, lasts time.Duration) { d.drift(m, lasts) }},
	{"wrong view", func(d *drama, m *Node, lasts time.Duration) { d.mislead(m, lasts) }},
}

// planFaults draws what goes wrong and when: at least five events.
func (d *drama) planFaults() {
	palette := d.rnd.Perm(len(faults))[:4+d.rnd.IntN(len(faults)-4)]
	for range 6 + d.rnd.IntN(10) {
		f := faults[palette[d.rnd.IntN(len(palette))]]
		m := d.nodes[d.rnd.IntN(len(d.nodes))]
		at := time.Duration(d.rnd.Int64N(int64(chaosUntil - calmUntil - 2*time.Second)))
		lasts := time.Duration(200+d.rnd.IntN(9000)) * time.Millisecond
		d.After(at, func() {
			if !m.up || d.now >= chaosUntil {
				return
			}
			lasts := min(lasts, chaosUntil-d.now)
			d.Counts.Fault(f.name)
			d.judge.disturbed()
			d.note('!', m.Index, []byte(f.name))
			f.begin(d, m, lasts)
		})
	}
}

// raise sets a probability for a while.
func (d *drama) raise(p *float64, to float64, lasts time.Duration) {
	*p = to
	d.After(lasts, func() { *p = 0 })
}

func (d *drama) slow(lasts time.Duration) {
	d.Links.Latency = time.Duration(20+d.rnd.IntN(130)) * time.Millisecond
	d.Links.Jitter = d.Links.Latency / 2
	d.After(lasts, func() { d.Links.Latency, d.Links.Jitter = time.Millisecond, time.Millisecond })
}

// ways says in which directions a partition cuts.
type ways uint8

const (
	bothWays ways = iota
	oneWay
)

// split cuts the nodes into two random sides.
func (d *drama) split(lasts time.Duration, how ways) {
	side := make([]bool, len(d.nodes))
	for i := range side {
		side[i] = d.rnd.IntN(2) == 0
	}
	for i := range side {
		for j := range side {
			if side[i] && !side[j] {
				d.Links.Cut(i, j)
				if how == bothWays {
					d.Links.Cut(j, i)
				}
			}
		}
	}
	d.After(lasts, d.Links.Heal)
}

// isolate cuts one node off.
func (d *drama) isolate(m *Node, lasts time.Duration) {
	for i := range d.nodes {
		d.Links.Cut(i, m.Index)
		d.Links.Cut(m.Index, i)
	}
	d.After(lasts, d.Links.Heal)
}

// crash kills a node and starts it again later.
func (d *drama) crash(m *Node, lasts time.Duration) {
	m.Stop()
	life := m.life
	d.After(lasts, func() {
		if !m.up && m.life == life {
			d.restart(m)
		}
	})
}

// stepClock steps a wall clock by up to a few times what is forgiven, and back.
func (d *drama) stepClock(m *Node, sign int64, lasts time.Duration) {
	by := time.Duration(sign * d.rnd.Int64N(3*int64(d.Config.MaxSkew)))
	m.Skew += by
	d.After(lasts, func() { m.Skew -= by })
}

// drift lets a wall clock run wrong by up to 1 %.
func (d *drama) drift(m *Node, lasts time.Duration) {
	m.setDrift((d.rnd.Float64() - 0.5) / 50)
	d.After(lasts, func() { m.setDrift(0) })
}

// mislead makes a node wrong about some members: the living look dead to it,
// the dead alive.
func (d *drama) mislead(m *Node, lasts time.Duration) {
	m.wrong = make(map[int]bool)
	for i := range d.nodes {
		if d.rnd.IntN(3) == 0 {
			m.wrong[i] = true
		}
	}
	life := m.life
	d.After(lasts, func() {
		if m.life == life {
			m.wrong = nil
		}
	})
}
