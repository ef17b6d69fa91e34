package member

import (
	"encoding/binary"
	"net/netip"
	"testing"

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
		if got, found := originIn(c.packet); got != c.want || found != (c.want != 0) {
			t.Errorf("%s: origin %v, %v; want %v", c.name, got, found, c.want)
		}
	}
}

func TestSendersAreBounded(t *testing.T) {
	var s senders
	at := netip.MustParseAddrPort("127.0.0.1:1")
	for i := range 2*maxSenders + 1 {
		s.note(append([]byte{userByte}, frameFrom(cell.Origin(i+1))...), at)
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
	a.transport.senders.note(append([]byte{userByte}, frameFrom(8)...), a.Addr())
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
