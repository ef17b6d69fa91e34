package engine

import (
	"errors"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/wire"
)

// Session is one reconciliation over a stream of its own, between two Roots
// that were pinned when HELLO was sent and answered.
//
// The two sides take turns. A side in its turn writes all that Next returns;
// then it reads, and hands each frame to Receive, until Next has frames again
// or Receive says SessionOver. So one goroutine per side is enough, no side
// writes while the other does, and flow control of the stream is that of the
// session. The asking side begins with Start; the answering side is given by
// Effects.Accept. A stream that ends early is told by Abort.
//
// Nothing here needs the engine's lock but the function step, by which a
// Session feeds its own inputs to Engine.Step: what is shown comes from the
// pinned Roots, what is applied is decided in Steps on the present state. A
// Session is used by one goroutine at a time.
type Session struct {
	sessionPin
	e     *Engine // only Root may be called outside a Step
	side  side
	state SessionState
	err   error

	out    outbox
	tree   *reconciler
	cells  *treeHalf // of it; nil in a read-only session
	ctx    *reconciler
	found  findings
	futile *futilePairs

	awaits  []awaited // bodies that follow the last CELLS
	body    []byte    // of the first of them, so far
	purges  []wire.AddrDot
	backs   []*cell.Cell // higher than what the peer showed: sent in the next turn
	offered uint64       // cells that the peer has shown
	entries uint64       // and of its context,
	spans   uint64       // with so many spans

	shown, peerShown bool // SHOWN was sent, came
	yes, peerYes     answer
	peerCtxLeg       []wire.Range // of the peer's present turn
	contextCame      bool         // all of the peer's that this side lacked
	done, peerDone   bool
	refused          uint64
	changed          uint64 // cells raised or purged here
	returned         int    // cells and purges that the peer got behind its DONE
	peerResult       wire.Done
	late             bool // a difference older than two seconds was found
	skewed           bool // a cell was refused for its time
	retry            time.Duration
	end              SessionEnd
}

// sessionPin is what a session has fixed before its stream was opened.
type sessionPin struct {
	peer     cell.Origin
	sid      uint64
	flags    wire.HelloFlags
	root     *Root
	at       time.Duration // when it was pinned here
	wallMS   int64         // the same on the wall clock
	before   hlc.Time      // H of HELLO
	peerTree wire.Sum
	peerCtx  wire.Sum
	ahead    []piece // what the peer has sent ahead of its DIFFER
	plant    Plant
}

// SessionState says whether a Session wants more.
type SessionState uint8

// The states of a Session.
const (
	SessionRunning SessionState = iota // write what Next returns, then read on
	SessionOver                        // write what Next returns, then close the stream
)

// answer is what an ACCEPTED said.
type answer uint8

const (
	unanswered answer = iota
	saidYes
	saidNo
)

func answerOf(refused uint64) answer {
	if refused == 0 {
		return saidYes
	}
	return saidNo
}

// SessionEnd says how a session ended.
type SessionEnd uint8

// The ends of sessions; N of EventSession.
const (
	EndAborted    SessionEnd = iota // the stream ended early or could not be had, or the peer broke the rules
	EndInSync                       // HELLO was answered by INSYNC, or answered with it
	EndComplete                     // both sides accepted all they were shown
	EndPartial                      // at least one side refused a cell
	EndReadOnly                     // a probe was answered
	EndNoPin                        // the peer no longer had the pin
	EndBusy                         // the peer had no room
	EndUnanswered                   // HELLO was not answered
)

var endNames = [...]string{
	EndAborted: "aborted", EndInSync: "in_sync", EndComplete: "complete", EndPartial: "partial",
	EndReadOnly: "read_only", EndNoPin: "no_pin", EndBusy: "busy", EndUnanswered: "unanswered",
}

// String is the end's name in logs, metrics and transcripts.
func (s SessionEnd) String() string {
	if int(s) < len(endNames) {
		return endNames[s]
	}
	return "unknown"
}

// Rates at which the shell lets a session write.
const (
	joinRate = 100_000_000 // bytes/s
	syncRate = 5_000_000
)

var errProtocol = errors.New("frame out of turn")

