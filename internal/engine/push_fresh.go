package engine

import (
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// freshClass says whose cell waits to be pushed.
type freshClass uint8

const (
	ownCells     freshClass = iota // written here
	relayedCells                   // of others: a range was handed to this node
	numClasses
)

// relayedShare is the least part of what is sent that relayed cells get while
// own ones wait too: 1 / relayedShare.
const relayedShare = 4

// maxSpans bounds the ranges of one address. More become the whole ring.
const maxSpans = 8

// fresh is one address that waits to be pushed. It names no version: what is
// stored when the packet is filled is what goes out, so newer replaces older.
// The ranges of all versions that came to wait are served with the newest: the
// node from which each came counts on it. Were the range of an overtaken
// version given up, a key that is written faster than windows pass would reach
// the far end of the ring only when the writing stops.
type fresh struct {
	addr  cell.Addr
	spans []wire.Span
	class freshClass
	owed  []receipt // when it is pushed
}

// freshSet is what waits to be pushed, oldest first in each class.
type freshSet struct {
	byAddr map[cell.Addr]*fresh
	queues [numClasses]fifo[*fresh] // what changed its class is in both
	spent  [numClasses]int          // bytes, since one class had nothing to send
}

func (f *freshSet) len() int { return len(f.byAddr) }

func (f *freshSet) clear() { *f = freshSet{} }

// add notes that an address must be pushed to a range.
func (f *freshSet) add(r *ring, a cell.Addr, s wire.Span, class freshClass) {
	in := f.byAddr[a]
	if in == nil {
		if f.byAddr == nil {
			f.byAddr = make(map[cell.Addr]*fresh)
		}
		in = &fresh{addr: a, class: class}
		f.byAddr[a] = in
		f.queues[class].push(in)
	}
	if class < in.class {
		in.class = class
		f.queues[class].push(in)
	}
	in.spans = r.addSpan(in.spans, s)
	if len(in.spans) > maxSpans {
		in.spans = append(in.spans[:0], r.whole())
	}
}

// owe notes who is to be told when an address was pushed.
func (f *freshSet) owe(a cell.Addr, r receipt) {
	if in := f.byAddr[a]; in != nil && len(in.owed) < maxSpans {
		in.owed = append(in.owed, r)
	}
}

// next takes out the entry whose turn it is, or returns nil.
func (f *freshSet) next() *fresh {
	own, relayed := f.head(ownCells), f.head(relayedCells)
	class := ownCells
	switch {
	case own == nil && relayed == nil:
		return nil
	case own == nil || relayed == nil:
		f.spent = [numClasses]int{}
		if own == nil {
			class = relayedCells
		}
	case f.spent[relayedCells]*(relayedShare-1) < f.spent[ownCells]:
		class = relayedCells
	}
	in, _ := f.queues[class].pop()
	delete(f.byAddr, in.addr)
	return in
}

// head returns the oldest entry of a queue, past those that were sent.
func (f *freshSet) head(class freshClass) *fresh {
	q := &f.queues[class]
	for {
		in, ok := q.peek()
		if !ok {
			return nil
		}
		if f.byAddr[in.addr] == in {
			return in
		}
		q.pop()
	}
}
