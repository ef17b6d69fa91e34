package hlc

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// network is a few machines with clocks that are off and are set now and then,
// and messages between them that may arrive at any later time.
type network struct {
	rnd      *rand.Rand
	machines []*machine
	sent     []Time
	last     []Time // of each machine: the highest issued or received
	physical []int64
}

func newNetwork(seed uint64, slew bool) *network {
	n := &network{rnd: rand.New(rand.NewPCG(seed, 8))}
	for range 2 + n.rnd.IntN(3) {
		m := &machine{Clock: New(maxSkew), wall: epoch + n.rnd.Int64N(16_000) - 8_000}
		m.Slew = slew
		m.pass(0)
		n.machines = append(n.machines, m)
		n.last = append(n.last, 0)
		n.physical = append(n.physical, 0)
	}
	return n
}

// step does one thing and returns what law it broke, if any.
func (n *network) step() error {
	i := n.rnd.IntN(len(n.machines))
	m := n.machines[i]
	switch k := n.rnd.IntN(100); {
	case k < 30:
		m.pass(n.rnd.Int64N(200))
	case k < 33:
		m.step(n.rnd.Int64N(24_000) - 12_000)
	case k < 70:
		return n.write(i)
	case k < 72:
		m.Receive(Time(uint64(n.last[i]) | 0xfff0)) // the counter is nearly full
		n.last[i] = max(n.last[i], Time(uint64(n.last[i])|0xfff0))
	case len(n.sent) > 0:
		t := n.sent[n.rnd.IntN(len(n.sent))]
		m.Peer(n.rnd.Uint64N(4), t)
		if m.TooFar(t) {
			return nil
		}
		m.Receive(t)
		n.last[i] = max(n.last[i], t)
	}
	if p := m.Physical(); p < n.physical[i] {
		return fmt.Errorf("physical time went back by %d ms", n.physical[i]-p)
	}
	n.physical[i] = m.Physical()
	if m.Now() < n.last[i] {
		return fmt.Errorf("now %v is below %v", m.Now(), n.last[i])
	}
	return nil
}

func (n *network) write(i int) error {
	m := n.machines[i]
	if m.Writable(len(n.machines)-1) != nil {
		return nil
	}
	var above []Time
	if n.rnd.IntN(2) == 0 {
		above = append(above, n.last[i])
	}
	t := m.Next(above...)
	switch {
	case t <= n.last[i]:
		return fmt.Errorf("issued %v after %v", t, n.last[i])
	case t.Milli() < m.Physical():
		return fmt.Errorf("issued %v at %d", t, m.Physical())
	case t.Milli() > m.wall+maxSkew.Milliseconds():
		return fmt.Errorf("issued %v, %d ms ahead of the wall", t, t.Milli()-m.wall)
	}
	n.last[i] = t
	n.sent = append(n.sent, t)
	return nil
}

// Law L8: versions rise strictly, what is issued is above what was received and
// never more than MaxSkew ahead of the wall, and physical time never goes back.
func TestLaw8(t *testing.T) {
	for seed := range uint64(200) {
		n := newNetwork(seed, false)
		for range 1000 {
			if err := n.step(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
	}
}

// The planted bug breaks the law, so the test above and the simulator can see
// it.
func TestSlewedClockBreaksLaw8(t *testing.T) {
	for seed := range uint64(200) {
		n := newNetwork(seed, true)
		for range 1000 {
			if n.step() != nil {
				return
			}
		}
	}
	t.Error("a slewed clock was not found")
}

func BenchmarkNext(b *testing.B) {
	m := start()
	above := m.Next()
	for b.Loop() {
		above = m.Next(above)
	}
}

func BenchmarkPeerAndWritable(b *testing.B) {
	m := start()
	for i := uint64(0); b.Loop(); i++ {
		m.Observe(Reading{Wall: epoch + int64(i), Mono: time.Duration(i) * time.Millisecond})
		m.Peer(i%64, m.Now())
		if m.Writable(64) != nil {
			b.Fatal("not writable")
		}
	}
}
