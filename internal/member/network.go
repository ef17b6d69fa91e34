package member

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Network is what a Group needs of the world. Nil in Config means the real one.
type Network interface {
	// Listen takes packets and streams at addr, an IP and a port; port 0 picks one.
	Listen(addr netip.AddrPort) (Socket, error)
}

// Socket is one address that takes packets and streams. Its methods may be
// called concurrently; Close ends those that block.
type Socket interface {
	// Addr is the address that Listen took.
	Addr() netip.AddrPort
	// ReadPacket reads one packet into b.
	ReadPacket(b []byte) (n int, from netip.AddrPort, err error)
	// WritePacket sends one packet, or loses it.
	WritePacket(b []byte, to netip.AddrPort) error
	// Accept returns the next stream.
	Accept() (net.Conn, error)
	// Dial opens a stream. Its error is a *net.OpError: memberlist tells by it
	// whether the peer or this node is at fault.
	Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error)
	// Close closes the socket, but not the streams.
	Close() error
}

// hostNetwork is that of the machine: UDP and TCP on one port.
type hostNetwork struct{}

// portTries is how often a free port is looked for that both protocols can have.
const portTries = 10

// packetBuffer is the kernel's buffer for packets that came and were not read:
// a burst of a few thousand.
const packetBuffer = 4 << 20

func (hostNetwork) Listen(addr netip.AddrPort) (Socket, error) {
	tries := 1
	if addr.Port() == 0 {
		tries = portTries
	}
	var last error
	for range tries {
		s, err := listenBoth(addr)
		if err == nil {
			return s, nil
		}
		last = err
	}
	return nil, last
}

func listenBoth(addr netip.AddrPort) (*hostSocket, error) {
	streams, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
	if err != nil {
		return nil, fmt.Errorf("streams: %w", err)
	}
	at := netip.AddrPortFrom(addr.Addr(), streams.Addr().(*net.TCPAddr).AddrPort().Port())
	packets, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		_ = streams.Close()
		return nil, fmt.Errorf("packets: %w", err)
	}
	// The system may allow less; then it is what it is.
	_ = packets.SetReadBuffer(packetBuffer)
	return &hostSocket{addr: at, packets: packets, streams: streams}, nil
}

type hostSocket struct {
	addr    netip.AddrPort
	packets *net.UDPConn
	streams *net.TCPListener
}

func (s *hostSocket) Addr() netip.AddrPort { return s.addr }

func (s *hostSocket) ReadPacket(b []byte) (int, netip.AddrPort, error) {
	n, from, err := s.packets.ReadFromUDPAddrPort(b)
	return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), err
}

func (s *hostSocket) WritePacket(b []byte, to netip.AddrPort) error {
	_, err := s.packets.WriteToUDPAddrPort(b, to)
	return err
}

func (s *hostSocket) Accept() (net.Conn, error) { return s.streams.AcceptTCP() }

func (s *hostSocket) Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	return d.DialContext(ctx, "tcp", to.String())
}

func (s *hostSocket) Close() error {
	err := s.streams.Close()
	if e := s.packets.Close(); err == nil {
		err = e
	}
	return err
}

// dialTimeout is how long a peer may take to take a stream.
const dialTimeout = 2 * time.Second
