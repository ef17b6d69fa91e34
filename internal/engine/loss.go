package engine

import (
	"math/bits"
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
)

const (
	gapAge      = time.Second // packets overtake each other: a gap counts as loss only after it
	gapWindow   = 64          // packets behind the newest that may still come
	maxGaps     = 1 << 16     // gaps watched at a time, of all peers
	lossSlot    = 10 * time.Second
	lossSlots   = 3
	lossSamples = 8 // packets from which on a peer's loss is an estimate
)

// links knows of every peer which of its packets are missing, and what number
// the next packet to it has.
type links struct {
	byPeer map[cell.Origin]*link
	gaps   fifo[gap] // by time
	last   float64   // loss as of at
	at     time.Duration
	known  bool
}

type link struct {
	sent    uint64
	heard   bool
	newest  uint64 // number of the newest packet that came
	missing uint64 // bit i: newest - i has not come
	slots   [lossSlots]tally
	slot    time.Duration // running number of the newest slot
}

// tally counts packets.
type tally struct{ came, lost int }

type gap struct {
	from cell.Origin
	seq  uint64
	due  time.Duration
}

// of returns the link of a peer.
func (l *links) of(o cell.Origin) *link {
	k := l.byPeer[o]
	if k == nil {
		if l.byPeer == nil {
			l.byPeer = make(map[cell.Origin]*link)
		}
		k = &link{}
		l.byPeer[o] = k
	}
	return k
}

// restart numbers packets anew, because they come from another origin now.
func (l *links) restart() {
	for _, k := range l.byPeer {
		k.sent = 0
	}
}

// prune forgets peers that are gone for good, once there are many of them. A
// peer that was only thought dead goes on where it was.
func (l *links) prune(r *ring) {
	if len(l.byPeer) <= 4*r.count()+1024 {
		return
	}
	for o := range l.byPeer {
		if !r.known(o) {
			delete(l.byPeer, o)
		}
	}
}

// nextSeq draws the number of a packet to a peer.
func (p *pusher) nextSeq(to cell.Origin) uint64 {
	p.links.prune(p.e.peers)
	k := p.links.of(to)
	k.sent++
	return k.sent
}

// arrived notes a packet of a peer and what is missing before it.
func (p *pusher) arrived(from cell.Origin, seq uint64) {
	l := &p.links
	k := l.of(from)
	k.turn(p.now())
	k.count().came++
	switch {
	case !k.heard:
		k.heard, k.newest, k.missing = true, seq, 0
	case seq > k.newest:
		p.lost(from, k, k.advance(seq))
		p.watch(from, k, seq)
	case k.newest-seq < gapWindow:
		k.missing &^= 1 << (k.newest - seq)
	}
}

// advance makes seq the newest packet and returns how many missing ones have
// fallen behind the window by that.
func (k *link) advance(seq uint64) (lost uint64) {
	by := seq - k.newest
	k.newest = seq
	if by >= gapWindow {
		lost = uint64(bits.OnesCount64(k.missing)) + by - gapWindow
		k.missing = ^uint64(1)
		return lost
	}
	lost = uint64(bits.OnesCount64(k.missing >> (gapWindow - by)))
	k.missing = k.missing<<by | (1<<by - 1)
	k.missing &^= 1
	return lost
}

// watch plans a look at every gap that the packet seq has opened.
func (p *pusher) watch(from cell.Origin, k *link, seq uint64) {
	for i := uint64(1); i < gapWindow && k.missing>>i&1 == 1; i++ {
		if p.links.gaps.len() >= maxGaps {
			k.missing &^= 1 << i
			p.lost(from, k, 1)
			continue
		}
		p.links.gaps.push(gap{from: from, seq: seq - i, due: p.now() + gapAge})
	}
}

// lost counts packets that will not come. What was in them is not known: a
// session with the peer will tell.
func (p *pusher) lost(from cell.Origin, k *link, n uint64) {
	if n == 0 {
		return
	}
	k.count().lost += int(min(n, gapWindow))
	p.e.sync.dirty(from, "packets were lost")
}

// tick counts the gaps that were open for too long.
func (l *links) tick(p *pusher) {
	for l.due() <= p.now() {
		g, _ := l.gaps.pop()
		k := l.byPeer[g.from]
		if k == nil || k.newest-g.seq >= gapWindow || k.missing>>(k.newest-g.seq)&1 == 0 {
			continue
		}
		k.missing &^= 1 << (k.newest - g.seq)
		k.turn(p.now())
		p.lost(g.from, k, 1)
	}
}

func (l *links) due() time.Duration {
	if g, ok := l.gaps.peek(); ok {
		return g.due
	}
	return never
}

// turn empties the slots that time has passed over.
func (k *link) turn(now time.Duration) {
	slot := max(now, 0) / lossSlot
	for i := max(k.slot+1, slot-lossSlots+1); i <= slot; i++ {
		k.slots[i%lossSlots] = tally{}
	}
	k.slot = max(k.slot, slot)
}

// count is the tally of the present slot.
func (k *link) count() *tally { return &k.slots[k.slot%lossSlots] }

// loss is the share of packets that got lost in the last 30 s: the median over
// the peers of which enough was heard, or all packets taken together when most
// peers were quiet. It is taken anew once a second.
func (l *links) loss(now time.Duration) float64 {
	if l.known && now-l.at < time.Second {
		return l.last
	}
	l.known, l.at = true, now
	var all tally
	var shares []float64
	heard := 0
	for _, k := range l.byPeer {
		k.turn(now)
		var sum tally
		for _, s := range k.slots {
			sum.came += s.came
			sum.lost += s.lost
		}
		all.came += sum.came
		all.lost += sum.lost
		if sum.came+sum.lost > 0 {
			heard++
		}
		if sum.came+sum.lost >= lossSamples {
			shares = append(shares, sum.share())
		}
	}
	if l.last = all.share(); 2*len(shares) > heard {
		slices.Sort(shares)
		l.last = shares[len(shares)/2]
	}
	return l.last
}

func (t tally) share() float64 {
	if t.came+t.lost == 0 {
		return 0
	}
	return float64(t.lost) / float64(t.came+t.lost)
}
