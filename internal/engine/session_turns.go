package engine

import (
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// A session runs so, X being the side that first has nothing left to compare:
//
//	both  RANGES of the tree, each turn with the CELLS and PURGE it has caused
//	X     what the last of them has caused, SHOWN
//	Y     SHOWN, ACCEPTED
//	X     ACCEPTED, RANGES of the context unless it is equal or nobody may merge
//	both  RANGES of the context, with CTX
//	both  DONE
//
// CELLS and PURGE may stand in every turn: a cell that came back higher than
// the sender's is sent to it.

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
		return s.onRanges(m, step)
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

// onRanges ends the peer's turn: this side answers.
func (s *Session) onRanges(m *wire.Ranges, step func(Input) Effects) error {
	r := s.tree
	switch {
	case m.Phase == wire.PhaseTree && (s.shown || s.peerShown || s.done):
		return errProtocol
	case m.Phase == wire.PhaseTree:
	case s.yes == unanswered || s.peerYes == unanswered || s.done:
		return errProtocol
	default:
		r = s.context()
	}
	out, err := r.answer(m.Ranges)
	switch {
	case err != nil:
		return err
	case !silent(out), !whole(m.Ranges):
		s.sayRanges(m.Phase, out)
	case m.Phase == wire.PhaseCtx || s.readOnly():
		s.sayDone()
	default:
		s.sayShown()
	}
	return nil
}

func (s *Session) sayShown() {
	s.say(&wire.Shown{})
	s.shown = true
}

// onShown either ends the peer's turn, and this side shows the rest and
// answers; or it is the answer to this side's own SHOWN. The peer says how many
// cells it has sent: a side that missed one would merge a context whose cells it
// does not have, and that loses them.
func (s *Session) onShown(m *wire.Shown) error {
	switch {
	case s.peerShown || len(s.tree.open) > 0:
		return errProtocol // it was told that something is open here
	case m.Sent != s.offered:
		return errCellsMissed
	}
	s.peerShown = true
	if !s.shown {
		s.sayShown()
		s.sayAccepted()
	}
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
	if !s.shown || !s.peerShown || s.peerYes != unanswered {
		return errProtocol
	}
	if s.peerYes = saidNo; m.Yes {
		s.peerYes = saidYes
	}
	step(&acceptedStep{s})
	if s.yes == unanswered {
		s.sayAccepted()
		s.beginCtx()
	}
	return nil
}

// beginCtx begins with the contexts, if anybody may merge something.
func (s *Session) beginCtx() {
	r := s.context()
	theirs := sumOf(s.peerCtx.Count, s.peerCtx.FP)
	h := r.half.(*ctxHalf)
	if ctxSum(s.root) == s.peerCtx || !h.gives && !h.takes {
		s.sayDone()
		return
	}
	s.sayRanges(wire.PhaseCtx, r.first(theirs))
}

// context is the reconciler of the contexts, made when both sides have said
// what they accepted.
func (s *Session) context() *reconciler {
	if s.ctx != nil {
		return s.ctx
	}
	h := &ctxHalf{
		measured: measured[*cell.Entry]{tree: s.root.Ctx.Tree()},
		out:      &s.out, gives: s.peerYes == saidYes, takes: s.mayMerge(),
	}
	switch s.plant {
	case PlantCtxLive:
		h.live = func() cell.Context { return s.e.Root().Ctx }
	case PlantCtxIncomplete:
		h.gives = true
	}
	s.ctx = &reconciler{half: h, fan: s.tree.fan, leaf: s.tree.leaf}
	return s.ctx
}

// mayMerge reports whether this side is complete towards its peer.
func (s *Session) mayMerge() bool { return s.yes == saidYes || s.plant == PlantCtxIncomplete }

func (s *Session) sayDone() {
	s.found.count += s.futile.skipped // what is left out is not agreed upon
	s.say(&wire.Done{Changed: s.changed, Differing: s.found.count})
	s.done = true
}

// onDone ends the session.
func (s *Session) onDone(m *wire.Done, step func(Input) Effects) error {
	if !s.readOnly() && (s.yes == unanswered || s.peerYes == unanswered) {
		return errProtocol
	}
	s.peerDone, s.peerResult = true, *m
	if !s.done {
		s.sayDone()
	}
	s.finish(s.outcome(), step)
	return nil
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
