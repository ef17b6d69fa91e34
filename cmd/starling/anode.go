package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/web"
)

// aNode is a node as the HTTP API wants it.
type aNode struct {
	node *starling.Node
	left func() // is called after the node has left by request
}

// Name is part of web.Node.
func (n aNode) Name() string { return n.node.Name() }

// Ready is part of web.Node.
func (n aNode) Ready() bool { return n.node.State() == starling.Running }

// Members is part of web.Node.
func (n aNode) Members(context.Context) ([]web.Member, error) {
	var members []web.Member
	for _, m := range n.node.Members() {
		members = append(members, web.Member{
			Name: m.Name, Addr: m.Addr, State: m.State, Since: m.Since.UTC(), Self: m.Self, Native: m.Native, Origin: m.Origin,
		})
	}
	return members, nil
}

// Status is part of web.Node.
func (n aNode) Status(ctx context.Context) (web.Status, error) {
	agreement := n.agreement(ctx)
	stats := n.node.Stats()
	s := web.Status{
		Node: n.node.Name(), Cluster: n.node.Cluster(), Backend: "gossip",
		State: n.node.State().String(), Ready: n.Ready(),
		UptimeSeconds: stats.Uptime.Seconds(),
		Keys:          int(stats.Keys), Tombstones: int(stats.Cells - stats.Keys),
		Agreement: agreement, Foreign: n.foreign(),
	}
	return s, nil
}

// agreement counts who agrees. A node always agrees with itself.
func (n aNode) agreement(ctx context.Context) web.Agreement {
	a := web.Agreement{Members: 1, Agree: 1}
	for _, m := range n.node.Members() {
		if m.State == "dead" {
			a.Lost = append(a.Lost, m.Name)
		}
	}
	for _, other := range n.node.Agreement(ctx) {
		a.Members++
		if !other.AsOf.IsZero() && (a.AsOf.IsZero() || other.AsOf.Before(a.AsOf)) {
			a.AsOf = other.AsOf.UTC()
		}
		if other.Agrees {
			a.Agree++
			continue
		}
		d := web.Difference{Member: other.Member, Keys: other.Keys, Since: other.Since.UTC()}
		if other.AsOf.IsZero() {
			d.Reason = "was not compared yet"
		} else {
			d.Reason = fmt.Sprintf("differs in %d places", other.Differing)
		}
		a.Differ = append(a.Differ, d)
	}
	return a
}

// Leave is part of web.Leaver. A client that goes away does not keep the node from leaving in order.
func (n aNode) Leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
	defer cancel()
	if err := n.node.Leave(ctx); err != nil {
		return err
	}
	n.left()
	return nil
}

// Forget is part of web.Forgetter.
func (n aNode) Forget(_ context.Context, name string) (bool, error) {
	found, err := n.node.Forget(name)
	if errors.Is(err, starling.ErrAlive) {
		err = web.ErrAlive
	}
	return found, err
}

// Examine is part of web.Examiner.
func (n aNode) Examine(ctx context.Context) (web.Examination, error) {
	found := n.node.Examine(ctx)
	x := web.Examination{
		Node: n.node.Name(), Addr: n.node.Addr(), Namesake: found.Namesake, Foreign: n.foreign(), Clashes: found.Clashes,
		Clock: web.Clock{OffsetSeconds: found.Clock.Median.Seconds(), Peers: found.Clock.Peers, Warn: found.Clock.Warn},
	}
	for _, r := range found.Reach {
		x.Reach = append(x.Reach, web.Reach{
			Name: r.Name, Addr: r.Addr, Self: r.Self, Alien: !r.Native, RTTSeconds: r.RTT.Seconds(), UDPError: text(r.UDP), TCPError: text(r.TCP),
		})
	}
	for _, s := range found.Seeds {
		x.Seeds = append(x.Seeds, web.Seed{Seed: s.Seed, Addrs: append([]string{}, s.Addrs...), Error: s.Err})
	}
	return x, nil
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (n aNode) foreign() []web.Foreign {
	var out []web.Foreign
	for _, f := range n.node.Stats().Foreign {
		out = append(out, web.Foreign{Cluster: f.Cluster, Addr: f.Addr, Count: f.Count, Last: f.Last.UTC()})
	}
	return out
}
