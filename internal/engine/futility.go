package engine

import (
	"cmp"
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
)

// The futility guard. Two cells that were exchanged by both sides in two
// sessions and changed neither of them will not in the next: the pair is left
// out of sessions with that peer until a back-off has passed or one of the two
// cells is another, and while it is left out the two nodes do not agree. Once is
// not enough: a packet may have brought during the session what the session
// brought. Nothing of it can happen while every cell is joined by the one rule;
// it keeps a rule that is wrong from costing bandwidth for ever.
const (
	futileFirst     = 30 * time.Second
	futileMost      = 10 * time.Minute
	futilePairsMost = 1024 // per peer
)

// pairKey is what a LIST shows of one address on two sides; a hash is 0 where
// nothing is stored.
type pairKey struct {
	addr         uint64
	mine, theirs uint32
}

// pairNote is a pair that a session exchanged.
type pairNote struct {
	key  pairKey
	addr cell.Addr // "" if this side stores nothing there
}

// futilePairs is what one session knows of the guard: the pairs to leave out,
// fixed when it began, and the pairs it exchanges.
type futilePairs struct {
	skip    map[pairKey]bool
	noted   []pairNote
	skipped uint64
}

// skips reports whether a pair is left out, and counts it.
func (f *futilePairs) skips(k pairKey) bool {
	if !f.skip[k] {
		return false
	}
	f.skipped++
	return true
}

func (f *futilePairs) note(k pairKey, a cell.Addr) {
	if len(f.noted) < futilePairsMost {
		f.noted = append(f.noted, pairNote{k, a})
	}
}

// futileTable is the guard of one peer.
type futileTable struct{ pairs map[pairKey]futilePair }

type futilePair struct {
	until, wait time.Duration
	vain        int // sessions that exchanged it in vain
}

// futileAfter is how many sessions must exchange a pair in vain.
const futileAfter = 2

// at returns what a session that begins now leaves out.
func (t *futileTable) at(now time.Duration) *futilePairs {
	f := &futilePairs{}
	for k, p := range t.pairs {
		if p.until > now {
			if f.skip == nil {
				f.skip = make(map[pairKey]bool)
			}
			f.skip[k] = true
		}
	}
	return f
}

// learn takes the pairs that a session exchanged in vain and returns how many
// of them are left out from now on and were not before.
func (t *futileTable) learn(now time.Duration, vain []pairNote) int {
	if t.pairs == nil {
		t.pairs = make(map[pairKey]futilePair)
	}
	fresh := 0
	for _, n := range vain {
		p := t.pairs[n.key]
		p.until = now
		if p.vain++; p.vain < futileAfter {
			t.pairs[n.key] = p
			continue
		}
		if p.wait == 0 {
			fresh++
		}
		p.wait = min(max(2*p.wait, futileFirst), futileMost)
		p.until = now + p.wait
		t.pairs[n.key] = p
	}
	t.trim(now)
	return fresh
}

// trim forgets pairs whose back-off ended long ago, and the earliest over the
// limit.
func (t *futileTable) trim(now time.Duration) {
	type aged struct {
		pairKey
		until time.Duration
	}
	var left []aged
	for k, p := range t.pairs {
		if p.until+futileMost < now {
			delete(t.pairs, k)
		} else {
			left = append(left, aged{k, p.until})
		}
	}
	slices.SortFunc(left, func(a, b aged) int {
		return cmp.Or(cmp.Compare(a.until, b.until), cmp.Compare(a.addr, b.addr), cmp.Compare(a.mine, b.mine), cmp.Compare(a.theirs, b.theirs))
	})
	for _, a := range left[:max(len(left)-futilePairsMost, 0)] {
		delete(t.pairs, a.pairKey)
	}
}
