package hlc

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrSkew is returned while the clock is not fit to write with. The error
// around it says what is wrong and what to do.
var ErrSkew = errors.New("clock skew")

const (
	// leapAlone is how long a leap waits for a peer to confirm it when there is
	// none: a lone machine that was suspended must not wait for ever.
	leapAlone = 5 * time.Second

	// quorum is how many peers the self check needs, or all if there are fewer.
	quorum = 5

	// sampleAge is how long the clock of a peer is remembered. In an idle
	// cluster a node hears about two peers in 30 seconds.
	sampleAge = 5 * time.Minute

	// sampleCount bounds the memory of peers. A median of 64 is as good as one
	// of thousands.
	sampleCount = 64
)

// Peer takes in the Now of a peer, as its frames carry it. A peer that shows
// about our time confirms a forward leap. All peers together are the self
// check: see Writable.
func (c *Clock) Peer(id uint64, now Time) {
	// A fast peer drags the Now of everybody along, ours too. Comparing like
	// with like keeps one wrong clock from looking like a wrong majority.
	c.peers.add(sample{id: id, offset: now.Milli() - c.Now().Milli(), at: c.now.Mono})

	if d := now.Milli() - c.physical; -c.maxSkew <= d && d <= c.maxSkew {
		c.leap.trust(c.rise())
	}
}

// Offset is how far the peers' clocks are from ours.
type Offset struct {
	Median int64 // milliseconds; positive if the peers are ahead of us
	Peers  int   // how many were heard of late; none: Median is 0
	Warn   bool  // more than half of the allowed skew: somebody should look
}

// Offset is the median offset of the peers heard in the last five minutes.
func (c *Clock) Offset() Offset {
	median, n := c.peers.median(c.now.Mono)
	return Offset{Median: median, Peers: n, Warn: abs(median) > c.maxSkew/2}
}

// Drifting is the offset, and whether it is one that somebody should look at
// before it stops writes: more than half of that, by as many peers as Writable
// asks for.
func (c *Clock) Drifting(livePeers int) (Offset, bool) {
	o := c.Offset()
	return o, o.Warn && livePeers > 0 && o.Peers >= min(quorum, livePeers)
}

// Writable says whether versions of this clock would do no harm. It returns nil
// or an error that wraps ErrSkew:
//
//   - the next version would be more than the allowed skew ahead of the wall,
//     because the wall was set back: peers would refuse it;
//   - the wall has leaped forward by more than the allowed skew and no peer has
//     confirmed it (without live peers the wait ends after five seconds);
//   - the median of five peers, or of all livePeers if they are fewer, differs
//     by more than the allowed skew.
func (c *Clock) Writable(livePeers int) error {
	if err := c.held(); err != nil && !c.Slew {
		return err
	}
	if c.leap.open && (livePeers > 0 || c.now.Mono-c.leap.since < leapAlone) {
		return fmt.Errorf("%w: the wall clock leaped forward by %s and no peer has confirmed it: check the time of this machine",
			ErrSkew, milliseconds(c.leap.rise-c.leap.trusted))
	}
	o := c.Offset()
	if livePeers > 0 && o.Peers >= min(quorum, livePeers) && abs(o.Median) > c.maxSkew {
		return fmt.Errorf("%w: the clocks of %d peers differ from this one by %s in the median: check the time of this machine",
			ErrSkew, o.Peers, milliseconds(o.Median))
	}
	return nil
}

func (c *Clock) held() error {
	ahead := max(c.physical, c.last.Next().Milli()) - c.now.Wall
	if ahead <= c.maxSkew {
		return nil
	}
	return fmt.Errorf("%w: the wall clock is %s behind versions this node has issued or seen: set it right, or wait that long",
		ErrSkew, milliseconds(ahead))
}

// leap follows forward steps of the wall against the monotonic clock. Many
// small steps count like one big one, unless a peer has vouched in between.
type leap struct {
	trusted int64 // the rise that needs no confirmation
	open    bool
	rise    int64         // as it was when the wait began
	since   time.Duration // when the wait began
}

func (l *leap) trust(rise int64) { *l = leap{trusted: rise} }

// observe reports whether a wait begins.
func (l *leap) observe(rise int64, at time.Duration, maxSkew int64) bool {
	switch {
	case rise-l.trusted <= maxSkew:
		// In a hold the rise falls, and what was trusted falls with it: a wall
		// that later returns to its old height has leaped all the same.
		l.trust(min(l.trusted, rise))
		return false
	case l.open && rise-l.rise <= maxSkew:
		return false
	}
	l.open, l.rise, l.since = true, rise, at
	return true
}

type sample struct {
	id     uint64
	offset int64
	at     time.Duration
}

// peers holds the newest sample of each of the last sampleCount peers.
type peers struct {
	samples []sample
	cached  int64         // the median of samples
	until   time.Duration // cached holds before this; zero: it is not known
}

func (p *peers) forget() { *p = peers{} }

func (p *peers) add(s sample) {
	p.until = 0
	oldest := 0
	for i := range p.samples {
		if p.samples[i].id == s.id {
			p.samples[i] = s
			return
		}
		if p.samples[i].at < p.samples[oldest].at {
			oldest = i
		}
	}
	if len(p.samples) < sampleCount {
		p.samples = append(p.samples, s)
		return
	}
	p.samples[oldest] = s
}

// median returns the median of the samples that are not too old, and their
// number.
func (p *peers) median(now time.Duration) (ms int64, n int) {
	if now < p.until {
		return p.cached, len(p.samples)
	}
	p.samples = slices.DeleteFunc(p.samples, func(s sample) bool { return now-s.at >= sampleAge })
	n = len(p.samples)
	if n == 0 {
		return 0, 0
	}
	var buf [sampleCount]int64
	offsets := buf[:n]
	first := now
	for i, s := range p.samples {
		offsets[i] = s.offset
		first = min(first, s.at)
	}
	slices.Sort(offsets)
	p.cached, p.until = offsets[n/2], first+sampleAge
	if n%2 == 0 {
		p.cached = (offsets[n/2-1] + offsets[n/2]) / 2
	}
	return p.cached, n
}

func abs(n int64) int64 { return max(n, -n) }

func milliseconds(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
