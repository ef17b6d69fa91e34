package member

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/starlingkv/starling/internal/wire"
)

const (
	// greetTimeout is how long an accepted stream may take to say what it is.
	greetTimeout = 2 * time.Second
	// maxPacket is the largest packet there is.
	maxPacket = 64 << 10
	// labelMagic begins the label header of memberlist's packets and streams.
	labelMagic = 244
	// packetBacklog is how many packets may wait for memberlist.
	packetBacklog = 256
)

// errHushed is what writing to a transport that is about to close gives. It is
// none of the network errors that memberlist would blame on the peer.
var errHushed = errors.New("transport is closing")

// transport carries memberlist's packets and streams, and starling's streams,
// over one Socket. It refuses other clusters before memberlist sees them.
type transport struct {
	sock      Socket
	label     string
	head      []byte // of every packet: the label
	advertise netip.AddrPort
	foreign   *foreigners
	onPacket  func(frame []byte)
	onStream  func(net.Conn)
	refusal   func() []byte
	senders   senders

	packets chan *memberlist.Packet
	streams chan net.Conn
	slots   slots
	conns   conns
	hushed  atomic.Bool
	sent    sent
	refused atomic.Uint64 // streams that had no slot or did not say what they are

	dials context.Context // ends with the transport
	end   context.CancelFunc
	wg    sync.WaitGroup
}

var _ memberlist.NodeAwareTransport = (*transport)(nil)

// run starts the goroutines that read the socket.
func (t *transport) run() {
	t.packets = make(chan *memberlist.Packet, packetBacklog)
	t.streams = make(chan net.Conn)
	t.dials, t.end = context.WithCancel(context.Background())
	t.wg.Go(t.readPackets)
	t.wg.Go(t.accept)
}

// readPackets reads into one buffer and hands on copies of exact size. Frames do
// not go through memberlist, which would take them from goroutine to goroutine
// three times: they have a checksum of their own, and their receiver copies them.
func (t *transport) readPackets() {
	buf := make([]byte, maxPacket)
	for {
		n, from, err := t.sock.ReadPacket(buf)
		switch {
		case t.dials.Err() != nil:
			return
		case err != nil:
			if !t.breathe() {
				return
			}
			continue
		case n == 0:
			continue
		}
		inside, label, err := memberlist.RemoveLabelHeaderFromPacket(buf[:n])
		if err != nil {
			label = ""
		}
		if !t.foreign.admits(label, from) {
			continue
		}
		if frame, ours := frameIn(inside); ours {
			t.senders.note(frame, from)
			t.onPacket(frame)
			continue
		}
		p := &memberlist.Packet{Buf: append([]byte(nil), buf[:n]...), From: net.UDPAddrFromAddrPort(from), Timestamp: time.Now()}
		select {
		case t.packets <- p:
		case <-t.dials.Done():
			return
		}
	}
}

// sendFrame sends a frame in the packet that memberlist would make of it, without
// the copies that it would make on the way.
func (t *transport) sendFrame(frame []byte, to Member) error {
	if t.hushed.Load() {
		return errHushed
	}
	b := append(make([]byte, 0, len(t.head)+frameHead+len(frame)), t.head...)
	return t.write(appendFrame(b, frame, to.crc), to.Addr)
}

// breathe waits a little after an error of the socket that may pass, such as
// too many open files. It reports false when the transport closes.
func (t *transport) breathe() bool {
	timer := time.NewTimer(10 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-t.dials.Done():
		return false
	}
}

func (t *transport) accept() {
	for {
		c, err := t.sock.Accept()
		switch {
		case t.dials.Err() != nil:
			if err == nil {
				_ = c.Close()
			}
			return
		case err != nil:
			if !t.breathe() {
				return
			}
			continue
		}
		release := t.slots.take(remote(c).Addr().Unmap())
		if release == nil {
			t.refused.Add(1)
			_ = c.Close()
			continue
		}
		tracked := t.conns.track(c, release)
		t.wg.Go(func() { t.serve(tracked) })
	}
}

