package engine

import (
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// A turn of a session holds, in this order, what there is of
//
//	CELLS, BODY, PURGE  that the peer's turn has caused
//	SHOWN               once, when nothing is left to compare: what is asked for
//	                    now is all that may still come
//	ACCEPTED            once, behind the peer's SHOWN, or when nothing of it may
//	                    still come
//	CTX                 from SHOWN on
//	RANGES              of the contexts; none say nothing
//	RANGES of the tree, or DONE
//
// and the last of them ends it. Both trees are compared in the same turns, and
// each side says all that it knows as soon as it knows it, because a turn is a
// flight over the network. CTX follows all cells of its sender, so whoever reads
// it has judged these: it is merged if none was refused and is nothing to a side
// that has refused one.

// Receive takes the next frame of the peer's turn. A nil message, which is a
// frame of a later version, is ignored.
func (s *Session) Receive(m wire.Msg, step func(Input) Effects) SessionState {
	if s.state == SessionOver || m == nil {
		return s.state
	}
	if err := s.receive(m, step); err != nil {
		s.violate(err, step)
	}
	return s.state
}

func (s *Session) receive(m wire.Msg, step func(Input) Effects) error {
	if b, ok := m.(*wire.Body); ok {
		return s.onBody(b, step)
	}
	if len(s.awaits) > 0 {
		return errProtocol
	}
	switch m := m.(type) {
	case *wire.Hello:
		if m.Kind != wire.TypeOpen || s.side != answering {
			return errProtocol
		}
	case *wire.Busy:
		s.retry = backIn(m.RetryMS)
		s.finish(EndBusy, step)
	case *wire.Err:
		s.onErr(m, step)
	case *wire.Ranges:
		return s.onRanges(m)
	case *wire.Done:
		return s.onDone(m, step)
	default:
		if s.readOnly() {
			return errProtocol
		}
		return s.onContent(m, step)
	}
	return nil
}

// onContent takes the frames that a read-only session never sees.
func (s *Session) onContent(m wire.Msg, step func(Input) Effects) error {
	switch m := m.(type) {
	case *wire.Cells:
		return s.onCells(m, step)
	case *wire.Purge:
		s.onPurge(m, step)
	case *wire.Shown:
		return s.onShown(m)
	case *wire.Accepted:
		return s.onAccepted(m, step)
	case *wire.Ctx:
		return s.onCtx(m, step)
	default:
		return errProtocol
	}
	return nil
}

// onErr takes a refusal. That a cell was too young is said on the way and ends
// nothing.
func (s *Session) onErr(m *wire.Err, step func(Input) Effects) {
	step(&refusalStep{s, m})
	switch m.Code {
	case wire.CodeSkew:
	case wire.CodePin:
		s.finish(EndNoPin, step)
	default:
		s.finish(EndAborted, step)
	}
}

// onRanges keeps a leg of the contexts for the end of the peer's turn; one of
// the tree is that end.
func (s *Session) onRanges(m *wire.Ranges) error {
	switch {
	case s.done:
		return errProtocol // it was told that nothing is left to compare
	case m.Phase == wire.PhaseCtx && (s.readOnly() || s.peerCtxLeg != nil):
		return errProtocol
	case m.Phase == wire.PhaseCtx:
		s.peerCtxLeg = m.Ranges
		return nil
	case s.shown && !silent(m.Ranges), s.peerShown && sayingOf(m.Ranges) == compares:
		return errProtocol // what was shown is all
	case s.side == answering && !s.readOnly() && s.ctx.legs == 0 && s.peerCtxLeg == nil:
		return errProtocol // the contexts would not be compared
	}
	return s.turn(m.Ranges)
}

// onDone is the end of the peer's last turn. What it leaves out of both trees it
// has nothing to say of.
func (s *Session) onDone(m *wire.Done, step func(Input) Effects) error {
	if s.peerCtxLeg != nil || !s.readOnly() && (!s.peerShown || s.peerYes == unanswered) {
		return errProtocol
	}
	s.peerDone, s.peerResult = true, *m
	if s.done {
		s.contextCame = !s.readOnly()
	} else {
		s.returned = len(s.backs) + len(s.purges)
		if err := s.turn(nil); err != nil {
			return err
		}
		if !s.done {
			return errProtocol // it was told that something is open here
		}
	}
	s.finish(s.outcome(), step)
	return nil
}

// turn answers a turn of the peer that has ended with a leg of the tree.
func (s *Session) turn(leg []wire.Range) error {
	out, err := s.tree.answer(leg)
	if err != nil {
		return err
	}
	open := s.tree.said != saysNothing
	if !s.readOnly() {
		ctx, err := s.ctx.answer(s.peerCtxLeg)
		if err != nil {
			return err
		}
		s.peerCtxLeg = nil
		s.settle()
		if !silent(ctx) {
			s.sayRanges(wire.PhaseCtx, ctx)
		}
		open = open || s.ctx.said != saysNothing
	}
	if open {
		s.sayRanges(wire.PhaseTree, out)
	} else {
		s.sayDone()
	}
	return nil
}

// settle says what a turn says between cells and ranges.
func (s *Session) settle() {
	if !s.shown && s.tree.said != compares {
		s.say(&wire.Shown{})
		s.shown = true
	}
	if s.yes == unanswered && (s.peerShown || s.shown && s.tree.said == saysNothing) {
		s.sayAccepted()
	}
	s.contextCame = s.contextCame || s.peerShown && s.ctx.said == saysNothing
	if s.shown && s.peerYes != saidNo {
		s.giveBack()
		s.ctx.half.(*ctxHalf).sendTo(&s.out)
	}
}

// onShown notes that the peer has shown all. It says how many cells it has sent:
// a side that missed one would merge a context whose cells it does not have, and
// that loses them.
func (s *Session) onShown(m *wire.Shown) error {
	switch {
	case s.peerShown || len(s.tree.open) > 0:
		return errProtocol // it was told that something is open here
	case m.Sent != s.offered:
		return errCellsMissed
	}
	s.peerShown = true
	return nil
}

// sayAccepted says whether every cell that the peer showed was taken.
func (s *Session) sayAccepted() {
	if s.skewed {
		s.say(&wire.Err{Code: wire.CodeSkew, Text: "a cell is too far ahead of this clock"})
	}
	s.yes = answerOf(s.refused)
	s.say(&wire.Accepted{Yes: s.yes == saidYes, Refused: s.refused})
}

func (s *Session) onAccepted(m *wire.Accepted, step func(Input) Effects) error {
	if !s.shown && !s.peerShown || s.peerYes != unanswered {
		return errProtocol
	}
	if s.peerYes = saidNo; m.Yes {
		s.peerYes = saidYes
	}
	step(&acceptedStep{s})
	return nil
}

// newContext is the reconciler of the contexts.
func (s *Session) newContext() *reconciler {
	h := &ctxHalf{measured: measured[*cell.Entry]{tree: s.root.Ctx.Tree()}, takes: s.mayMerge}
	if s.plant == PlantCtxLive {
		h.live = func() cell.Context { return s.e.Root().Ctx }
	}
	return newReconciler(h, s.e.cfg, s.side)
}

// mayMerge reports whether this side is complete towards its peer, as far as it
// knows yet.
func (s *Session) mayMerge() bool { return s.refused == 0 || s.plant == PlantCtxIncomplete }

func (s *Session) sayDone() {
	s.found.count += s.futile.skipped // what is left out is not agreed upon
	s.say(&wire.Done{Changed: s.changed, Differing: s.found.count})
	s.done = true
}

func (s *Session) outcome() SessionEnd {
	switch {
	case s.readOnly():
		return EndReadOnly
	case s.yes == saidYes && s.peerYes == saidYes:
		return EndComplete
	default:
		return EndPartial
	}
}
