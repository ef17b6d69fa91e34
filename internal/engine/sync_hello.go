package engine

import (
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// hello answers a peer: in sync, or a pin, or later. DIFFER of a peer comes here
// too, because it has the same layout.
func (s *syncer) hello(from cell.Origin, m *wire.Hello) {
	switch m.Kind {
	case wire.TypeHello:
		s.answer(from, m)
	case wire.TypeDiffer:
		s.differs(from, m)
	default:
		s.e.event(Event{Kind: EventMisplacedFrame, Peer: from, N: uint64(m.Kind)})
	}
}

// answer answers HELLO.
func (s *syncer) answer(from cell.Origin, m *wire.Hello) {
	e := s.e
	root := e.root.Load()
	switch {
	case m.Tree == treeSum(root) && m.Ctx == ctxSum(root):
		e.send(from, &wire.InSync{Sid: m.Sid})
		s.equal(&sessionPin{peer: from, at: e.now.Mono, before: min(m.H, e.hBefore())})
	case s.crossed(from, m), s.repin(from, m.Sid):
	case s.crowded():
		s.sayBusy(from)
	default:
		s.pinFor(from, m)
	}
}

// crossed settles that two nodes have asked each other: one session is enough,
// that of the lower origin.
func (s *syncer) crossed(from cell.Origin, m *wire.Hello) bool {
	a := s.asked
	switch {
	case m.Flags&wire.HelloProbe != 0 || a == nil || a.peer != from || a.flags&wire.HelloProbe != 0:
		return false
	case a.running:
		s.sayBusy(from)
		return true
	case s.e.cfg.Origin < from:
		// It will answer ours; an earlier one may have come before it knew us.
		s.e.send(from, a.hello(wire.TypeHello))
		return true
	}
	s.asked = nil
	return false
}

func (s *syncer) sayBusy(to cell.Origin) { s.e.send(to, s.busyNow()) }

func (s *syncer) busyNow() *wire.Busy {
	return &wire.Busy{RetryMS: uint64((busyRetry + s.draw(busyRetry)).Milliseconds())}
}

// pinFor pins the present Root for a peer and says so. It replaces what was
// pinned for the peer before.
func (s *syncer) pinFor(from cell.Origin, m *wire.Hello) {
	e, again := s.e, false
	s.pins = slices.DeleteFunc(s.pins, func(p pin) bool {
		replaced := p.peer == from && (p.flags^m.Flags)&wire.HelloProbe == 0
		again = again || replaced && p.young(e.now.Mono)
		return replaced
	})
	if len(s.pins) >= 4*e.cfg.MaxServed {
		s.pins = s.pins[1:]
	}
	p := pin{sessionPin: s.pinNow(from), until: e.now.Mono + e.cfg.PinAge}
	p.sid, p.peerTree, p.peerCtx = m.Sid, m.Tree, m.Ctx
	p.before = min(m.H, p.before)
	p.flags = m.Flags | s.joining()
	s.pins = append(s.pins, p)
	if !again { // who asks again and again costs a sum, not hundreds
		s.sayAhead(&p)
	}
	e.send(from, p.hello(wire.TypeDiffer))
}

// young reports whether the session of a pin may still be about to begin.
func (p *pin) young(now time.Duration) bool { return p.at+openDeadline > now }

// repin repeats DIFFER for a HELLO that came again.
func (s *syncer) repin(from cell.Origin, sid uint64) bool {
	for i := range s.pins {
		if p := &s.pins[i]; p.peer == from && p.sid == sid {
			s.e.send(from, p.hello(wire.TypeDiffer))
			return true
		}
	}
	return false
}

// crowded reports whether the sessions that run, and those that are about to,
// are as many as are served.
func (s *syncer) crowded() bool {
	n := s.served
	for i := range s.pins {
		if s.pins[i].young(s.e.now.Mono) {
			n++
		}
	}
	return n >= s.e.cfg.MaxServed
}

// inSync is the answer of a peer whose two sums are those this node pinned:
// the shortest complete session.
func (s *syncer) inSync(from cell.Origin, m *wire.InSync) {
	a := s.asked
	switch {
	case a != nil && !a.running && a.peer == from && a.sid == m.Sid:
		s.asked = nil
		s.equal(&a.sessionPin)
	default:
		if a := s.probe.answered(from, m.Sid); a != nil {
			s.equal(&a.sessionPin)
		}
	}
}

// equal is a complete session without a difference.
func (s *syncer) equal(p *sessionPin) {
	e := s.e
	e.lastYes = max(e.lastYes, p.at)
	e.event(Event{Kind: EventSession, Peer: p.peer, N: uint64(EndInSync)})
	s.complete()
	s.judged(p, &findings{}, 0)
}

// complete opens the gate.
func (s *syncer) complete() {
	s.e.open(ReadySession)
	if !s.synced {
		s.synced, s.early = true, earlySessions(s.e.peers.count())
		s.schedule()
	}
}

// differs is the answer of a peer that has pinned something else: the stream
// is asked for.
func (s *syncer) differs(from cell.Origin, m *wire.Hello) {
	a := s.asked
	switch {
	case a != nil && !a.running && a.peer == from && a.sid == m.Sid:
	default:
		s.probe.differs(from, m)
		return
	}
	s.dial(a, m)
}

func (s *syncer) dial(a *ask, m *wire.Hello) {
	a.running = true
	a.peerTree, a.peerCtx = m.Tree, m.Ctx
	a.before = min(a.before, m.H) // so that both sides judge as of one time
	a.flags |= m.Flags & wire.HelloJoin
	s.e.fx.Dial = append(s.e.fx.Dial, Dial{To: a.peer, Session: newSession(s.e, a.sessionPin, asking)})
}

// busy is the answer of a peer that has no room.
func (s *syncer) busy(from cell.Origin, m *wire.Busy) {
	a := s.asked
	if a == nil || a.running || a.peer != from {
		s.probe.drop(from)
		return
	}
	s.over(EndBusy)
	if s.synced {
		s.markAt(from, s.e.now.Mono+backIn(m.RetryMS))
	}
}