// serve finds out what a stream is, and hands it on.
func (t *transport) serve(c *conn) {
	label, ours, err := greeting(c)
	if err != nil {
		t.refused.Add(1)
		_ = c.Close()
		return
	}
	if !t.foreign.admits(label, remote(c)) {
		if ours {
			t.refuse(c)
		}
		_ = c.Close()
		return
	}
	if ours {
		t.onStream(c)
		return
	}
	select {
	case t.streams <- c:
	case <-t.dials.Done():
		_ = c.Close()
	}
}

// refuse tells the other end of a starling stream why it is closed.
func (t *transport) refuse(c net.Conn) {
	if c.SetWriteDeadline(time.Now().Add(greetTimeout)) == nil {
		_, _ = c.Write(t.refusal()) // whoever does not wait for it does not hear it
	}
}

// greeting reads the label of a stream. Of a memberlist stream it is put back.
func greeting(c *conn) (label string, ours bool, err error) {
	if err := c.SetReadDeadline(time.Now().Add(greetTimeout)); err != nil {
		return "", false, err
	}
	head := make([]byte, 2, 2+255)
	if _, err := io.ReadFull(c, head[:1]); err != nil {
		return "", false, err
	}
	switch head[0] {
	case wire.StreamMagic, labelMagic:
	default: // memberlist without a label
		c.peeked = head[:1]
		return "", false, c.SetReadDeadline(time.Time{})
	}
	if _, err := io.ReadFull(c, head[1:2]); err != nil {
		return "", false, err
	}
	head = head[:2+int(head[1])]
	if _, err := io.ReadFull(c, head[2:]); err != nil {
		return "", false, err
	}
	ours = head[0] == wire.StreamMagic
	if !ours {
		c.peeked = head
	}
	return string(head[2:]), ours, c.SetReadDeadline(time.Time{})
}

func remote(c net.Conn) netip.AddrPort {
	a, _ := netip.ParseAddrPort(c.RemoteAddr().String())
	return a
}

// open opens a starling stream.
func (t *transport) open(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	c, err := t.dial(ctx, to)
	if err != nil {
		return nil, err
	}
	err = c.SetWriteDeadline(time.Now().Add(greetTimeout))
	if err == nil {
		_, err = c.Write(wire.StreamHello(t.label))
	}
	if err == nil {
		err = c.SetWriteDeadline(time.Time{})
	}
	if err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("greet %v: %w", to, err)
	}
	return c, nil
}

func (t *transport) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	defer context.AfterFunc(t.dials, cancel)()
	c, err := t.sock.Dial(ctx, to)
	if err != nil {
		return nil, err
	}
	return t.conns.track(c, nil), nil
}

// hush lets nothing more out: memberlist then begins no new probe.
func (t *transport) hush() { t.hushed.Store(true) }

// FinalAdvertiseAddr is part of memberlist.Transport.
func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return t.advertise.Addr().AsSlice(), int(t.advertise.Port()), nil
}

// WriteTo is part of memberlist.Transport.
func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	if t.hushed.Load() {
		return time.Time{}, errHushed
	}
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return time.Time{}, err
	}
	err = t.write(b, to)
	return time.Now(), err
}

// WriteToAddress is part of memberlist.NodeAwareTransport.
func (t *transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	return t.WriteTo(b, a.Addr)
}

// PacketCh is part of memberlist.Transport.
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh is part of memberlist.Transport.
func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

// DialTimeout is part of memberlist.Transport.
func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	if t.hushed.Load() {
		return nil, errHushed
	}
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(t.dials, timeout)
	defer cancel()
	return t.dial(ctx, to)
}

// DialAddressTimeout is part of memberlist.NodeAwareTransport.
func (t *transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return t.DialTimeout(a.Addr, timeout)
}

// Shutdown is part of memberlist.Transport. It closes the socket and every
// stream, and waits until nothing reads them.
func (t *transport) Shutdown() error {
	t.hush()
	t.end()
	err := t.sock.Close()
	t.conns.closeAll()
	t.wg.Wait()
	return err
}
