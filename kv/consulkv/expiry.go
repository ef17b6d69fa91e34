package consulkv

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/starlingkv/starling/kv"
)

const (
	// minSession is the shortest time that Consul lets a session live.
	minSession = 10 * time.Second
	// sessionSpare is what a session lives longer than its value, for the time between the two.
	sessionSpare = 10 * time.Second
	// sessionAge is how old a session may be when it gets its value; an older one is replaced.
	sessionAge = 5 * time.Second
	// lockDelay is how long Consul keeps a key from others when a session ends that held it. None is not to be had.
	lockDelay = time.Millisecond
	// destroyWithin bounds the end of one session.
	destroyWithin = 5 * time.Second
	// maxEnding bounds the requests that end values and sessions at a time.
	maxEnding = 16
)

// session is what ends a value if nobody else does. The zero session is none.
type session struct {
	id   string
	ttl  time.Duration
	made time.Time // or a little before
}

// newSession makes a session that outlives values of this TTL. It depends on no health check: only on its time, and on the
// node of the agent being registered.
func (s *store) newSession(ctx context.Context, ttl time.Duration) (session, error) {
	whole := (ttl + time.Second - 1).Truncate(time.Second)
	made := session{ttl: min(max(whole+sessionSpare, minSession), maxTTL), made: time.Now()}
	err := s.Do(ctx, func(ctx context.Context) (err error) {
		made.id, _, err = s.api.Session().CreateNoChecks(&api.SessionEntry{
			Name: "starling: the TTL of a value", Behavior: api.SessionBehaviorDelete,
			TTL: made.ttl.String(), LockDelay: lockDelay,
		}, write(ctx))
		return err
	})
	return made, err
}

// storeFor is one try to store a value with a TTL.
func (x *writing) storeFor(ctx context.Context) (version string, err error) {
	if !fitsTxn(x.path, x.value) {
		return "", fmt.Errorf("%w: %d bytes with a TTL, which take a transaction of Consul of at most %d, in base 64",
			kv.ErrTooLarge, len(x.value), maxTxn)
	}
	held := x.heldBy()
	if p := x.there.pair; p != nil && p.Session != held {
		return "", fmt.Errorf("%w: a TTL for a key that the session %s of others has locked: release it first", kv.ErrUnsupported, p.Session)
	}
	if time.Since(x.session.made) > sessionAge {
		x.store.expiry.destroy(x.session.id)
		if x.session, err = x.store.newSession(ctx, x.w.TTL); err != nil {
			return "", err
		}
	}
	p, err := x.commit(ctx, x.lockOps(held))
	if err != nil {
		if refused(err) && strings.Contains(err.Error(), "session") {
			x.session.made = time.Time{} // it is gone: the next try needs another
		}
		return "", err
	}
	// From here the session is the value's.
	x.store.expiry.add(x.path, ending{index: p.ModifyIndex, session: x.session.id}, x.w.TTL)
	if x.session.ttl-time.Since(x.session.made) < x.w.TTL {
		err = x.store.Do(ctx, func(ctx context.Context) error {
			_, _, err := x.store.api.Session().Renew(x.session.id, write(ctx))
			return err
		})
	}
	if err != nil {
		x.session = session{}
		return "", fmt.Errorf("%w: the value is written, but may go before its TTL: %w", kv.ErrUnknown, err)
	}
	return x.written(p), nil
}

// lockOps is the transaction of a value with a TTL.
func (x *writing) lockOps(held string) api.KVTxnOps {
	check := &api.KVTxnOp{Verb: api.KVCheckIndex, Key: x.path, Index: x.index()}
	if x.index() == 0 {
		check = &api.KVTxnOp{Verb: api.KVCheckNotExists, Key: x.path}
	}
	ops := api.KVTxnOps{check}
	if held != "" {
		ops = append(ops, &api.KVTxnOp{Verb: api.KVUnlock, Key: x.path, Session: held})
	}
	return append(ops, &api.KVTxnOp{
		Verb: api.KVLock, Key: x.path, Session: x.session.id, Value: x.value, Flags: x.stamp.flags(),
	})
}

// expiry ends the values with a TTL that this client wrote, each when its time is over, and sessions that nobody needs.
type expiry struct {
	store *store
	slots chan struct{} // who ends something has one

	mu     sync.Mutex // guards what follows
	closed bool
	due    map[string]*ending
	tasks  sync.WaitGroup // added to only while not closed
}

// ending is how one value goes.
type ending struct {
	index   uint64 // of the write: any other is not gone
	session string
	timer   *time.Timer
}

func newExpiry(s *store) *expiry {
	return &expiry{store: s, slots: make(chan struct{}, maxEnding), due: make(map[string]*ending)}
}

// add ends the value after the TTL, which begins now: not before it was written.
func (e *expiry) add(path string, how ending, ttl time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	if before := e.due[path]; before != nil {
		before.timer.Stop()
	}
	how.timer = time.AfterFunc(ttl, func() { e.end(path, &how) })
	e.due[path] = &how
}

// end removes a value whose time is over, and its session.
func (e *expiry) end(path string, how *ending) {
	e.mu.Lock()
	if e.due[path] == how {
		delete(e.due, path)
	}
	e.mu.Unlock()
	e.run(func(ctx context.Context) {
		err := e.store.Do(ctx, func(ctx context.Context) error {
			_, err := e.store.transact(ctx, api.KVTxnOps{{Verb: api.KVDeleteCAS, Key: path, Index: how.index}})
			return err
		})
		if err != nil && !refused(err) && e.store.Life.Err() == nil {
			e.store.log.Warn("value not removed when its TTL was over; its session does it later", "path", path, "err", err)
			return
		}
		e.destroyNow(ctx, how.session)
	})
}

// over forgets what was to end a row that was replaced or removed, and ends its session.
func (e *expiry) over(p *api.KVPair) {
	if p == nil {
		return
	}
	if _, ok := expires(p); !ok {
		return
	}
	e.mu.Lock()
	if how := e.due[p.Key]; how != nil && how.session == p.Session {
		how.timer.Stop()
		delete(e.due, p.Key)
	}
	e.mu.Unlock()
	e.destroy(p.Session)
}

// destroy ends a session beside whatever its caller does; "" is none.
func (e *expiry) destroy(id string) {
	if id != "" {
		e.run(func(ctx context.Context) { e.destroyNow(ctx, id) })
	}
}

// destroyNow tries once: the session ends by itself too.
func (e *expiry) destroyNow(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, destroyWithin)
	defer cancel()
	if _, err := e.store.api.Session().Destroy(id, write(ctx)); err != nil {
		e.store.log.Debug("session left to its TTL", "session", id, "err", err)
	}
}

// run runs a task that close waits for. Its ctx ends with the client.
func (e *expiry) run(task func(context.Context)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.tasks.Go(func() {
		select {
		case e.slots <- struct{}{}:
			defer func() { <-e.slots }()
			task(e.store.Life)
		case <-e.store.Life.Done():
		}
	})
}

// close stops all timers and waits for the tasks; the client's life has ended before.
func (e *expiry) close() {
	e.mu.Lock()
	e.closed = true
	for _, how := range e.due {
		how.timer.Stop()
	}
	clear(e.due)
	e.mu.Unlock()
	e.tasks.Wait()
}
