package member

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
)

const (
	rejoinEvery   = 10 * time.Second
	rejoinUnready = time.Second
	// firstCalls is how many addresses one round calls while nobody has answered.
	firstCalls = 3
	// askGap is how long after one answer to Ask the next call may be.
	askGap = time.Second
)

// run joins until ctx ends: at once, then from time to time, and when asked to.
func (g *Group) run(ctx context.Context) {
	defer close(g.stopped)
	g.join(ctx)
	next := time.NewTimer(g.pause())
	defer next.Stop()
	var asked time.Time
	for {
		select {
		case <-next.C:
			g.join(ctx)
			next.Reset(g.pause())
		case a := <-g.asks:
			if time.Since(asked) >= askGap {
				g.call(a)
				asked = time.Now()
			}
		case <-ctx.Done():
			return
		}
	}
}

// Ask exchanges the views of the cluster with the member that sends as an
// origin which no member is known to have. It returns at once, and does nothing
// if it is called too often.
func (g *Group) Ask(o cell.Origin) {
	a, found := g.transport.senders.find(o)
	if !found {
		a, found = g.anybody()
	}
	if !found || g.isOwn(a) {
		return
	}
	select {
	case g.asks <- a:
	default:
	}
}

// anybody is the address of a random live member: it may have heard of whom
// this node has not.
func (g *Group) anybody() (netip.AddrPort, bool) {
	var live []netip.AddrPort
	for _, m := range g.Members() {
		if m.State == Alive && m.Name != g.cfg.Name {
			live = append(live, m.Addr)
		}
	}
	if len(live) == 0 {
		return netip.AddrPort{}, false
	}
	return live[rand.IntN(len(live))], true
}

// pause is the time to the next join, +-30 %.
func (g *Group) pause() time.Duration {
	d := g.cfg.Timing.RejoinUnready
	if d == 0 {
		d = rejoinUnready
	}
	if g.settled.Load() {
		if d = g.cfg.Timing.Rejoin; d == 0 {
			d = rejoinEvery
		}
	}
	return time.Duration(float64(d) * (0.7 + 0.6*rand.Float64()))
}

// join calls the first of those worth calling; a few, as long as nobody has ever
// answered.
func (g *Group) join(ctx context.Context) {
	calls := firstCalls
	if g.answered.Load() != nil {
		calls = 1
	}
	worth := g.worthCalling(ctx)
	for _, a := range worth[:min(calls, len(worth))] {
		if ctx.Err() != nil || g.call(a) {
			return
		}
	}
}

// call exchanges views with whoever is at an address. It reports whether
// somebody answered.
func (g *Group) call(a netip.AddrPort) bool {
	n, err := g.list.Join([]string{a.String()})
	if err != nil || n == 0 {
		return false
	}
	now := time.Now()
	g.answered.Store(&now)
	g.cfg.OnChange()
	return true
}

// worthCalling lists the seeds and the members that died, each in random order,
// by turns: many dead do not crowd out a seed, nor seeds the dead. Once settled,
// who is seen alive need not be called.
func (g *Group) worthCalling(ctx context.Context) []netip.AddrPort {
	skip := map[netip.AddrPort]bool{}
	var seeds, dead []netip.AddrPort
	add := func(to *[]netip.AddrPort, a netip.AddrPort) {
		if !skip[a] && !g.isOwn(a) {
			skip[a] = true
			*to = append(*to, a)
		}
	}
	members := g.Members()
	for _, m := range members {
		if m.State == Alive && g.settled.Load() {
			skip[m.Addr] = true
		}
	}
	for _, s := range g.seeds.resolve(ctx) {
		for _, a := range s.Addrs {
			add(&seeds, a)
		}
	}
	for _, m := range members {
		if m.State == Dead {
			add(&dead, m.Addr)
		}
	}
	if g.rounds.Add(1)%2 == 0 {
		return byTurns(dead, seeds)
	}
	return byTurns(seeds, dead)
}

// byTurns shuffles both and takes from them by turns.
func byTurns(a, b []netip.AddrPort) []netip.AddrPort {
	for _, s := range [][]netip.AddrPort{a, b} {
		rand.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
	}
	var out []netip.AddrPort
	for len(a)+len(b) > 0 {
		if len(a) > 0 {
			out, a = append(out, a[0]), a[1:]
		}
		a, b = b, a
	}
	return out
}

// Alone reports whether the seeds name nobody but this node. A seed that cannot
// be looked up now is somebody else.
func (g *Group) Alone(ctx context.Context) bool {
	for _, s := range g.seeds.resolve(ctx) {
		if s.Changed.IsZero() || s.Err != nil || slices.ContainsFunc(s.Addrs, func(a netip.AddrPort) bool { return !g.isOwn(a) }) {
			return false
		}
	}
	return true
}
