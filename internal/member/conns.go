package member

import (
	"net"
	"sync"
	"sync/atomic"
)

// conns is every open stream of a transport, so that closing it leaves none.
type conns struct {
	written atomic.Uint64 // bytes, into all streams there were

	mu     sync.Mutex // guards what follows
	open   map[*conn]struct{}
	closed bool
}

// conn is one tracked stream. What was read of it to judge it is read again.
type conn struct {
	net.Conn
	set    *conns
	peeked []byte
	once   sync.Once
	after  func()
}

// track puts c among the open streams; after runs when it is closed. The
// result is closed already if the set is.
func (s *conns) track(c net.Conn, after func()) *conn {
	t := &conn{Conn: c, set: s, after: after}
	s.mu.Lock()
	closed := s.closed
	if !closed {
		if s.open == nil {
			s.open = make(map[*conn]struct{})
		}
		s.open[t] = struct{}{}
	}
	s.mu.Unlock()
	if closed {
		_ = t.Close()
	}
	return t
}

// closeAll closes every stream, and every one that comes.
func (s *conns) closeAll() {
	s.mu.Lock()
	s.closed = true
	var all []*conn
	for c := range s.open {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		_ = c.Close()
	}
}

// Read reads what was peeked, then the stream.
func (c *conn) Read(b []byte) (int, error) {
	if len(c.peeked) > 0 {
		n := copy(b, c.peeked)
		c.peeked = c.peeked[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// Close closes the stream and forgets it.
func (c *conn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		c.set.mu.Lock()
		delete(c.set.open, c)
		c.set.mu.Unlock()
		err = c.Conn.Close()
		if c.after != nil {
			c.after()
		}
	})
	return err
}
