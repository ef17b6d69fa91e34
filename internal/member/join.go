package member

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"time"
)

const (
	rejoinEvery   = 10 * time.Second
	rejoinUnready = time.Second
	// firstCalls is how many addresses one round calls while nobody has answered.
	firstCalls = 3
)

// run joins until ctx ends: at once, then from time to time.
func (g *Group) run(ctx context.Context) {
	defer close(g.stopped)
	for {
		g.join(ctx)
		next := time.NewTimer(g.pause())
		select {
		case <-next.C:
		case <-ctx.Done():
			next.Stop()
			return
		}
	}
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

// join calls one random address of those worth calling; a few, as long as
// nobody has ever answered.
func (g *Group) join(ctx context.Context) {
	calls := firstCalls
	if g.answered.Load() != nil {
		calls = 1
	}
	worth := g.worthCalling(ctx)
	rand.Shuffle(len(worth), func(i, j int) { worth[i], worth[j] = worth[j], worth[i] })
	for _, a := range worth[:min(calls, len(worth))] {
		if ctx.Err() != nil {
			return
		}
		if n, err := g.list.Join([]string{a.String()}); err == nil && n > 0 {
			now := time.Now()
			g.answered.Store(&now)
			g.cfg.OnChange()
			return
		}
	}
}

// worthCalling lists the seeds, and the members that died. Once settled, who is
// seen alive need not be called.
func (g *Group) worthCalling(ctx context.Context) []netip.AddrPort {
	skip := map[netip.AddrPort]bool{}
	var out []netip.AddrPort
	add := func(a netip.AddrPort) {
		if !skip[a] && !g.isOwn(a) {
			skip[a] = true
			out = append(out, a)
		}
	}
	for _, m := range g.Members() {
		switch {
		case m.State == Alive && g.settled.Load():
			skip[m.Addr] = true
		case m.State == Dead:
			add(m.Addr)
		}
	}
	for _, s := range g.cfg.Seeds {
		addrs, err := Lookup(ctx, s)
		if err != nil {
			g.cfg.Log.Debug("seed not found", "seed", s, "err", err)
			continue
		}
		for _, a := range addrs {
			add(a)
		}
	}
	return out
}

// Alone reports whether the seeds name nobody but this node. A seed that cannot
// be looked up now is somebody else.
func (g *Group) Alone(ctx context.Context) bool { return g.onlyOwn(ctx, g.cfg.Seeds) }

func (g *Group) onlyOwn(ctx context.Context, seeds []string) bool {
	for _, s := range seeds {
		addrs, err := Lookup(ctx, s)
		if err != nil {
			return false
		}
		for _, a := range addrs {
			if !g.isOwn(a) {
				return false
			}
		}
	}
	return true
}
