package member

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/starlingkv/starling/internal/cell"
)

// frameFrom is the head of a frame of an origin.
func frameFrom(o cell.Origin) []byte {
	return binary.BigEndian.AppendUint64([]byte{7, 1, 1, 0}, uint64(o))
}

func TestSenderIsReadFromPackets(t *testing.T) {
	frame := frameFrom(42)
	plain := append([]byte{userByte}, frame...)
	for _, c := range []struct {
		name   string
		packet []byte
		want   cell.Origin
	}{
		{"plain", plain, 42},
		{"with a checksum", append([]byte{checksumByte, 1, 2, 3, 4}, plain...), 42},
		{"cut", plain[:len(plain)-1], 0},
		{"a message of memberlist", append([]byte{0}, frame...), 0},
		{"empty", nil, 0},
	} {
		inside, _ := frameIn(c.packet)
		if got, found := originIn(inside); got != c.want || found != (c.want != 0) {
			t.Errorf("%s: origin %v, %v; want %v", c.name, got, found, c.want)
		}
	}
}

// TestFramesPassByMemberlist sends more frames than may wait for memberlist to a
// transport of which memberlist reads nothing.
func TestFramesPassByMemberlist(t *testing.T) {
	network := NewMemory(1)
	var socks [2]Socket
	for i := range socks {
		s, err := network.Listen(netip.MustParseAddrPort("127.0.0.1:0"))
		if err != nil {
			t.Fatal(err)
		}
		socks[i] = s
	}
	defer func() { _ = socks[1].Close() }()
	got := make(chan string, 2*packetBacklog)
	tr := &transport{
		sock: socks[0], label: "test", foreign: newForeigners("test", slog.New(slog.DiscardHandler)),
		onPacket: func(frame []byte) { got <- string(frame) },
	}
	tr.run()
	defer func() { _ = tr.Shutdown() }()
	for i := range cap(got) {
		frame := frameFrom(cell.Origin(i + 1))
		packet, err := memberlist.AddLabelHeaderToPacket(append([]byte{userByte}, frame...), "test")
		if err != nil {
			t.Fatal(err)
		}
		if err := socks[1].WritePacket(packet, socks[0].Addr()); err != nil {
			t.Fatal(err)
		}
		select {
		case f := <-got:
			if f != string(frame) {
				t.Fatalf("frame %d: got %x, want %x", i, f, frame)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("frame %d has not come", i)
		}
	}
	if at, found := tr.senders.find(1); !found || at != socks[1].Addr() {
		t.Errorf("the first sender is at %v, %v; want %v", at, found, socks[1].Addr())
	}
}

// TestPacketIsThatOfMemberlist: what a group sends itself, memberlist would send.
func TestPacketIsThatOfMemberlist(t *testing.T) {
	network := NewMemory(1)
	to, err := network.Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = to.Close() }()
	sent := func() []byte {
		t.Helper()
		b := make([]byte, maxPacket)
		n, _, err := to.ReadPacket(b)
		if err != nil {
			t.Fatal(err)
		}
		return b[:n]
	}
	g := openWith(t, Config{Name: "a", Cluster: "test", Network: network, Bind: netip.MustParseAddrPort("127.0.0.1:0")})
	frame, at := frameFrom(42), to.Addr()
	for _, version := range []uint8{checksumSince - 1, checksumSince} {
		n := memberlist.Node{Name: "b", Addr: at.Addr().AsSlice(), Port: at.Port(), PMax: version}
		if err := g.list.SendBestEffort(&n, frame); err != nil {
			t.Fatal(err)
		}
		want := sent()
		if err := g.Send(Member{Name: "b", Addr: at, crc: version}, frame); err != nil {
			t.Fatal(err)
		}
		if got := sent(); !bytes.Equal(got, want) {
			t.Errorf("to version %d: got %x, want %x", version, got, want)
		}
	}
}

func TestSendersAreBounded(t *testing.T) {
	var s senders
	at := netip.MustParseAddrPort("127.0.0.1:1")
	for i := range 2*maxSenders + 1 {
		s.note(frameFrom(cell.Origin(i+1)), at)
	}
	if len(s.at) > maxSenders {
		t.Errorf("%d senders are remembered, want at most %d", len(s.at), maxSenders)
	}
	if got, found := s.find(2*maxSenders + 1); !found || got != at {
		t.Errorf("the last sender is at %v, %v; want %v", got, found, at)
	}
}

// TestAskedStrangerIsJoined sends a packet between two nodes that have no seeds.
func TestAskedStrangerIsJoined(t *testing.T) {
	a := open(t, "a", "test")
	b := open(t, "b", "test")
	a.Settle()
	b.Settle()
	if err := b.Send(Member{Name: "a", Addr: a.Addr(), crc: 5}, frameFrom(originOf("b"))); err != nil {
		t.Fatal(err)
	}
	within(t, a.frames, "the packet of b")
	a.Ask(originOf("b"))
	a.until(t, "a sees b", a.sees("b", Alive))
	b.until(t, "b sees a", b.sees("a", Alive))
}

// TestAnybodyIsAskedForASenderWithoutAddress asks for an origin whose address
// is not known.
func TestAnybodyIsAskedForASenderWithoutAddress(t *testing.T) {
	a := open(t, "a", "test")
	a.Ask(7) // nobody can be asked: nothing happens
	if len(a.asks) != 0 {
		t.Error("a calls somebody although it knows nobody")
	}
	a.transport.senders.note(frameFrom(8), a.Addr())
	a.Ask(8)
	if len(a.asks) != 0 {
		t.Error("a calls itself")
	}
	b := open(t, "b", "test", a.Addr().String())
	a.until(t, "a sees b", a.sees("b", Alive))
	if at, found := a.anybody(); !found || at != b.Addr() {
		t.Errorf("a would ask %v, %v; want b at %v", at, found, b.Addr())
	}
}
