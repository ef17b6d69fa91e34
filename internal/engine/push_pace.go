package engine

import "time"

// The windows in which cells wait for others that go the same way. A quiet
// node is quick, a busy one is frugal.
const (
	quietWindow = 2 * time.Millisecond
	midWindow   = 10 * time.Millisecond
	busyWindow  = 50 * time.Millisecond
	quietRate   = 100 // eager packets per second up to which a node is quiet
	midRate     = 500
)

// burst is how long the budget may be saved up.
const burst = 100 * time.Millisecond

// pace says when to send and how much: by what was sent in the last second, and
// by a budget of packets and bytes. What exceeds the budget waits; it is never
// thrown away.
type pace struct {
	eager   rate // packets that carry cells or ads
	packets bucket
	bytes   bucket
}

func newPace(cfg Config) pace {
	return pace{packets: newBucket(cfg.PacketsPerSec), bytes: newBucket(cfg.BytesPerSec)}
}

// window is how long a cell waits now for company.
func (p *pace) window(now time.Duration) time.Duration {
	switch n := p.eager.sum(now); {
	case n < quietRate:
		return quietWindow
	case n < midRate:
		return midWindow
	}
	return busyWindow
}

// open reports whether there is budget left.
func (p *pace) open(now time.Duration) bool {
	return p.packets.filled(now) > 0 && p.bytes.filled(now) > 0
}

// opensAt is when the budget has recovered enough for half a burst.
func (p *pace) opensAt() time.Duration { return max(p.packets.at(0.5), p.bytes.at(0.5)) }

// half reports whether more than half of a burst is left.
func (p *pace) half(now time.Duration) bool {
	return p.packets.filled(now) > p.packets.size/2 && p.bytes.filled(now) > p.bytes.size/2
}

// fullAt is when the budget has recovered.
func (p *pace) fullAt() time.Duration { return max(p.packets.at(1), p.bytes.at(1)) }

// spend takes a packet out of the budget. What was begun is finished, so the
// budget may go below zero.
func (p *pace) spend(size int) {
	p.packets.level--
	p.bytes.level -= float64(size)
}

// bucket is a token bucket.
type bucket struct {
	perSec, size, level float64
	last                time.Duration
}

func newBucket(perSec int) bucket {
	size := max(float64(perSec)*burst.Seconds(), 1)
	return bucket{perSec: float64(perSec), size: size, level: size}
}

// filled is the level now.
func (b *bucket) filled(now time.Duration) float64 {
	b.level = min(b.size, b.level+(now-b.last).Seconds()*b.perSec)
	b.last = now
	return b.level
}

// at is when the level is at a share of the size.
func (b *bucket) at(share float64) time.Duration {
	missing := max(b.size*share-b.level, 0)
	return b.last + time.Duration(missing/b.perSec*float64(time.Second)) + 1
}

// rateSlots cut the second over which a rate is taken.
const rateSlots = 10

// rate counts what happened in the last second.
type rate struct {
	slots [rateSlots]int
	slot  time.Duration // the running number of the newest slot
}

func (r *rate) add(now time.Duration, n int) {
	r.turn(now)
	r.slots[r.slot%rateSlots] += n
}

func (r *rate) sum(now time.Duration) int {
	r.turn(now)
	n := 0
	for _, s := range r.slots {
		n += s
	}
	return n
}

// turn empties the slots that time has passed over.
func (r *rate) turn(now time.Duration) {
	slot := max(now, 0) / (time.Second / rateSlots)
	for i := max(r.slot+1, slot-rateSlots+1); i <= slot; i++ {
		r.slots[i%rateSlots] = 0
	}
	r.slot = max(r.slot, slot)
}
