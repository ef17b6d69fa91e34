package engine

import (
	"math/rand/v2"
	"time"

	"github.com/starlingkv/starling/internal/cell"
)

// Config is what an engine is made of. Ages and intervals that are zero take
// the defaults of the protocol; the simulator draws them short.
type Config struct {
	Cluster string      // names the cluster; seeds every hash
	Name    string      // of this member; its place on the ring
	Origin  cell.Origin // fresh and random at every process start; not zero
	Rand    *rand.Rand  // every choice the engine makes
	Alone   bool        // there are no seeds but the own address
	Restore *Snapshot   // what an earlier process left, or nil

	// Tells says which kinds of events Effects carry, once for each kind; the
	// others are counted only. Nil: all.
	Tells func(EventKind) bool

	JoinWait        time.Duration // the first-session gate opens by itself after it: 5 s
	MaxSkew         time.Duration // 10 s
	StaleAge        time.Duration // a pushed cell older than this is left to a session: 5 min
	MinTombstoneAge time.Duration // 10 min
	TombstoneEpoch  time.Duration // collection happens at common epochs: 1 min
	AppliedAge      time.Duration // a tombstone stays this long here at least: 1 min
	OriginRetention time.Duration // 30 d
	OriginEpoch     time.Duration // 1 h
	GCInterval      time.Duration // how often collection looks: TombstoneEpoch / 2
	SyncInterval    time.Duration // 30 s, jittered by 20 %
	DigestTick      time.Duration // while something is fresh: 50 ms
	IdleTick        time.Duration // else: 500 ms
	AgreeAge        time.Duration // H is this long ago: 10 s
	SessionIdle     time.Duration // a stream that says nothing is given up: 10 s
	PinAge          time.Duration // a pin made for DIFFER is kept this long: 60 s

	LargeBody      int // bodies over it are advertised: 8 KiB
	PacketBudget   int // bytes of a frame in a packet: 1400 - 37 - len(Cluster)
	PacketsPerSec  int // 2,000
	BytesPerSec    int // 5 MB
	MaxFresh       int // addresses waiting to be pushed: 1 M
	MaxCtxEntries  int // 1 M
	SweepPerStep   int // cells that fell under a Floor and are booked in one Step: 1,024
	MaxServed      int // sessions served at once: 4
	ListThreshold  int // 32
	SplitFan       int // 16
	PacketOverhead int // bytes that membership adds to each packet, for the byte budget

	Plant Plant // a rule that is switched off, to prove that the simulator notices
}

// Plant is a bug that the simulator plants. Only the simulator sets it.
type Plant uint8

// The planted bugs; the names follow docs/planted.md. P8 is planted by the
// simulator's own snapshots.
const (
	PlantNothing       Plant = iota
	PlantCtxLive             // P1: CTX is taken from the live Root
	PlantPurgePinned         // P2: PURGE is judged on the pinned tree
	PlantCtxIncomplete       // P3: CTX is merged after an incomplete session
	PlantDotRefused          // P4: the dot of a refused cell enters
	PlantNoR1                // P5
	PlantNoPurge             // P6
	PlantReuseOrigin         // P7: done by the simulator's restarts
	PlantCtxAhead            // P8: done by the simulator's snapshots
	PlantNoLastT             // P9: lastT is not raised by replacement
	PlantSlew                // P11: the clock is slewed
	PlantNoReceive           // P12: the clock is not advanced on receipt
	PlantNoPrev              // P13: a tombstone has no Prev
	PlantExpiryHashed        // P14: whether a cell has expired is part of its hash
	PlantWideRange           // P16: the range is not narrowed when forwarding
	PlantNoBy                // P10: By is missing in the order
	PlantByPayload           // P15: counters are joined by what they say
)

// withDefaults fills what is zero.
func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	num := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	def(&c.JoinWait, 5*time.Second)
	def(&c.MaxSkew, 10*time.Second)
	def(&c.StaleAge, 5*time.Minute)
	def(&c.MinTombstoneAge, 10*time.Minute)
	def(&c.TombstoneEpoch, time.Minute)
	def(&c.AppliedAge, time.Minute)
	def(&c.OriginRetention, 30*24*time.Hour)
	def(&c.OriginEpoch, time.Hour)
	def(&c.GCInterval, c.TombstoneEpoch/2)
	def(&c.SyncInterval, 30*time.Second)
	def(&c.DigestTick, 50*time.Millisecond)
	def(&c.IdleTick, 500*time.Millisecond)
	def(&c.AgreeAge, 10*time.Second)
	def(&c.SessionIdle, 10*time.Second)
	def(&c.PinAge, time.Minute)
	num(&c.LargeBody, 8<<10)
	num(&c.PacketBudget, 1400-37-len(c.Cluster))
	num(&c.PacketsPerSec, 2000)
	num(&c.BytesPerSec, 5_000_000)
	num(&c.MaxFresh, 1_000_000)
	num(&c.MaxCtxEntries, 1_000_000)
	num(&c.SweepPerStep, 1024)
	num(&c.MaxServed, 4)
	num(&c.ListThreshold, 32)
	num(&c.SplitFan, 16)
	num(&c.PacketOverhead, 37+len(c.Cluster))
	return c
}
