package member

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
)

// counting is a Network that counts what its sockets are given.
type counting struct {
	Network
	given given
}

type given struct{ packets, packetBytes, streamBytes atomic.Uint64 }

type countingSocket struct {
	Socket
	given *given
}

type countingConn struct {
	net.Conn
	given *given
}

func (n *counting) Listen(at netip.AddrPort) (Socket, error) {
	s, err := n.Network.Listen(at)
	return countingSocket{s, &n.given}, err
}

func (s countingSocket) WritePacket(b []byte, to netip.AddrPort) error {
	s.given.packets.Add(1)
	s.given.packetBytes.Add(uint64(len(b)))
	return s.Socket.WritePacket(b, to)
}

func (s countingSocket) Accept() (net.Conn, error) {
	c, err := s.Socket.Accept()
	if err != nil {
		return nil, err
	}
	return countingConn{c, s.given}, nil
}

func (s countingSocket) Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	c, err := s.Socket.Dial(ctx, to)
	if err != nil {
		return nil, err
	}
	return countingConn{c, s.given}, nil
}

func (c countingConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.given.streamBytes.Add(uint64(n))
	return n, err
}

// TestSentIsAllThatIsWritten holds the counts of a group to what its socket was
// given: probes, gossip about members, frames, views and streams.
func TestSentIsAllThatIsWritten(t *testing.T) {
	net := &counting{Network: NewMemory(1)}
	at := netip.MustParseAddrPort("127.0.0.1:0")
	a := openWith(t, Config{Name: "a", Cluster: "c", Bind: at, Network: net})
	b := openWith(t, Config{Name: "b", Cluster: "c", Bind: at, Network: net, Seeds: []string{a.Addr().String()}})
	a.until(t, "a knows b", a.sees("b", Alive))
	b.until(t, "b knows a", b.sees("a", Alive))
	frame := make([]byte, 500)
	if err := a.Send(a.member("b"), frame); err != nil {
		t.Fatal(err)
	}
	<-b.frames
	stream, err := a.Dial(t.Context(), a.member("b"))
	if err != nil {
		t.Fatal(err)
	}
	accepted := <-b.streams
	got := make(chan error, 1)
	go func() { _, err := accepted.Read(make([]byte, 9)); got <- err }()
	if _, err := stream.Write([]byte("some data")); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	_ = accepted.Close()
	for _, g := range []*peer{a, b} {
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}
	of := func(load func(s Sent) uint64) uint64 { return load(a.Sent()) + load(b.Sent()) }
	for what, n := range map[string]struct {
		got  uint64
		want *atomic.Uint64
	}{
		"packets":         {of(func(s Sent) uint64 { return s.Packets }), &net.given.packets},
		"bytes in them":   {of(func(s Sent) uint64 { return s.PacketBytes }), &net.given.packetBytes},
		"bytes of stream": {of(func(s Sent) uint64 { return s.StreamBytes }), &net.given.streamBytes},
	} {
		if want := n.want.Load(); n.got != want || want == 0 {
			t.Errorf("%s: counted %d, want %d", what, n.got, want)
		}
	}
}