func newSession(e *Engine, pin sessionPin, s side) *Session {
	pin.plant = e.cfg.Plant
	ses := &Session{sessionPin: pin, e: e, side: s, futile: e.sync.guard(pin.peer).at(e.now.Mono)}
	if ses.readOnly() {
		ses.tree = newReconciler(&probeHalf{
			tree: pin.root.Tree, before: pin.before, found: &ses.found, asked: make(map[[2]string]bool),
		}, e.cfg, s)
	} else {
		ses.cells = &treeHalf{
			measured: measured[*cell.Stored]{tree: pin.root.Tree}, out: &ses.out, futile: ses.futile,
			young: pin.wallMS - youngAge.Milliseconds(), came: make(map[uint64]wire.Item),
		}
		ses.tree = newReconciler(ses.cells, e.cfg, s)
		ses.ctx = ses.newContext()
	}
	return ses
}

// Peer is the origin of the other side.
func (s *Session) Peer() cell.Origin { return s.peer }

// Rate is how many bytes per second the session may write.
func (s *Session) Rate() int {
	if s.flags&wire.HelloJoin != 0 {
		return joinRate
	}
	return syncRate
}

// Err is what the peer did wrong, if the session ended by that.
func (s *Session) Err() error { return s.err }

func (s *Session) readOnly() bool { return s.flags&wire.HelloProbe != 0 }

// Start begins the asking side's first turn.
func (s *Session) Start() {
	s.out.addMsg(s.hello(wire.TypeOpen))
	theirs := sumOf(s.peerTree.Count, s.peerTree.FP)
	if s.readOnly() {
		theirs = sum{count: s.peerTree.Count, fp: [12]byte{0: 1}} // sums of values are not known: begin to split
	} else {
		s.sayRanges(wire.PhaseCtx, s.ctx.first(sumOf(s.peerCtx.Count, s.peerCtx.FP)))
	}
	if len(s.ahead) > 0 {
		s.sayRanges(wire.PhaseTree, s.tree.follow(s.ahead))
		return
	}
	s.sayRanges(wire.PhaseTree, s.tree.first(theirs))
}

// hello is HELLO, DIFFER or OPEN of this session.
func (p *sessionPin) hello(kind wire.Type) *wire.Hello {
	return &wire.Hello{Kind: kind, Sid: p.sid, Flags: p.flags, H: p.before, Tree: treeSum(p.root), Ctx: ctxSum(p.root)}
}

func treeSum(r *Root) wire.Sum {
	a := r.Tree.Agg()
	return wire.Sum{Count: a.Count, FP: a.FP}
}

func ctxSum(r *Root) wire.Sum {
	a := r.Ctx.Tree().Agg()
	return wire.Sum{Count: a.Count, FP: a.FP}
}

// Next returns the next frame to be written, if any. Frames are made when they
// are asked for, so the caller writes each before it asks for the next.
func (s *Session) Next() (wire.Msg, bool) {
	m := s.out.next()
	if c, ok := m.(*wire.Shown); ok {
		c.Sent = s.out.sent // only now it is known
	}
	return m, m != nil
}

// Abort tells that the stream ended, or that there never was one. Cells that
// were applied stay; nothing else has changed. After SessionOver it does
// nothing.
func (s *Session) Abort(step func(Input) Effects) {
	if s.state == SessionOver {
		return
	}
	s.finish(EndAborted, step)
}

// finish ends the session and tells the engine.
func (s *Session) finish(end SessionEnd, step func(Input) Effects) {
	s.state, s.end = SessionOver, end
	s.awaits, s.body = nil, nil
	if end == EndAborted || end == EndNoPin || end == EndBusy {
		s.out = outbox{}
	}
	step(&endStep{s})
}

// violate ends the session because of what the peer sent.
func (s *Session) violate(err error, step func(Input) Effects) {
	s.err = err
	s.finish(EndAborted, step)
	s.out.addMsg(&wire.Err{Code: wire.CodeLimit, Text: err.Error()})
}

func (s *Session) sayRanges(p wire.Phase, ranges []wire.Range) {
	s.say(&wire.Ranges{Phase: p, Ranges: ranges})
}

// say queues a frame behind what goes back.
func (s *Session) say(m wire.Msg) {
	s.giveBack()
	s.out.addMsg(m)
}

// giveBack queues the cells and purges that the peer's turn has caused.
func (s *Session) giveBack() {
	for _, c := range s.backs {
		s.out.addCell(c)
	}
	s.out.addPurges(s.purges)
	s.backs, s.purges = nil, nil
}
