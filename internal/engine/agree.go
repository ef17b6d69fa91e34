package engine

import (
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/wire"
)

// Two nodes agree as of H iff, for each address, the higher of the two sides'
// cells is held by both or is not older than H; addresses where neither side
// shows a value do not count. Every session that runs to its end judges it for
// its pair; a Probe judges it for all peers at once and changes nothing.

// PeerAgreement is what this node knows of its agreement with one peer.
type PeerAgreement struct {
	Peer      Peer
	Agreed    hlc.Time // the last H as of which the two agreed; 0: never
	Judged    hlc.Time // the last H that was judged
	Differing uint64   // addresses that differed then
	Keys      []string // some of them; the peer may know others
	Since     hlc.Time // the first H since which they do not agree; 0: they do
}

// Agrees reports whether the last judgement was that the two agree.
func (a PeerAgreement) Agrees() bool { return a.Judged != 0 && a.Since == 0 }

// Agreement returns what is known for every live peer, in ring order. It must
// not be called while a Step runs.
func (e *Engine) Agreement() []PeerAgreement {
	out := make([]PeerAgreement, 0, e.peers.count())
	for n := range e.peers.nodes() {
		a := PeerAgreement{Peer: n}
		if p := e.sync.peers[n.Origin]; p != nil {
			a = p.agree
		}
		a.Keys = slices.Clone(a.Keys)
		out = append(out, a)
	}
	return out
}

// judged keeps what a pair has found out.
func (s *syncer) judged(pin *sessionPin, found *findings, theirs uint64) {
	p := s.of(pin.peer)
	if p == nil || pin.at < p.judged {
		return // an older session that took longer
	}
	p.judged = pin.at
	a := &p.agree
	a.Judged = pin.before
	a.Differing = found.count + theirs
	a.Keys = slices.Clone(found.keys)
	switch {
	case a.Differing == 0:
		a.Agreed, a.Since, a.Keys = pin.before, 0, nil
	case a.Since == 0:
		a.Since = pin.before
	}
}

// Probe asks every live peer whether it agrees, spread over a second, at most
// every 30 s. In between it asks only those of which nothing is known or that
// did not agree, at most every second: who waits for agreement sees it come.
type Probe struct{}

func (Probe) input() {}

func (Probe) run(e *Engine) { e.sync.probe.begin(e.sync) }

const (
	probeEvery  = 30 * time.Second
	probeAgain  = time.Second // for those that did not agree
	probeSpread = time.Second
	probeWait   = 3 * time.Second // for an answer
)

// probe is one round of HELLO(probe).
type probe struct {
	began time.Duration // when all were asked last
	asked time.Duration // when any were
	ever  bool
	todo  []mark // whom to ask, by when
	asks  []*ask // who was asked and has not answered, oldest first
	found []differed
}

// differed is a peer that answered DIFFER and waits for its read-only session.
type differed struct {
	a *ask
	m *wire.Hello
}

func (p *probe) begin(s *syncer) {
	now := s.e.now.Mono
	all := !p.ever || now-p.began >= probeEvery
	busy := len(p.todo)+len(p.asks)+len(p.found) > 0
	if !all && (busy || now-p.asked < probeAgain) {
		return
	}
	if all {
		p.ever, p.began = true, now
	}
	p.asked = now
	p.todo, p.asks, p.found = nil, nil, nil
	for i := range s.e.peers.count() {
		n := s.e.peers.node(i)
		if k := s.peers[n.Origin]; !all && k != nil && k.agree.Agrees() {
			continue
		}
		p.todo = append(p.todo, mark{n.Origin, now + probeSpread*time.Duration(i)/time.Duration(s.e.peers.count())})
	}
}

func (p *probe) forget(gone func(cell.Origin) bool) {
	p.todo = slices.DeleteFunc(p.todo, func(m mark) bool { return gone(m.peer) })
	p.asks = slices.DeleteFunc(p.asks, func(a *ask) bool { return gone(a.peer) })
	p.found = slices.DeleteFunc(p.found, func(d differed) bool { return gone(d.a.peer) })
}

// tick asks who is next and gives up who was silent.
func (p *probe) tick(s *syncer) {
	now := s.e.now.Mono
	for len(p.asks) > 0 && p.asks[0].due <= now {
		p.asks = p.asks[1:]
	}
	for len(p.todo) > 0 && p.todo[0].due <= now {
		a := &ask{sessionPin: s.pinNow(p.todo[0].peer), due: now + probeWait}
		a.flags = wire.HelloProbe
		p.todo = p.todo[1:]
		p.asks = append(p.asks, a)
		s.e.send(a.peer, a.hello(wire.TypeHello))
	}
	p.found = slices.DeleteFunc(p.found, func(d differed) bool { return d.a.at+s.e.cfg.PinAge <= now })
}

func (p *probe) due() time.Duration {
	d := never
	if len(p.todo) > 0 {
		d = min(d, p.todo[0].due)
	}
	if len(p.asks) > 0 {
		d = min(d, p.asks[0].due)
	}
	return d
}

// answered takes the ask that a peer has answered, if there is one.
func (p *probe) answered(from cell.Origin, sid uint64) *ask {
	i := slices.IndexFunc(p.asks, func(a *ask) bool { return a.peer == from && a.sid == sid })
	if i < 0 {
		return nil
	}
	a := p.asks[i]
	p.asks = slices.Delete(p.asks, i, i+1)
	return a
}

// drop gives up a peer that has no room.
func (p *probe) drop(from cell.Origin) {
	p.asks = slices.DeleteFunc(p.asks, func(a *ask) bool { return a.peer == from })
}

func (p *probe) differs(from cell.Origin, m *wire.Hello) {
	if a := p.answered(from, m.Sid); a != nil {
		p.found = append(p.found, differed{a, m})
	}
}

// differing opens the stream to the next peer that differs, if there is one.
func (p *probe) differing(s *syncer) bool {
	if len(p.found) == 0 {
		return false
	}
	d := p.found[0]
	p.found = p.found[1:]
	s.asked = d.a
	s.dial(d.a, d.m)
	return true
}
