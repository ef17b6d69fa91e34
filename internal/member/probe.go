package member

import (
	"context"
	"net"
	"time"
)

// Probe is what came of asking one member directly, by each of the two ways
// that members use. A nil error is an answer.
type Probe struct {
	UDP, TCP error
	RTT      time.Duration // of the answer by UDP
}

// Probe asks a member, this one too, at the address that it tells others.
func (g *Group) Probe(ctx context.Context, m Member) Probe {
	var p Probe
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		p.RTT, p.UDP = g.list.Ping(m.Name, net.UDPAddrFromAddrPort(m.Addr)) // it gives up by itself
	}()
	c, err := g.Dial(ctx, m)
	p.TCP = err
	if err == nil {
		_ = c.Close()
	}
	<-answered
	return p
}

// Forget drops a member that is gone, before its day is over: it is not listed
// and not called any more. It reports whether there was one, and whether it
// lives, which is why it stays.
func (g *Group) Forget(name string) (found, alive bool) {
	found, alive = g.view.forget(name)
	if found && !alive {
		g.cfg.OnChange()
	}
	return found, alive
}

func (v *view) forget(name string) (found, alive bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	m, found := v.all[name]
	alive = m.State == Alive
	if found && !alive {
		delete(v.all, name)
	}
	return found, alive
}
