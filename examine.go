package starling

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/member"
)

// ErrAlive is returned by Forget for a member that lives.
var ErrAlive = errors.New("the member is alive")

// Forget drops a member that is gone from this node's list, before a day is
// over: it is not called any more. Other nodes are not told. It reports whether
// there was one.
func (n *Node) Forget(name string) (found bool, err error) {
	found, alive := n.group.Forget(name)
	if alive {
		return true, ErrAlive
	}
	return found, nil
}

// Examination is what a node finds when it tries its connections.
type Examination struct {
	Reach    []Reach     // every live member, this node among them, by name
	Seeds    []Seed      // as of the last look-up
	Namesake string      // address of another live node with this one's name
	Clock    ClockOffset // against the peers heard of late
	Clashes  uint64      // how often another process had this node's origin
}

// Reach is whether a member answers at the address that it tells others.
type Reach struct {
	Member
	UDP, TCP error         // nil: it answers
	RTT      time.Duration // by UDP
}

// ClockOffset is how far the clocks of the peers are from this node's.
type ClockOffset struct {
	Median time.Duration // positive: they are ahead
	Peers  int
	Warn   bool // more than half of what is allowed
}

// maxProbes is how many members are asked at one time.
const maxProbes = 32

// Examine asks every live member, this one too, by UDP and by TCP, at the
// address that it tells others, and says what else it knows of its connections.
// It takes about as long as the slowest member that does not answer.
func (n *Node) Examine(ctx context.Context) Examination {
	x := Examination{Reach: n.reach(ctx), Namesake: n.life.lately(), Seeds: n.Seeds()}
	n.mu.Lock()
	o := n.engine.Offset()
	x.Clashes = n.engine.Stats().Events[engine.EventClash]
	n.mu.Unlock()
	x.Clock = ClockOffset{Median: time.Duration(o.Median) * time.Millisecond, Peers: o.Peers, Warn: o.Warn}
	return x
}

func (n *Node) reach(ctx context.Context) []Reach {
	var alive []member.Member
	for _, m := range n.group.Members() {
		if m.State == member.Alive {
			alive = append(alive, m)
		}
	}
	out := make([]Reach, len(alive))
	seats := make(chan struct{}, maxProbes)
	var wg sync.WaitGroup
	for i, m := range alive {
		seats <- struct{}{}
		wg.Go(func() {
			p := n.group.Probe(ctx, m)
			out[i] = Reach{
				Member: memberOf(m, n.opts.Name), UDP: p.UDP, TCP: p.TCP, RTT: p.RTT,
			}
			<-seats
		})
	}
	wg.Wait()
	return out
}

func memberOf(m member.Member, self string) Member {
	return Member{
		Name: m.Name, Addr: m.Addr.String(), State: m.State.String(), Since: m.Since,
		Origin: m.Meta.Origin.String(), Self: m.Name == self, Native: m.Native(),
	}
}

// lately is the address of a namesake that was heard of in the last minute.
func (l *life) lately() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.takenBy == "" || time.Since(l.takenLast) > time.Minute {
		return ""
	}
	return l.takenBy
}
