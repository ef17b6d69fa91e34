package memkv

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starlingkv/starling/internal/tree"
	"github.com/starlingkv/starling/kv"
)

// slack is how late the expiry of a value may be told. Reads are exact to two milliseconds; a timer of a busy machine is
// not.
const slack = 250 * time.Millisecond

// item is one value. It never changes.
type item struct {
	key     string
	body    kv.Raw
	codec   string
	media   string
	rev     uint64
	updated time.Time
	ttl     time.Duration
	expires int64 // milliseconds of the store's clock, 0: never
}

// Key is part of tree.Item.
func (it *item) Key() string { return it.key }

// Agg is part of tree.Item. The tree uses the earliest expiry to find what is due.
func (it *item) Agg() tree.Agg {
	return tree.Agg{Count: 1, Live: 1, MaxRev: it.rev, MinExp: it.expires}
}

type items = tree.Tree[*item]

// store is the map. It implements kv.Backend.
type store struct {
	name  string    // begins every version, so that no other store has the same
	start time.Time // the store's clock counts from here, on the monotonic clock
	done  chan struct{}
	root  atomic.Pointer[items] // written under mu

	mu       sync.Mutex // guards what follows, and all writing
	rev      uint64
	closed   bool
	timer    *time.Timer
	watchers map[*watcher]struct{}
}

func newStore() *store {
	s := &store{
		name:     strconv.FormatUint(rand.Uint64(), 36),
		start:    time.Now(),
		done:     make(chan struct{}),
		watchers: make(map[*watcher]struct{}),
	}
	s.root.Store(new(items))
	return s
}

// Capabilities is part of kv.Backend.
func (s *store) Capabilities() kv.Capabilities {
	return kv.Capabilities{
		LinearizableCAS: true,
		OrderedWatch:    true,
		TTL:             true,
		TTLSlack:        slack,
		MaxValue:        kv.MaxValue,
		Media:           true,
	}
}

// Load is part of kv.Backend.
func (s *store) Load(_ context.Context, key string) (kv.Entry, error) {
	root, err := s.read()
	if err != nil {
		return kv.Entry{}, err
	}
	it, ok := root.Get(key)
	if !ok {
		return kv.Entry{Key: key}, nil
	}
	return s.entry(it), nil
}

// Scan is part of kv.Backend. It sees one moment, however long it takes.
func (s *store) Scan(ctx context.Context, sel kv.Selection) iter.Seq2[kv.Entry, error] {
	return func(yield func(kv.Entry, error) bool) {
		root, err := s.read()
		if err != nil {
			yield(kv.Entry{}, err)
			return
		}
		for it := range root.Range(bounds(sel)) {
			if err := kv.Ended(ctx); err != nil {
				yield(kv.Entry{}, err)
				return
			}
			if !yield(s.entry(it), nil) {
				return
			}
		}
	}
}

// Store is part of kv.Backend.
func (s *store) Store(_ context.Context, e kv.Entry, w kv.Write) (version string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, held, err := s.present(e.Key)
	if err != nil {
		return "", err
	}
	if !w.Admits(held) {
		return "", kv.ErrConflict
	}
	if old != nil && old.codec != e.Codec {
		return "", fmt.Errorf("%w: the key holds %q, not %q", kv.ErrType, old.codec, e.Codec)
	}
	raw, _ := e.Value.(kv.Raw)
	s.rev++
	it := &item{key: e.Key, body: raw, codec: e.Codec, media: e.Media, rev: s.rev, updated: time.Now().Round(0), ttl: w.TTL}
	if w.TTL > 0 {
		// Both are rounded up: a key never goes before its time.
		it.expires = ceil(time.Since(s.start)) + ceil(w.TTL)
	}
	edit := s.root.Load().Edit()
	edit.Put(it)
	s.commit(edit, change{key: e.Key, was: old})
	s.arm()
	return s.version(it), nil
}

// Drop is part of kv.Backend.
func (s *store) Drop(_ context.Context, key string, w kv.Write) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, held, err := s.present(key)
	if err != nil || old == nil {
		return err
	}
	if !w.Admits(held) {
		return kv.ErrConflict
	}
	edit := s.root.Load().Edit()
	edit.Delete(key)
	s.commit(edit, change{key: key, was: old})
	return nil
}

// present returns the item of the key, nil if there is none, and its version. Caller holds mu.
func (s *store) present(key string) (it *item, version string, err error) {
	if s.closed {
		return nil, "", kv.ErrClosed
	}
	s.expire()
	it, ok := s.root.Load().Get(key)
	if !ok {
		return nil, "", nil
	}
	return it, s.version(it), nil
}

// commit makes the edited tree the present one and tells the watchers. Caller holds mu.
func (s *store) commit(edit *tree.Editor[*item], changes ...change) {
	root := edit.Tree()
	s.root.Store(&root)
	for w := range s.watchers {
		w.note(changes)
	}
}

// read returns the present tree, without what is due. It takes the lock only if something is.
func (s *store) read() (*items, error) {
	select {
	case <-s.done:
		return nil, kv.ErrClosed
	default:
	}
	root := s.root.Load()
	if first := root.Agg().MinExp; first == 0 || s.now() < first {
		return root, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	return s.root.Load(), nil
}

// expire removes what is due. Caller holds mu.
func (s *store) expire() {
	root, now := s.root.Load(), s.now()
	if first := root.Agg().MinExp; first == 0 || now < first {
		return
	}
	var gone []change
	for it := range root.ExpiredBefore(now + 1) {
		gone = append(gone, change{key: it.key, was: it})
	}
	edit := root.Edit()
	for _, c := range gone {
		edit.Delete(c.key)
	}
	s.commit(edit, gone...)
}

// arm sets the timer to the next expiry. A timer that is early, because its value went another way, only arms it anew;
// so a Drop need not. Caller holds mu.
func (s *store) arm() {
	first := s.root.Load().Agg().MinExp
	if first == 0 || s.closed {
		return
	}
	// At most an hour, which no Duration overflows.
	wait := time.Duration(min(first-s.now(), time.Hour.Milliseconds())) * time.Millisecond
	if s.timer == nil {
		s.timer = time.AfterFunc(wait, s.due)
		return
	}
	s.timer.Reset(wait)
}

// due runs on the timer.
func (s *store) due() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.expire()
	s.arm()
}

func (s *store) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	close(s.done)
	if s.timer != nil {
		s.timer.Stop()
	}
}

func (s *store) entry(it *item) kv.Entry {
	e := kv.Entry{
		Key:     it.key,
		Value:   it.body,
		Version: s.version(it),
		Updated: it.updated,
		Codec:   it.codec,
		Size:    len(it.body),
		Media:   it.media,
	}
	if it.ttl > 0 {
		e.Expires = it.updated.Add(it.ttl)
	}
	return e
}

func (s *store) version(it *item) string {
	return s.name + "-" + strconv.FormatUint(it.rev, 10)
}

// now reads the store's clock, in whole milliseconds.
func (s *store) now() int64 { return time.Since(s.start).Milliseconds() }

// ceil returns d in milliseconds, rounded up.
func ceil(d time.Duration) int64 {
	ms := d.Milliseconds()
	if d > time.Duration(ms)*time.Millisecond {
		ms++
	}
	return ms
}
