package member

import (
	"net/netip"
	"sync/atomic"
)

// Sent is what a Group has written to its socket since it was opened, its own
// talk about members included: payloads, without the headers of UDP and TCP.
type Sent struct{ Packets, PacketBytes, StreamBytes uint64 }

// sent counts the packets; conns counts the bytes of streams.
type sent struct{ packets, bytes atomic.Uint64 }

// Sent returns the counts of now.
func (g *Group) Sent() Sent {
	t := g.transport
	return Sent{Packets: t.sent.packets.Load(), PacketBytes: t.sent.bytes.Load(), StreamBytes: t.conns.written.Load()}
}

// write writes one packet; all of them come by here.
func (t *transport) write(b []byte, to netip.AddrPort) error {
	err := t.sock.WritePacket(b, to)
	if err == nil {
		t.sent.packets.Add(1)
		t.sent.bytes.Add(uint64(len(b)))
	}
	return err
}

// Write writes to the stream, and counts what it took.
func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.set.written.Add(uint64(n))
	return n, err
}
