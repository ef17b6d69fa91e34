package engine

import "time"

// The alarm of PURGE. A returner that is told to purge a few cells is what the
// protocol is for; one that loses much of what it shows was away for longer, or
// something is wrong. Nothing is stopped by it.
const (
	purgeWindow = 10 * time.Minute
	purgeMany   = 1000 // values in a window, if they are one in a hundred, too
	purgeShare  = 100
)

// purgeAlarm counts the values that were purged in the present window.
type purgeAlarm struct {
	ends time.Duration
	n    uint64
	told bool
}

// count takes one more into account.
func (p *purgeAlarm) count(e *Engine) {
	if e.now.Mono >= p.ends {
		*p = purgeAlarm{ends: e.now.Mono + purgeWindow}
	}
	p.n++
	if !p.told && p.n > purgeMany && p.n*purgeShare > e.root.Load().Tree.Agg().Live {
		p.told = true
		e.event(Event{Kind: EventManyPurged, N: p.n})
	}
}
