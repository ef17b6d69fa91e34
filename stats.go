package starling

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/kv"
)

// Stats is a snapshot of a node's sizes and counts.
type Stats struct {
	kv.Stats // the sums over all clients of the node

	Keys    uint64 `json:"keys"`    // cells that are values; a register is one per key
	Cells   uint64 `json:"cells"`   // with the tombstones that are still kept
	Origins int    `json:"origins"` // process starts whose writes are remembered
	Spans   int    `json:"spans"`   // what it takes to remember them
	Fresh   int    `json:"fresh"`   // addresses about to be pushed
	Pending int    `json:"pending"` // cells and bodies asked for and not here yet

	PacketsIn  uint64 `json:"packets_in"` // starling's frames, as the three that follow; others talk about members
	BytesIn    uint64 `json:"bytes_in"`
	PacketsOut uint64 `json:"packets_out"`
	BytesOut   uint64 `json:"bytes_out"`
	Sent       Sent   `json:"sent"`       // the frames are part of it
	Malformed  uint64 `json:"malformed"`  // frames that were none, or stood where they must not; by reason in MalformedBy
	Dropped    uint64 `json:"dropped"`    // frames that found the inbox full; a session repairs that
	Unsendable uint64 `json:"unsendable"` // packets to members that were gone
	Refused    uint64 `json:"refused"`    // streams that did not say what they are, or were too many
	Unsent     uint64 `json:"unsent"`     // writes after Leave: they reached nobody; and what Leave had no time to push: it may have

	Scribbled uint64 `json:"scribbled"` // keys whose shared values a caller wrote into, as far as Tuning.CheckViews finds out

	Sessions uint64            `json:"sessions"` // streams that carried one
	Events   map[string]uint64 `json:"events"`   // of the engine, by name
	Foreign  []Foreign         `json:"foreign"`  // other clusters that were refused
	Namesake string            `json:"namesake"` // the address of another live member that has this node's name
	Uptime   time.Duration     `json:"uptime"`

	// MalformedBy has a few short and lasting names: "crc" is a bad network,
	// "version" a member that is newer, most others a member that is wrong.
	MalformedBy map[string]uint64 `json:"malformed_by"`
}

// Sent is all that a node has written to its sockets, its talk about members
// and its sessions included: payloads, without the headers of UDP and TCP.
type Sent struct {
	Packets     uint64 `json:"packets"`
	PacketBytes uint64 `json:"packet_bytes"`
	StreamBytes uint64 `json:"stream_bytes"`
}

// counts is what the shell counts.
type counts struct {
	packetsIn, packetsOut atomic.Uint64
	bytesIn, bytesOut     atomic.Uint64
	unsendable, sessions  atomic.Uint64
	malformed             reasons

	left   atomic.Bool // Leave has flushed
	unsent atomic.Uint64

	scribbled atomic.Uint64 // by callers, into shared values: one per key
	told      atomic.Bool   // of the first of them
}

// reasons counts what is refused, by why. It is for what is rare.
type reasons struct {
	mu sync.Mutex // guards by
	by map[string]uint64
}

func (r *reasons) add(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil {
		r.by = make(map[string]uint64)
	}
	r.by[why]++
}

// counted returns a copy, never nil, and the sum.
func (r *reasons) counted() (by map[string]uint64, sum uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	by = make(map[string]uint64, len(r.by))
	for why, n := range r.by {
		by[why] = n
		sum += n
	}
	return by, sum
}

// committed counts a write that nobody will hear of. The first is logged.
func (c *counts) committed(log *slog.Logger) {
	if !c.left.Load() {
		return
	}
	c.unsent.Add(1)
	if !c.told.Swap(true) {
		log.Warn("write after leaving: it stays on this node")
	}
}

// Stats returns the sizes and counts of now.
func (n *Node) Stats() Stats {
	n.mu.Lock()
	e := n.engine.Stats()
	n.mu.Unlock()
	c := &n.counts
	s := Stats{
		Stats: n.clientStats(),
		Keys:  e.Live, Cells: e.Cells, Origins: e.Origins, Spans: e.Spans, Fresh: e.Fresh, Pending: e.Pending,
		PacketsIn: c.packetsIn.Load(), BytesIn: c.bytesIn.Load(),
		PacketsOut: c.packetsOut.Load(), BytesOut: c.bytesOut.Load(),
		Sent: Sent(n.group.Sent()), Dropped: n.inbox.lost(), Unsendable: c.unsendable.Load(),
		Refused: n.group.Refused(), Unsent: c.unsent.Load(), Scribbled: c.scribbled.Load(), Sessions: c.sessions.Load(),
		Events: make(map[string]uint64), Uptime: time.Since(n.began),
	}
	s.MalformedBy, s.Malformed = c.malformed.counted()
	s.Namesake, _ = n.life.namesake(namesakeShown)
	for kind, count := range e.Events {
		if count > 0 {
			s.Events[engine.EventKind(kind).String()] = count
		}
	}
	for _, f := range n.group.Foreign() {
		s.Foreign = append(s.Foreign, Foreign(f))
	}
	return s
}

// clientStats adds up the counts of all clients.
func (n *Node) clientStats() kv.Stats {
	n.clientsMu.Lock()
	defer n.clientsMu.Unlock()
	var sum kv.Stats
	for _, c := range n.clients {
		s := c.Stats()
		sum.CAS.Attempts += s.CAS.Attempts
		sum.CAS.Successes += s.CAS.Successes
		sum.CAS.Failures += s.CAS.Failures
		sum.Watchers += s.Watchers
		sum.DecodeErrors += s.DecodeErrors
	}
	return sum
}
