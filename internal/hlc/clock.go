package hlc

import "time"

// Reading is what the two clocks of a machine show at one moment. It is an
// argument of every step, so that a simulator can step one clock without the
// other.
type Reading struct {
	Wall int64         // unix milliseconds, may step either way
	Mono time.Duration // since an arbitrary start, never steps
}

// Clock is a hybrid logical clock. It is a plain value machine: its owner
// serializes the calls, and calls Observe before the others. Use New.
type Clock struct {
	// Slew is a planted bug for the simulator: instead of holding, the clock
	// runs on at half speed while it is ahead of the wall, and says nothing.
	Slew bool

	maxSkew int64 // milliseconds
	now     Reading
	started bool

	physical int64 // never falls
	last     Time  // highest issued or received

	leap  leap
	peers peers
}

// New returns a Clock that tolerates maxSkew between machines.
func New(maxSkew time.Duration) *Clock {
	return &Clock{maxSkew: maxSkew.Milliseconds()}
}

// Observe takes in what the clocks show now.
func (c *Clock) Observe(r Reading) {
	if !c.started {
		c.started = true
		c.now = r
		c.physical = max(c.physical, r.Wall)
		c.leap.trust(c.rise())
		return
	}
	if c.Slew && r.Wall < c.physical {
		c.physical = max(r.Wall, c.physical+(r.Mono.Milliseconds()-c.now.Mono.Milliseconds()+1)/2)
	}
	c.now = r
	c.physical = max(c.physical, r.Wall)
	if c.leap.observe(c.rise(), r.Mono, c.maxSkew) {
		c.peers.forget() // they were measured against a clock that is gone
	}
}

// Physical is the current unix milliseconds: the wall, or while the wall is
// behind where it has been, that highest point.
func (c *Clock) Physical() int64 { return c.physical }

// Next issues a Time that is above everything issued or received so far, above
// each of above, and not below Physical.
func (c *Clock) Next(above ...Time) Time {
	t := max(c.last.Next(), Make(c.physical, 0))
	for _, a := range above {
		t = max(t, a.Next())
	}
	c.last = t
	return t
}

// Now is the clock's Time without issuing it: not below anything issued or
// received, nor below Physical.
func (c *Clock) Now() Time { return max(c.last, Make(c.physical, 0)) }

// Receive lifts the clock to t, so that whatever is issued later is above it.
// The caller has refused what is TooFar.
func (c *Clock) Receive(t Time) { c.last = max(c.last, t) }

// TooFar reports that t is further ahead of this clock than machines may
// differ. Such a Time must be refused whole: it is neither received nor
// clamped, and will be taken when time has caught up with it.
func (c *Clock) TooFar(t Time) bool { return t.Milli() > c.physical+c.maxSkew }

// Restore lifts the clock to the Time an earlier run of the node has stored.
// If the wall is behind it, that is a hold like any other.
func (c *Clock) Restore(t Time) {
	c.last = max(c.last, t)
	c.physical = max(c.physical, t.Milli())
	if c.started {
		c.leap.trust(c.rise())
	}
}

// rise is how far physical time is above the monotonic clock. It is constant
// while nobody sets the wall, falls in a hold and rises in a leap.
func (c *Clock) rise() int64 { return c.physical - c.now.Mono.Milliseconds() }
