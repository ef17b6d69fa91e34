package consulkv

import "time"

// A stamp is what this package keeps in the flags of a value. From the highest bit:
//
//	3 bits   101: a stamp; 0 and small numbers are not, nor the flags of Consul's own locks and semaphores
//	1 bit    turn: differs from that of the value before, as Consul takes an equal write for none
//	32 bits  when it was written, in half seconds since the year 2025
//	17 bits  its TTL in seconds, rounded up; 0: it does not expire
//	11 bits  the number of its kind: codec and media type; 0: not known
//
// These bits are for ever.
type stamp struct {
	turn    uint64
	updated time.Time
	ttl     time.Duration
	kind    int
}

const (
	stampTag  = 0b101
	stampTick = time.Second / 2
	// maxKind is the greatest number of a kind.
	maxKind = 1<<11 - 1
	// maxTTL is how long a session can live.
	maxTTL = 24 * time.Hour
)

var stampEpoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// flags returns the stamp as flags. A time that has no place takes the nearest that has one.
func (s stamp) flags() uint64 {
	ticks := s.updated.Sub(stampEpoch).Round(stampTick) / stampTick
	ticks = min(max(ticks, 0), 1<<32-1)
	seconds := uint64((s.ttl + time.Second - 1) / time.Second)
	return stampTag<<61 | s.turn<<60 | uint64(ticks)<<28 | seconds<<11 | uint64(s.kind)
}

// stampOf reads flags, and reports whether they are a stamp.
func stampOf(flags uint64) (stamp, bool) {
	if flags>>61 != stampTag {
		return stamp{}, false
	}
	return stamp{
		turn:    flags >> 60 & 1,
		updated: stampEpoch.Add(time.Duration(flags>>28&(1<<32-1)) * stampTick),
		ttl:     time.Duration(flags>>11&(1<<17-1)) * time.Second,
		kind:    int(flags & maxKind),
	}, true
}
