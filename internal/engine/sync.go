package engine

import (
	"cmp"
	"math/bits"
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// Timing of reconciliation that is not for configuration.
const (
	helloWait    = time.Second            // until HELLO is repeated
	helloTries   = 3                      // then the peer is given up for now
	joinWait     = 400 * time.Millisecond // the same before the first complete session:
	joinTries    = 2                      // somebody else may answer sooner
	joinEvery    = time.Second            // between attempts before the first complete session
	dirtyFrom    = time.Second            // a dirty peer is asked after this long,
	dirtySpread  = 2 * time.Second        // and up to so much more,
	dirtyEvery   = 10 * time.Second       // at most once in this time
	againAfter   = time.Second            // a repaired difference is looked at again
	openDeadline = 2 * time.Second        // a pin older than this does not count as a session to come
	busyRetry    = 2 * time.Second
)

// syncer decides when to reconcile and with whom, keeps what is pinned, and
// answers HELLO. At most one session that this node asked for runs at a time,
// and MaxServed that others did.
type syncer struct {
	e      *Engine
	asked  *ask  // the session this node asked for, from HELLO to its end
	pins   []pin // made for DIFFER, oldest first
	served int   // running sessions that others asked for
	synced bool  // a session was complete here
	early  int   // more sessions that follow the first complete one soon

	next  time.Duration // of the regular session, or of the next attempt to join
	dirt  []mark        // peers to ask, by when
	peers map[cell.Origin]*peerSync
	probe probe
}

// ask is a HELLO of this node and what became of it.
type ask struct {
	sessionPin
	tries   int
	due     time.Duration // when HELLO is repeated or given up
	packets int           // that came ahead of DIFFER
	running bool          // the stream was asked for
}

// pin is what DIFFER promised to keep.
type pin struct {
	sessionPin
	until time.Duration
}

// mark is a peer that must be asked.
type mark struct {
	peer cell.Origin
	due  time.Duration
}

// peerSync is what reconciliation keeps per live peer.
type peerSync struct {
	last    time.Duration // when it was asked last
	serving int           // sessions that it has asked for and that run
	futile  futileTable
	agree   PeerAgreement
	judged  time.Duration // when that was pinned
}

func newSyncer(e *Engine) *syncer {
	return &syncer{e: e, next: never, peers: make(map[cell.Origin]*peerSync)}
}

// of returns what is kept for a live peer, nil for others.
func (s *syncer) of(o cell.Origin) *peerSync {
	if p := s.peers[o]; p != nil {
		return p
	}
	who, ok := s.e.peers.byOrigin(o)
	if !ok {
		return nil
	}
	p := &peerSync{last: -dirtyEvery, agree: PeerAgreement{Peer: who}}
	s.peers[o] = p
	return p
}

// guard is the futility guard towards a peer.
func (s *syncer) guard(o cell.Origin) *futileTable {
	if p := s.of(o); p != nil {
		return &p.futile
	}
	return &futileTable{}
}

// peersChanged forgets who is gone, and starts to sync with the first who come.
func (s *syncer) peersChanged() {
	gone := func(o cell.Origin) bool { return !s.e.peers.known(o) }
	for o := range s.peers {
		if gone(o) {
			delete(s.peers, o)
		}
	}
	s.dirt = slices.DeleteFunc(s.dirt, func(m mark) bool { return gone(m.peer) })
	s.pins = slices.DeleteFunc(s.pins, func(p pin) bool { return gone(p.peer) })
	s.probe.forget(gone)
	if s.asked != nil && !s.asked.running && gone(s.asked.peer) {
		s.asked = nil
	}
	switch {
	case s.e.peers.count() == 0:
		s.next = never
	case s.next == never && !s.synced:
		s.next = s.e.now.Mono
	case s.next == never:
		s.schedule()
	}
}

// schedule sets the next regular session, or the next attempt to join.
func (s *syncer) schedule() {
	if s.next = never; s.e.peers.count() == 0 {
		return
	}
	every := s.e.cfg.SyncInterval
	if !s.synced || s.early > 0 {
		every = min(every, joinEvery)
	}
	s.next = s.e.now.Mono + every*4/5 + s.draw(every*2/5)
}

// draw is a random part of d.
func (s *syncer) draw(d time.Duration) time.Duration {
	return time.Duration(s.e.cfg.Rand.Int64N(int64(max(d, 1))))
}

// dirty marks a peer: something of it was missed, and only a session can tell.
func (s *syncer) dirty(o cell.Origin, why string) {
	p := s.of(o)
	if p == nil || slices.ContainsFunc(s.dirt, func(m mark) bool { return m.peer == o }) {
		return
	}
	s.e.event(Event{Kind: EventDirty, Peer: o, Text: why})
	s.markAt(o, max(s.e.now.Mono+dirtyFrom+s.draw(dirtySpread), p.last+dirtyEvery))
}

// markAt has a peer asked at a time, or earlier if it is marked already.
func (s *syncer) markAt(o cell.Origin, due time.Duration) {
	for i := range s.dirt {
		if s.dirt[i].peer == o {
			due = min(due, s.dirt[i].due)
			s.dirt = slices.Delete(s.dirt, i, i+1)
			break
		}
	}
	i, _ := slices.BinarySearchFunc(s.dirt, due, func(m mark, t time.Duration) int { return cmp.Compare(m.due, t) })
	s.dirt = slices.Insert(s.dirt, i, mark{o, due})
}

// tick runs what is due.
func (s *syncer) tick() {
	now := s.e.now.Mono
	for len(s.pins) > 0 && s.pins[0].until <= now {
		s.pins = s.pins[1:]
	}
	if s.asked != nil && !s.asked.running && s.asked.due <= now {
		s.repeat()
	}
	s.probe.tick(s)
	if s.asked != nil || s.e.leaving {
		return
	}
	switch {
	case s.probe.differing(s):
	case len(s.dirt) > 0 && s.dirt[0].due <= now:
		o := s.dirt[0].peer
		s.dirt = s.dirt[1:]
		s.ask(o)
	case s.next <= now:
		s.early = max(s.early-1, 0)
		s.schedule()
		s.ask(s.e.peers.any(s.e.cfg.Rand))
	}
}

// due is when tick has something to do.
func (s *syncer) due() time.Duration {
	d := s.probe.due()
	if len(s.pins) > 0 {
		d = min(d, s.pins[0].until)
	}
	switch {
	case s.e.leaving:
	case s.asked == nil:
		d = min(d, s.next)
		if len(s.dirt) > 0 {
			d = min(d, s.dirt[0].due)
		}
	case !s.asked.running:
		d = min(d, s.asked.due)
	}
	return d
}

// pinNow pins the present Root for a peer.
func (s *syncer) pinNow(o cell.Origin) sessionPin {
	e := s.e
	return sessionPin{
		peer: o, sid: e.cfg.Rand.Uint64(), root: e.root.Load(),
		at: e.now.Mono, wallMS: e.clock.Physical(), before: e.hBefore(),
	}
}

// ask begins with HELLO. A peer whose own session is running here is asked
// later: both would move the same cells.
func (s *syncer) ask(o cell.Origin) {
	p := s.of(o)
	switch {
	case p == nil:
		return
	case p.serving > 0:
		s.markAt(o, s.e.now.Mono+dirtyFrom+s.draw(dirtySpread))
		return
	}
	p.last = s.e.now.Mono
	a := &ask{sessionPin: s.pinNow(o)}
	a.flags = s.joining()
	s.asked = a
	s.repeat()
}

// joining is the flag of a node that has just come: it may be sent the whole
// state, and fast.
func (s *syncer) joining() wire.HelloFlags {
	if s.synced && s.early == 0 {
		return 0
	}
	return wire.HelloJoin
}

// earlySessions is how many sessions follow the first complete one at once in a
// cluster of so many peers. That one may have been with somebody who had just
// come as well and knew as little: where all start together and one of them holds
// what there is, it takes so many rounds of each asking one until all hold it.
func earlySessions(peers int) int { return bits.Len(uint(peers)) + 1 }

// repeat sends HELLO, again if it must, and at last gives up.
func (s *syncer) repeat() {
	a, wait, tries := s.asked, helloWait, helloTries
	if !s.synced {
		wait, tries = joinWait, joinTries
	}
	if a.tries == tries {
		s.over(EndUnanswered)
		return
	}
	a.tries++
	a.due = s.e.now.Mono + wait
	s.e.send(a.peer, a.hello(wire.TypeHello))
}

// over drops what was asked without a session.
func (s *syncer) over(end SessionEnd) {
	o := s.asked.peer
	s.asked = nil
	s.e.event(Event{Kind: EventSession, Peer: o, N: uint64(end)})
}
