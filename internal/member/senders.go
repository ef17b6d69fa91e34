package member

import (
	"encoding/binary"
	"net/netip"
	"sync"

	"github.com/starlingkv/starling/internal/cell"
)

// senders remembers from which address each origin last sent a frame. A frame
// does not name its member, and memberlist hands it on without its address; of
// a member that is not in the view yet, the address is all there is to ask.
type senders struct {
	mu sync.Mutex // guards at
	at map[cell.Origin]netip.AddrPort
}

// maxSenders bounds the origins that are remembered: no cluster has more members.
const maxSenders = 10_000

// note looks into a packet of memberlist, behind its label.
func (s *senders) note(packet []byte, from netip.AddrPort) {
	o, found := originIn(packet)
	if !found {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == nil || len(s.at) >= maxSenders {
		s.at = make(map[cell.Origin]netip.AddrPort)
	}
	s.at[o] = from
}

func (s *senders) find(o cell.Origin) (netip.AddrPort, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, found := s.at[o]
	return at, found
}

// memberlist's messages around a frame: a checksum of four bytes, and that what
// follows is the user's.
const (
	checksumByte = 12
	userByte     = 8
)

// originIn reads the origin of the frame in a packet. A packet of several
// messages, or one that is encrypted, tells none.
func originIn(packet []byte) (cell.Origin, bool) {
	const frameOrigin, originLen = 4, 8
	if len(packet) > 5 && packet[0] == checksumByte {
		packet = packet[5:]
	}
	if len(packet) < 1+frameOrigin+originLen || packet[0] != userByte {
		return 0, false
	}
	return cell.Origin(binary.BigEndian.Uint64(packet[1+frameOrigin:])), true
}
