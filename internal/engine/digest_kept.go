package engine

import (
	"time"

	"github.com/starlingkv/starling/internal/cell"
)

const (
	rememberFor = 2 * time.Second // what was handed out: others may check their parts as long
	maxRecent   = 100_000
	recentAge   = 30 * time.Second
)

// forget drops what has no ticks left and was learned long enough ago. It is
// kept in the order in which ticks have ended, so that some is kept longer than
// it has to be. What was given more ticks since will come here once more.
func (d *digests) forget(now time.Duration) {
	for {
		one, ok := d.kept.peek()
		if !ok || one.learned > now-rememberFor {
			return
		}
		d.kept.pop()
		if !one.gone && one.told >= one.ticks {
			d.replaced(one.addr)
		}
	}
}

// forgetAt is when all that is kept may be forgotten, with one tick for all of
// it; never if there is nothing.
func (d *digests) forgetAt() time.Duration {
	if one, ok := d.kept.last(); ok {
		return one.learned + rememberFor
	}
	return never
}

// recentDots knows where the cells stand whose dots were told of late.
type recentDots struct {
	byDot map[cell.Dot]cell.Addr
	order fifo[recentDot]
}

type recentDot struct {
	dot cell.Dot
	at  time.Duration
}

func (r *recentDots) add(d cell.Dot, a cell.Addr, now time.Duration) {
	if r.byDot == nil {
		r.byDot = make(map[cell.Dot]cell.Addr)
	}
	if _, ok := r.byDot[d]; !ok {
		r.order.push(recentDot{dot: d, at: now})
	}
	r.byDot[d] = a
	for {
		old, ok := r.order.peek()
		if !ok || old.at > now-recentAge && r.order.len() <= maxRecent {
			return
		}
		r.order.pop()
		delete(r.byDot, old.dot)
	}
}

func (r *recentDots) addr(d cell.Dot) (cell.Addr, bool) {
	a, ok := r.byDot[d]
	return a, ok
}
