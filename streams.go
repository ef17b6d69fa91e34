package starling

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/wire"
)

const (
	// streamIdle is how long a stream may say nothing.
	streamIdle = 10 * time.Second
	// openLimit is how long an accepted stream may take to say what it wants.
	openLimit = 2 * time.Second
	// writeBuffer gathers small frames of one turn.
	writeBuffer = 64 << 10
	// firstRoom is what a frame is given room for before any of it has come.
	firstRoom = 4 << 10
	// paceBurst is what a session may write at once before its rate counts.
	paceBurst = 1 << 20
)

// errFrame is a frame that does not belong where it came.
var errFrame = errors.New("frame out of place")

// reasonOf is why a frame was refused, as it is counted.
func reasonOf(err error) string {
	if errors.Is(err, errFrame) {
		return "out_of_place"
	}
	return wire.Reason(err)
}

// errForeign is that another cluster has the address by now.
var errForeign = errors.New("another cluster answered")

// stream reads and writes frames over one connection, from one goroutine.
type stream struct {
	n    *Node
	conn net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	in   []byte // reused: parsing keeps nothing of it
	out  []byte
	rate int // bytes per second that may be written, 0: no bound

	began   time.Time
	written int64
}

func (n *Node) newStream(c net.Conn) *stream {
	return &stream{n: n, conn: c, r: bufio.NewReaderSize(c, 16<<10), began: time.Now()}
}

// read reads one frame, which must come within the limit.
func (s *stream) read(limit time.Duration) (wire.Frame, error) {
	if err := s.conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return wire.Frame{}, err
	}
	var prefix [4]byte
	if _, err := io.ReadFull(s.r, prefix[:]); err != nil {
		return wire.Frame{}, err
	}
	size, err := wire.FrameLen(prefix)
	if err != nil {
		return wire.Frame{}, err
	}
	if err := s.fill(size); err != nil {
		return wire.Frame{}, err
	}
	f, err := s.n.codec.Parse(s.in)
	if err == nil && !f.Stream {
		err = errFrame
	}
	if err != nil {
		s.n.counts.malformed.add(reasonOf(err))
	}
	return f, err
}

// fill reads so many bytes into s.in. Its room follows what comes: a length is
// four bytes, and anybody can send those.
func (s *stream) fill(size int) error {
	s.in = s.in[:0]
	for len(s.in) < size {
		had := len(s.in)
		s.in = slices.Grow(s.in, min(size-had, max(had, firstRoom)))
		s.in = s.in[:min(cap(s.in), size)]
		if _, err := io.ReadFull(s.r, s.in[had:]); err != nil {
			return err
		}
	}
	return nil
}

// write writes one frame, at the rate that is allowed.
func (s *stream) write(m wire.Msg) error {
	var err error
	if s.out, err = s.n.codec.AppendStream(s.out[:0], wire.Frame{Header: s.n.header(), Msg: m}); err != nil {
		return err
	}
	if err := s.pace(len(s.out)); err != nil {
		return err
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(streamIdle)); err != nil {
		return err
	}
	if s.w == nil { // who only listens, or is refused, needs none
		s.w = bufio.NewWriterSize(s.conn, writeBuffer)
	}
	_, err = s.w.Write(s.out)
	return err
}

func (s *stream) flush() error {
	if s.w == nil {
		return nil
	}
	return s.w.Flush()
}

// pace waits until n more bytes are within the rate.
func (s *stream) pace(n int) error {
	s.written += int64(n)
	if s.rate == 0 || s.written <= paceBurst {
		return nil
	}
	due := time.Duration(float64(s.written-paceBurst) / float64(s.rate) * float64(time.Second))
	wait := due - time.Since(s.began)
	if wait <= 0 {
		return nil
	}
	// What was written must not wait here with us.
	if err := s.flush(); err != nil {
		return err
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-s.n.ctx.Done():
		return context.Canceled
	}
}

// header is that of a frame on a stream.
func (n *Node) header() wire.Header {
	n.mu.Lock()
	defer n.mu.Unlock()
	return wire.Header{Origin: n.engine.Origin(), Now: n.engine.Now(), Stream: true}
}

// dial opens the stream that the engine asked for.
func (n *Node) dial(d engine.Dial) {
	started := n.spawn(func() {
		c, err := n.connect(d.To)
		switch {
		case d.Session != nil && err != nil:
			d.Session.Abort(n.step)
		case d.Session != nil:
			d.Session.Start()
			err = n.session(n.newStream(c), d.Session)
		case err == nil:
			err = n.fetch(n.newStream(c), d)
		}
		if err != nil {
			level := slog.LevelDebug
			if errors.Is(err, errForeign) {
				level = slog.LevelInfo
			}
			n.log.Log(n.ctx, level, "stream failed", "to", n.nameOf(d.To), "err", err)
		}
		if d.Fetch != nil {
			n.step(engine.FetchFailed{To: d.To, Fetch: d.Fetch})
		}
	})
	if !started && d.Session != nil {
		return // the node closes: nobody asks any more
	}
}

