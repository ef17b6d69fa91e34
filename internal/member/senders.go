package member

import (
	"encoding/binary"
	"hash/crc32"
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

// note takes note of whose frame came from an address.
func (s *senders) note(frame []byte, from netip.AddrPort) {
	o, found := originIn(frame)
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

// frameHead is how many bytes a packet has before its frame at most, beside its
// label.
const frameHead = 1 + 4 + 1

// checksumSince is the version of memberlist's protocol that knows checksums.
const checksumSince = 5

// appendFrame appends a frame as memberlist packs it for a member that speaks a
// version of its protocol.
func appendFrame(b, frame []byte, version uint8) []byte {
	at := len(b)
	if version >= checksumSince {
		b = append(b, checksumByte, 0, 0, 0, 0)
	}
	from := len(b)
	b = append(append(b, userByte), frame...)
	if from > at {
		binary.BigEndian.PutUint32(b[at+1:], crc32.ChecksumIEEE(b[from:]))
	}
	return b
}

// frameIn is the frame in a packet of memberlist, behind its label. A packet of
// several messages is memberlist's to take apart.
func frameIn(packet []byte) (frame []byte, found bool) {
	if len(packet) > 5 && packet[0] == checksumByte {
		packet = packet[5:]
	}
	if len(packet) == 0 || packet[0] != userByte {
		return nil, false
	}
	return packet[1:], true
}

// originIn reads the origin of a frame.
func originIn(frame []byte) (cell.Origin, bool) {
	const at, size = 4, 8
	if len(frame) < at+size {
		return 0, false
	}
	return cell.Origin(binary.BigEndian.Uint64(frame[at:])), true
}
