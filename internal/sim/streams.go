package sim

import (
	"cmp"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/wire"
)

// idleDeadline is when a stream that says nothing is broken, unless the engines
// have another.
const idleDeadline = 10 * time.Second

// stream is one reliable, ordered connection, as TCP would be: it delivers
// everything in order, or breaks.
type stream struct {
	w    *World
	ends [2]*end // the dialler first
	// stalled: a frame met a closed link. What was sent after it arrives no
	// sooner than it does, also when the link is open again: not before the stream breaks.
	stalled bool
	broken  bool
}

// end is one side of a stream.
type end struct {
	node    *Node
	life    int
	session *engine.Session
	fetch   *wire.Fetch // the dialler of a fetch stream
	last    time.Duration
	done    bool
}

// dial opens the stream that an engine asked for.
func (w *World) dial(n *Node, d engine.Dial) {
	to := w.byOrigin[d.To]
	if to == nil {
		n.fail(d)
		return
	}
	s := &stream{w: w}
	s.ends[0] = &end{node: n, life: n.life, session: d.Session, fetch: d.Fetch}
	s.ends[1] = &end{node: to, life: to.life}
	w.streams = append(w.streams, s)
	if d.Fetch != nil {
		s.send(0, []wire.Msg{d.Fetch})
		return
	}
	d.Session.Start()
	s.pump(0)
}

// fail tells a node that a stream could not be opened.
func (n *Node) fail(d engine.Dial) {
	if d.Fetch != nil {
		n.Step(engine.FetchFailed{To: d.To, Fetch: d.Fetch})
		return
	}
	d.Session.Abort(n.Step)
}

// send sends frames from one end; each arrives after the one before it.
func (s *stream) send(from int, msgs []wire.Msg) {
	w, e, to := s.w, s.ends[from], s.ends[1-from]
	for _, m := range msgs {
		if s.broken {
			return
		}
		f := wire.Frame{Header: wire.Header{Origin: originOf(e.node), Now: e.node.eng.Now(), Stream: true}, Msg: m}
		b, err := w.codec.Append(nil, f)
		if err != nil {
			panic("sim: a session sent a frame that does not encode: " + err.Error())
		}
		w.Counts.Frame(m.Type())
		w.note('t', e.node.Index, b)
		if w.rnd.Float64() < w.Links.CutStream {
			w.Counts.Fault("stream cut")
			w.After(w.jitter(), s.abort)
			return
		}
		at := max(w.now+w.Links.Latency+w.jitter(), to.last)
		to.last = at
		if w.Observe != nil {
			w.Observe.Sent(e.node, to.node, f, len(b))
		}
		w.After(at-w.now, func() { s.arrive(1-from, b) })
	}
}

// arrive hands the next frame to one end.
func (s *stream) arrive(at int, b []byte) {
	e, from := s.ends[at], s.ends[1-at]
	if s.broken || s.stalled || e.done {
		return
	}
	if !e.alive() || !from.alive() && at == 0 {
		s.abort()
		return
	}
	if !s.w.Links.open(from.node.Index, e.node.Index) || !s.w.Links.open(e.node.Index, from.node.Index) {
		s.stalled = true
		s.w.Counts.Fault("stream stalled")
		s.w.After(cmp.Or(s.w.Config.SessionIdle, idleDeadline), s.abort)
		return
	}
	e.node.later(func() { s.receive(at, b) })
}

func (e *end) alive() bool { return e.node.up && e.node.life == e.life }

// receive is the shell's loop of one stream, one frame at a time.
func (s *stream) receive(at int, b []byte) {
	e := s.ends[at]
	if s.broken || e.done {
		return
	}
	f, err := s.w.codec.Parse(b)
	if err != nil {
		panic("sim: a stream frame does not parse: " + err.Error())
	}
	switch m := f.Msg.(type) {
	case *wire.Fetch:
		for body := range engine.ServeFetch(e.node.Root(), m) {
			s.send(at, []wire.Msg{body})
		}
		e.done = true
		s.w.After(s.ends[1-at].last-s.w.now, func() { s.served(1 - at) })
	case *wire.Body:
		if e.fetch != nil {
			e.node.Step(engine.Received{Frame: f})
			return
		}
		s.drive(at, m)
	case *wire.Hello:
		if e.session == nil && m.Kind == wire.TypeOpen {
			s.accept(at, f.Origin, m)
			return
		}
		s.drive(at, m)
	default:
		s.drive(at, f.Msg)
	}
}

// served tells the dialler of a fetch that its stream has ended.
func (s *stream) served(at int) {
	e := s.ends[at]
	if s.broken || e.done || !e.alive() {
		return
	}
	e.done = true
	e.node.later(func() {
		e.node.Step(engine.FetchFailed{To: originOf(s.ends[1-at].node), Fetch: e.fetch})
	})
}

// accept begins the serving side of a session.
func (s *stream) accept(at int, from cell.Origin, open *wire.Hello) {
	e := s.ends[at]
	fx := e.node.Step(engine.Opened{From: from, Open: open})
	if fx.Accept == nil {
		s.send(at, []wire.Msg{fx.Refuse})
		e.done = true
		return
	}
	e.session = fx.Accept
	s.drive(at, open)
}

// drive feeds one frame to the session of an end and sends what it answers.
func (s *stream) drive(at int, m wire.Msg) {
	e := s.ends[at]
	if e.session == nil {
		return
	}
	state := e.session.Receive(m, e.node.Step)
	s.pump(at)
	if state == engine.SessionOver {
		e.done = true
	}
}

// pump sends what the session of an end has to say in its turn.
func (s *stream) pump(at int) {
	for {
		m, ok := s.ends[at].session.Next()
		if !ok {
			return
		}
		s.send(at, []wire.Msg{m})
	}
}

// abort breaks the stream: both ends notice.
func (s *stream) abort() {
	if s.broken {
		return
	}
	s.broken = true
	for i, e := range s.ends {
		if e.done || !e.alive() {
			continue
		}
		e.done = true
		e.node.later(func() {
			switch {
			case e.session != nil:
				e.session.Abort(e.node.Step)
			case e.fetch != nil:
				e.node.Step(engine.FetchFailed{To: originOf(s.ends[1-i].node), Fetch: e.fetch})
			}
		})
	}
}

// abortStreamsOf breaks every stream of a node that died, and forgets streams
// that are over.
func (w *World) abortStreamsOf(n *Node) {
	kept := w.streams[:0]
	for _, s := range w.streams {
		if s.broken || s.ends[0].done && s.ends[1].done {
			continue
		}
		if s.ends[0].node == n || s.ends[1].node == n {
			w.After(w.jitter(), s.abort)
		}
		kept = append(kept, s)
	}
	w.streams = kept
}
