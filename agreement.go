package starling

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/wire"
)

// Agreement is how far this node and one other live member hold the same.
type Agreement struct {
	Member    string    `json:"member"`
	Agrees    bool      `json:"agrees"`
	AsOf      time.Time `json:"as_of"`          // what was written up to then was compared; zero: nothing yet
	Since     time.Time `json:"since,omitzero"` // when they were first seen to differ
	Differing uint64    `json:"differing,omitempty"`
	Keys      []string  `json:"keys,omitempty"` // some of those that differ
}

// The patience of Agreement: how long members may take to answer, and how often
// it looks.
const (
	agreementWait = 3 * time.Second
	agreementLook = 20 * time.Millisecond
)

// Agreement asks every live member, by one small packet, whether it holds what
// this node holds, and returns what is known then, by name; members that do not
// answer in about three seconds, or before ctx ends, are as last known. Writes of
// the last ten seconds may still be on their way and are left out. It asks at
// most every 30 s; in between it tells what is known.
func (n *Node) Agreement(ctx context.Context) []Agreement {
	before := n.judged()
	if probes(n.step(engine.Probe{})) {
		n.awaitJudged(ctx, before)
	}
	n.mu.Lock()
	known := n.engine.Agreement()
	n.mu.Unlock()
	out := make([]Agreement, 0, len(known))
	for _, a := range known {
		out = append(out, Agreement{
			Member: a.Peer.Name, Agrees: a.Agrees(),
			AsOf: timeOf(a.Judged), Since: timeOf(a.Since),
			Differing: a.Differing, Keys: a.Keys,
		})
	}
	slices.SortFunc(out, func(a, b Agreement) int { return cmp.Compare(a.Member, b.Member) })
	return out
}

// probes reports whether the Step has begun to ask.
func probes(fx engine.Effects) bool {
	return slices.ContainsFunc(fx.Send, func(p engine.Packet) bool {
		m, ok := p.Frame.Msg.(*wire.Hello)
		return ok && m.Flags&wire.HelloProbe != 0
	})
}

// judged is up to when each live member was last compared.
func (n *Node) judged() map[engine.Peer]hlc.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	by := make(map[engine.Peer]hlc.Time)
	for _, a := range n.engine.Agreement() {
		by[a.Peer] = a.Judged
	}
	return by
}

// awaitJudged waits until every member of before, if it still lives, was
// compared again.
func (n *Node) awaitJudged(ctx context.Context, before map[engine.Peer]hlc.Time) {
	ctx, cancel := context.WithTimeout(ctx, agreementWait)
	defer cancel()
	look := time.NewTicker(agreementLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.ctx.Done():
			return
		case <-look.C:
		}
		missing := false
		for who, now := range n.judged() {
			was, asked := before[who]
			missing = missing || asked && now == was
		}
		if !missing {
			return
		}
	}
}

func timeOf(t hlc.Time) time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMilli(t.Milli())
}
