package member

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// Memory is a network inside one process, for tests. It works in a bubble of
// testing/synctest, where its latency costs nothing.
type Memory struct {
	Latency time.Duration // of every packet and every dial

	mu      sync.Mutex // guards what follows
	random  *rand.Rand
	sockets map[netip.AddrPort]*memorySocket
	port    uint16 // the last one that was picked
	loss    float64
	cut     func(from, to netip.AddrPort) bool
}

var _ Network = (*Memory)(nil)

// NewMemory returns a network without loss; what it will lose is drawn from the
// seed.
func NewMemory(seed uint64) *Memory {
	return &Memory{
		random:  rand.New(rand.NewPCG(seed, seed)),
		sockets: make(map[netip.AddrPort]*memorySocket),
		port:    10_000,
	}
}

// Lose loses that part of all packets from now on.
func (m *Memory) Lose(part float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loss = part
}

// Cut loses every packet and dial for which cut reports true; nil heals. Open
// streams stay.
func (m *Memory) Cut(cut func(from, to netip.AddrPort) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cut = cut
}

// Listen is part of Network.
func (m *Memory) Listen(addr netip.AddrPort) (Socket, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if addr.Port() == 0 {
		m.port++ // nobody asks for a port above the first one by number
		addr = netip.AddrPortFrom(addr.Addr(), m.port)
	}
	if m.sockets[addr] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: syscall.EADDRINUSE}
	}
	s := &memorySocket{
		net: m, addr: addr, done: make(chan struct{}),
		packets: make(chan memoryPacket, 4096), streams: make(chan net.Conn, 64),
	}
	m.sockets[addr] = s
	return s, nil
}

// route finds the socket at an address, nil if nothing gets there.
func (m *Memory) route(from, to netip.AddrPort, loses bool) *memorySocket {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cut != nil && m.cut(from, to) || loses && m.loss > 0 && m.random.Float64() < m.loss {
		return nil
	}
	return m.sockets[to]
}

func (m *Memory) isCut(from, to netip.AddrPort) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cut != nil && m.cut(from, to)
}

type memoryPacket struct {
	from  netip.AddrPort
	bytes []byte
}

type memorySocket struct {
	net     *Memory
	addr    netip.AddrPort
	packets chan memoryPacket
	streams chan net.Conn
	done    chan struct{}
	once    sync.Once
}

func (s *memorySocket) Addr() netip.AddrPort { return s.addr }

func (s *memorySocket) ReadPacket(b []byte) (int, netip.AddrPort, error) {
	select {
	case p := <-s.packets:
		return copy(b, p.bytes), p.from, nil
	case <-s.done:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (s *memorySocket) WritePacket(b []byte, to netip.AddrPort) error {
	peer := s.net.route(s.addr, to, true)
	if peer == nil {
		return nil // lost, as packets are
	}
	p := memoryPacket{s.addr, append([]byte(nil), b...)}
	arrive := func() {
		select {
		case peer.packets <- p:
		case <-peer.done:
		default: // its buffer is full
		}
	}
	if s.net.Latency == 0 {
		arrive()
		return nil
	}
	time.AfterFunc(s.net.Latency, arrive)
	return nil
}

func (s *memorySocket) Accept() (net.Conn, error) {
	select {
	case c := <-s.streams:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

func (s *memorySocket) Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	refused := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: err}
	}
	if s.net.isCut(s.addr, to) {
		<-ctx.Done()
		return nil, refused(os.ErrDeadlineExceeded)
	}
	wait := time.NewTimer(s.net.Latency)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return nil, refused(ctx.Err())
	}
	peer := s.net.route(s.addr, to, false)
	if peer == nil {
		return nil, refused(syscall.ECONNREFUSED)
	}
	near, far := net.Pipe()
	select {
	case peer.streams <- memoryConn{far, s.addr}:
		return memoryConn{near, to}, nil
	case <-peer.done:
	case <-ctx.Done():
	}
	return nil, refused(syscall.ECONNREFUSED)
}

func (s *memorySocket) Close() error {
	err := fmt.Errorf("close %v: %w", s.addr, net.ErrClosed)
	s.once.Do(func() {
		s.net.mu.Lock()
		delete(s.net.sockets, s.addr)
		s.net.mu.Unlock()
		close(s.done)
		err = nil
	})
	return err
}

// memoryConn is one end of a pipe that knows whom it leads to.
type memoryConn struct {
	net.Conn
	peer netip.AddrPort
}

func (c memoryConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.peer) }
