package engine

import (
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// Opened is the first frame of a stream that a peer has opened for a session:
// an OPEN. Effects.Accept or Effects.Refuse answers it.
type Opened struct {
	From cell.Origin
	Open *wire.Hello
}

func (Opened) input() {}

func (o Opened) run(e *Engine) { e.sync.opened(o) }

// opened begins the answering side, if the pin that DIFFER promised is there.
func (s *syncer) opened(o Opened) {
	e := s.e
	i := slices.IndexFunc(s.pins, func(p pin) bool { return p.peer == o.From && p.sid == o.Open.Sid })
	switch {
	case o.Open.Kind != wire.TypeOpen || i < 0:
		e.fx.Refuse = &wire.Err{Code: wire.CodePin, Text: "nothing is pinned for this session"}
	case s.served >= e.cfg.MaxServed:
		e.fx.Refuse = s.busyNow()
	default:
		p := s.pins[i]
		s.pins = slices.Delete(s.pins, i, i+1)
		s.served++
		if k := s.of(o.From); k != nil {
			k.serving++
		}
		e.fx.Accept = newSession(e, p.sessionPin, answering)
	}
}

// endStep is the end of a session.
type endStep struct{ s *Session }

func (*endStep) input() {}

func (x *endStep) run(e *Engine) { e.sync.ended(x.s) }

// ended keeps the books of a session that is over.
func (s *syncer) ended(ses *Session) {
	e := s.e
	if ses.side == answering {
		s.served--
		if k := s.of(ses.peer); k != nil {
			k.serving = max(k.serving-1, 0)
		}
	} else if s.asked != nil && s.asked.sid == ses.sid {
		s.asked = nil
	}
	e.event(Event{Kind: EventSession, Peer: ses.peer, N: uint64(ses.end), Text: textOf(ses.err)})
	// Whatever became of the stream after that.
	if ses.yes == saidYes && ses.contextCame {
		s.complete()
	}
	if ses.late && ses.flags&wire.HelloJoin == 0 {
		e.push.doubleDigests()
	}
	if ses.peerDone {
		s.judged(&ses.sessionPin, &ses.found, ses.peerResult.Differing)
		s.guardFutile(ses)
	}
	if ses.side == asking {
		s.follow(ses)
	}
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// follow decides whether the peer is asked once more.
func (s *syncer) follow(ses *Session) {
	now := s.e.now.Mono
	differing := ses.found.count + ses.peerResult.Differing
	switch ses.end {
	case EndComplete:
		// What was repaired is agreed upon only when it was looked at again.
		if differing > 0 && ses.moved() {
			s.markAgain(ses.peer, now+againAfter)
		}
	case EndReadOnly:
		if differing > 0 {
			s.dirty(ses.peer, "a probe found differences")
		}
	case EndAborted, EndNoPin, EndPartial:
		s.dirty(ses.peer, "a session ended "+ses.end.String())
	case EndBusy:
		s.markAgain(ses.peer, now+max(ses.retry, busyRetry))
	}
}

// moved reports whether the session has changed anything on either side. A peer
// that has said DONE does not tell any more what became of what it got then.
func (s *Session) moved() bool { return s.changed+s.peerResult.Changed+uint64(s.returned) > 0 }

func (s *syncer) markAgain(o cell.Origin, due time.Duration) {
	if s.of(o) != nil {
		s.markAt(o, due)
	}
}

// guardFutile records what a complete session exchanged without any change on
// either side. Where a packet has changed something meanwhile, the pair is
// another from now on.
func (s *syncer) guardFutile(ses *Session) {
	p := s.of(ses.peer)
	if p == nil || ses.end != EndComplete || ses.moved() {
		return
	}
	vain := ses.futile.noted
	if len(vain) == 0 {
		return
	}
	if p.futile.learn(s.e.now.Mono, vain) > 0 {
		s.e.event(Event{Kind: EventNonConvergent, Peer: ses.peer, Addr: vain[0].addr, N: uint64(len(vain))})
	}
}
