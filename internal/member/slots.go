package member

import (
	"net/netip"
	"sync"
)

const (
	// maxAccepted bounds the accepted streams that are open at once.
	maxAccepted = 512
	// maxStrange is how many of them may come from addresses where no member
	// lives: the others are left for the members, so that who floods a node with
	// streams does not cut it off.
	maxStrange = maxAccepted / 2
	// maxStranger is how many of those may come from one address, so that it
	// leaves some for who wants to join.
	maxStranger = maxStrange / 4
)

// slots counts the accepted streams that are open.
type slots struct {
	member func(netip.Addr) bool // whether a member lives there

	mu      sync.Mutex // guards what follows
	open    int
	strange map[netip.Addr]int // those from where no member lived when they came
	sum     int                // of strange
}

// take admits a stream, and returns what ends it; nil if there are too many.
func (s *slots) take(from netip.Addr) (release func()) {
	known := s.member(from)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= maxAccepted || !known && (s.sum >= maxStrange || s.strange[from] >= maxStranger) {
		return nil
	}
	s.open++
	if known {
		return func() { s.mu.Lock(); s.open--; s.mu.Unlock() }
	}
	if s.strange == nil {
		s.strange = make(map[netip.Addr]int)
	}
	s.strange[from]++
	s.sum++
	return func() { s.leave(from) }
}

// leave ends a stream of a stranger.
func (s *slots) leave(from netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	s.sum--
	if s.strange[from]--; s.strange[from] == 0 {
		delete(s.strange, from)
	}
}
