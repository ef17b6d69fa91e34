package web

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds on what is kept of a stream that broke, for a client that comes back.
const (
	recentEvents = 256       // that may not have arrived
	recentBytes  = 256 << 10 // of them
	maxParked    = 64        // feeds that wait for their client
)

// event is one event of a feed.
type event struct {
	id   string
	name string // put, delete, sync or reset
	data []byte // JSON, which is shared; nil for sync and reset
}

// size is about what the event keeps in memory.
func (e event) size() int { return len(e.data) }

// feed is one watch of the store, which outlives the stream that it was begun for: a client that comes back soon is told
// what it has missed, not everything anew. The store coalesces what waits meanwhile. It has one user at a time.
type feed struct {
	id     string // without the number of an event
	of     watched
	events chan told
	cancel context.CancelFunc

	seq    uint64
	recent []event // the last ones, in order
	size   int     // of them

	expire *time.Timer // while it is parked
}

// begin starts a feed that lasts until it is ended.
func begin(ctx context.Context, id string, of watched) *feed {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &feed{id: id, of: of, events: make(chan told, ahead), cancel: cancel}
	go func() {
		defer close(f.events)
		for ev, err := range of.events(ctx) {
			select {
			case f.events <- told{ev, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return f
}

// end ends the feed, and returns when its goroutine is gone.
func (f *feed) end() {
	f.cancel()
	for range f.events { // until it is closed
	}
}

// number makes the next event, and keeps it for a client that comes back.
func (f *feed) number(name string, data []byte) event {
	f.seq++
	ev := event{id: f.id + ":" + strconv.FormatUint(f.seq, 10), name: name, data: data}
	f.recent = append(f.recent, ev)
	f.size += ev.size()
	for len(f.recent) > recentEvents || f.size > recentBytes {
		f.size -= f.recent[0].size()
		f.recent = f.recent[1:]
	}
	return ev
}

// since returns the events after seq; not ok if some of them are not known any more.
func (f *feed) since(seq uint64) (missed []event, ok bool) {
	kept := f.seq - uint64(len(f.recent)) // the last that is not known
	if seq < kept || seq > f.seq {
		return nil, false
	}
	return f.recent[seq-kept:], true
}

// feeds finds feeds again.
type feeds struct {
	boot string // begins all ids: no two handlers share one
	park time.Duration

	mu     sync.Mutex // guards the rest
	next   uint64
	parked []*feed // oldest first
	live   map[string]*handover
	closed bool
}

// handover ends a stream whose client is back already.
type handover struct {
	stop context.CancelFunc
	done chan struct{} // closed when the feed is parked, or ended
}

// newID names a feed.
func (s *feeds) newID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	return s.boot + "." + strconv.FormatUint(s.next, 36)
}

// resume returns the feed that an event id is of, and the number of the event. It waits a moment for the stream that had
// it, which may not have noticed that its client is gone.
func (s *feeds) resume(ctx context.Context, eventID string, of watched) (f *feed, seq uint64) {
	id, number, _ := strings.Cut(eventID, ":")
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil || !strings.HasPrefix(id, s.boot+".") {
		return nil, 0
	}
	s.mu.Lock()
	old := s.live[id]
	s.mu.Unlock()
	if old != nil {
		old.stop()
		wait := time.NewTimer(time.Second)
		defer wait.Stop()
		select {
		case <-old.done:
		case <-wait.C:
			return nil, 0
		case <-ctx.Done():
			return nil, 0
		}
	}
	return s.unpark(id, of.name), seq
}

func (s *feeds) unpark(id, name string) *feed {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.parked {
		if f.id == id && f.of.name == name && f.expire.Stop() {
			s.parked = append(s.parked[:i:i], s.parked[i+1:]...)
			return f
		}
	}
	return nil
}

// use notes that a stream has the feed. The stream calls stop before done.
func (s *feeds) use(f *feed, stop context.CancelFunc) (done func()) {
	h := &handover{stop: stop, done: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == nil {
		s.live = make(map[string]*handover)
	}
	s.live[f.id] = h
	return func() {
		s.mu.Lock()
		if s.live[f.id] == h {
			delete(s.live, f.id)
		}
		s.mu.Unlock()
		close(h.done)
	}
}

// keep parks a feed for its client to come back. The oldest one makes room.
func (s *feeds) keep(f *feed) {
	s.mu.Lock()
	var over *feed
	switch {
	case s.closed:
		over = f
	case len(s.parked) == maxParked:
		over = s.parked[0]
		s.parked = s.parked[1:]
		fallthrough
	default:
		s.parked = append(s.parked, f)
		f.expire = time.AfterFunc(s.park, func() { s.drop(f) })
	}
	s.mu.Unlock()
	if over != nil && (over == f || over.expire.Stop()) {
		over.end()
	}
}

// drop ends a parked feed whose time is over.
func (s *feeds) drop(f *feed) {
	s.mu.Lock()
	for i, p := range s.parked {
		if p == f {
			s.parked = append(s.parked[:i:i], s.parked[i+1:]...)
			break
		}
	}
	s.mu.Unlock()
	f.end()
}

// close ends what is parked, and parks no more.
func (s *feeds) close() {
	s.mu.Lock()
	s.closed = true
	all := s.parked
	s.parked = nil
	s.mu.Unlock()
	for _, f := range all {
		if f.expire.Stop() {
			f.end()
		}
	}
}
