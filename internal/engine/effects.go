package engine

import (
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// Input is what Step takes: Tick, Received, PeersChanged, Leave, or an input
// that a Session makes for itself.
type Input interface{ input() }

// Tick says only that time has passed.
type Tick struct{}

// Received is one parsed frame: from a packet, or a BODY from a fetch stream.
// The caller has checked the label, the CRC and the version.
type Received struct{ Frame wire.Frame }

// Packets is Received for several frames in the order in which they came, in one
// Step: what they cost together is less. Their cells are at most MaxStepCells.
type Packets struct{ Frames []wire.Frame }

// PeersChanged replaces the member view.
type PeersChanged struct{ View *View }

// Peer is a live native member.
type Peer struct {
	Name   string
	Origin cell.Origin
}

// Leave asks to push what is still fresh, with part checks, before the node
// goes. Unsent then tells what is left.
type Leave struct{}

func (Tick) input()         {}
func (Received) input()     {}
func (Packets) input()      {}
func (PeersChanged) input() {}
func (Leave) input()        {}

// sessionInput is an input of a Session: work on the current tree and context.
type sessionInput interface {
	Input
	run(e *Engine)
}

// Effects is what a Step asks of its shell, in the order of the fields: publish
// (done), then wake watchers of Changed, then send. Nothing in it is touched
// by the engine again.
type Effects struct {
	Root    *Root // published by this Step
	Send    []Packet
	Dial    []Dial
	Changed []cell.Addr // every address whose stored cell changed
	Events  []Event
	Wake    time.Duration // call Step(Tick) when the monotonic reading is there

	Accept *Session // answers Opened: run it on the stream,
	Refuse wire.Msg // or write this and close the stream
}

// Packet is a frame for the member that has the origin To.
type Packet struct {
	To    cell.Origin
	Frame wire.Frame
}

// Dial asks for a stream to a member: exactly one of Session and Fetch is set.
type Dial struct {
	To      cell.Origin
	Session *Session    // run it: see Session
	Fetch   *wire.Fetch // send it and feed each BODY back as Received; on failure feed FetchFailed
}

// EventKind names what happened.
type EventKind uint8

// The kinds of events. They are the log, the metrics and the transcript.
const (
	EventReady           EventKind = iota // the first-session gate opened; Text says why
	EventUnknownOrigin                    // a frame of an origin that is no member
	EventUnknownType                      // a frame of a later version's type
	EventMisplacedFrame                   // a frame of a session in a packet; N is its type
	EventPeerRefused                      // a peer answered ERR; N is its code
	EventApplied                          // a foreign cell raised the tree
	EventDominated                        // a foreign cell was older than what is stored
	EventDeadUnderFloor                   // a foreign cell was dead under a Floor
	EventKnownDot                         // R1: its dot is in the context, it is not stored
	EventRefusedSkew                      // a cell from too far in the future
	EventRefusedSize                      // a cell over a limit
	EventStale                            // a pushed cell older than the stale age
	EventPurged                           // PURGE removed a stored cell
	EventPurgeSent                        // R2: a peer was told to purge
	EventSwept                            // cells died under a Floor that came
	EventExpired                          // a time to live ended: the cell is hidden
	EventCollected                        // a tombstone, Floor or expired cell was collected
	EventForgotten                        // a context entry passed its retention
	EventConflict                         // a write of this node was displaced by a concurrent one: Addr, Dot (loser), Winner
	EventConflictUnknown                  // the same, but the winner's Prev was cut
	EventClash                            // another process writes under this origin: a new one was taken
	EventDirty                            // a peer was marked for a session; Text says why
	EventSession                          // a session ended; N is its SessionEnd
	EventNonConvergent                    // the futility guard stopped a range
	EventReturner                         // restored state was too old and was discarded
	EventPushOverflow                     // the fresh set was over its limit: all peers are dirty
	EventFetch                            // a large body came
	EventFetchFailed                      // a large body could not be had: a session will
	EventThrottled                        // the packet budget was empty: windows grow
	EventContextLimit                     // the context was over its limit: the oldest entries went
	EventManyPurged                       // PURGE has removed many values in a short time; N is how many
	EventRefusedContext                   // a part of a peer's context was left out; Text says why, Peer whose writes it is about, N how many spans
	EventClockDrift                       // half of the forgiven clock difference is used up; N is the offset in ms
	numEvents
)

// Event is one thing that happened. Which fields are set depends on Kind.
type Event struct {
	Kind   EventKind
	Peer   cell.Origin
	Addr   cell.Addr
	Dot    cell.Dot
	Winner cell.Dot
	N      uint64
	Text   string
}

// Why the gate opened.
const (
	ReadyAlone      = "no seeds"
	ReadySession    = "first complete session"
	ReadyUnanswered = "no seed answered"
)

// Counters counts since New.
type Counters struct {
	Events [numEvents]uint64
}

// Stats is a snapshot of the machine's sizes and counts.
type Stats struct {
	Counters
	Cells, Live    uint64
	Origins, Spans int
	Fresh, Pending int // addresses waiting to be pushed; dots or bodies asked for
	Dirty          int // peers that are to be asked
}