func (n *Node) connect(to cell.Origin) (net.Conn, error) {
	m, known := n.dir.Load().byOrigin[to]
	if !known {
		return nil, fmt.Errorf("no member has origin %v", to)
	}
	return n.group.Dial(n.ctx, m)
}

// serve takes a stream that a peer has opened.
func (n *Node) serve(c net.Conn) {
	s := n.newStream(c)
	if err := n.answer(s); err != nil {
		n.log.Debug("stream refused", "from", c.RemoteAddr().String(), "err", err)
		_ = c.Close()
	}
}

// answer finds out what a peer wants. It closes the stream unless it fails.
func (n *Node) answer(s *stream) error {
	f, err := s.read(openLimit)
	if errors.Is(err, wire.ErrVersion) {
		no := fmt.Sprintf("this node speaks version %d of the protocol", wire.Version)
		return errors.Join(err, s.refuse(&wire.Err{Code: wire.CodeVersion, Text: no}))
	}
	if err != nil {
		return err
	}
	if _, known := n.dir.Load().byOrigin[f.Origin]; !known {
		n.strange(f.Origin)
		return fmt.Errorf("no member has origin %v", f.Origin)
	}
	switch m := f.Msg.(type) {
	case *wire.Hello:
		return n.accept(s, f.Origin, m)
	case *wire.Fetch:
		return n.serveFetch(s, m)
	}
	return errFrame
}

// accept takes a session.
func (n *Node) accept(s *stream, from cell.Origin, m *wire.Hello) error {
	if m.Kind != wire.TypeOpen {
		return errFrame
	}
	fx := n.step(engine.Opened{From: from, Open: m})
	if fx.Accept != nil {
		return n.session(s, fx.Accept)
	}
	if fx.Refuse != nil {
		if err := s.refuse(fx.Refuse); err != nil {
			return err
		}
	}
	return s.conn.Close()
}

// refuse says why a stream is closed.
func (s *stream) refuse(why wire.Msg) error {
	if err := s.write(why); err != nil {
		return err
	}
	return s.flush()
}

// session runs one side of a session to its end, and closes the stream.
func (n *Node) session(s *stream, ses *engine.Session) error {
	n.counts.sessions.Add(1)
	defer func() { _ = s.conn.Close() }()
	s.rate = ses.Rate()
	err := n.converse(s, ses)
	ses.Abort(n.step) // nothing, if it came to its end
	if err == nil {
		err = ses.Err()
	}
	return err
}

func (n *Node) converse(s *stream, ses *engine.Session) error {
	state := engine.SessionRunning
	for {
		for m, more := ses.Next(); more; m, more = ses.Next() {
			if err := s.write(m); err != nil {
				return err
			}
		}
		if err := s.flush(); err != nil || state == engine.SessionOver {
			return err
		}
		f, err := s.read(streamIdle)
		if err != nil {
			return err
		}
		if f.Origin != ses.Peer() {
			return misplaced(f)
		}
		state = ses.Receive(f.Msg, n.step)
	}
}

// misplaced says what is wrong with a frame that nobody waits for here.
func misplaced(f wire.Frame) error {
	if m, is := f.Msg.(*wire.Err); is && m.Code == wire.CodeLabel {
		return fmt.Errorf("%w: %s", errForeign, m.Text)
	}
	return errFrame
}

// refusal is what a stream of another cluster is answered.
func (n *Node) refusal() []byte {
	no := &wire.Err{Code: wire.CodeLabel, Text: "this is cluster " + n.opts.Cluster}
	frame, err := n.codec.AppendStream(nil, wire.Frame{Header: n.header(), Msg: no})
	if err != nil {
		n.log.Debug("refusal not said", "err", err)
	}
	return frame
}

// fetch asks a member for large bodies and takes what comes until the stream
// ends.
func (n *Node) fetch(s *stream, d engine.Dial) error {
	defer func() { _ = s.conn.Close() }()
	if err := s.write(d.Fetch); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	for {
		f, err := s.read(streamIdle)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, is := f.Msg.(*wire.Body); !is || f.Origin != d.To {
			return misplaced(f)
		}
		n.step(engine.Received{Frame: f})
	}
}

// serveFetch sends the bodies that a member asks for.
func (n *Node) serveFetch(s *stream, m *wire.Fetch) error {
	select {
	case n.fetches <- struct{}{}:
		defer func() { <-n.fetches }()
	default:
		return errors.New("too many fetches")
	}
	for b := range engine.ServeFetch(n.engine.Root(), m) {
		if err := s.write(b); err != nil {
			return err
		}
	}
	if err := s.flush(); err != nil {
		return err
	}
	return s.conn.Close()
}
