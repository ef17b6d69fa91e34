package mirrorkv

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starlingkv/starling/kv"
)

// Outcomes counts what became of the writes at the secondary since the mirror was made.
type Outcomes struct {
	Mirrored uint64 // equal at the secondary when the write returned
	Late     uint64 // left to the background, because the secondary does not take copies
	Failed   uint64 // the secondary did not take the copy in time: left to the background
	Caught   uint64 // keys that the background has made equal
	Behind   int    // keys that the secondary lacks the last value of, now; -1: more than are counted
}

type counts struct{ mirrored, late, failed, caught atomic.Uint64 }

// Outcomes returns the counts.
func (c *Client) Outcomes() Outcomes {
	return Outcomes{
		Mirrored: c.counts.mirrored.Load(),
		Late:     c.counts.late.Load(),
		Failed:   c.counts.failed.Load(),
		Caught:   c.counts.caught.Load(),
		Behind:   int(c.behind.size()),
	}
}

// write does a write at the primary and copies the key to the secondary, both before a switch can come between.
func (c *Client) write(ctx context.Context, op, key string, do func(now *era) error) error {
	now, err := c.turn.enter(ctx)
	if err != nil {
		return kv.Wrap(op, key, err)
	}
	defer c.turn.leave()
	if now.closed() {
		return kv.Wrap(op, key, kv.ErrClosed)
	}
	err = do(now)
	switch {
	case err == nil:
		c.mirror(ctx, now, key)
	case !refused(err):
		c.behind.add(key) // the primary may have taken it
	}
	return err
}

// refused reports whether the error says that nothing was written.
func refused(err error) bool {
	for _, sure := range []error{
		kv.ErrConflict, kv.ErrNotReady, kv.ErrClosed, kv.ErrTooLarge, kv.ErrType,
		kv.ErrUnsupported, kv.ErrClockSkew, kv.ErrBadKey,
	} {
		if errors.Is(err, sure) {
			return true
		}
	}
	return false
}

// mirror copies the key now, or leaves it to the background. Caller has entered the era.
func (c *Client) mirror(ctx context.Context, now *era, key string) {
	if c.behind.failing.Load() {
		c.counts.late.Add(1)
		c.behind.add(key)
		return
	}
	was := c.behind.last(key)
	// The write has happened: that its caller goes away is no reason to fall behind.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.options.wait)
	defer cancel()
	switch _, err := now.sync(ctx, key); {
	case errors.Is(err, kv.ErrConflict): // it takes writes, and of this key those of others came first
		c.counts.late.Add(1)
		c.behind.add(key)
		return
	case err != nil:
		c.counts.failed.Add(1)
		c.behind.failing.Store(true)
		c.behind.add(key)
		c.options.log.Warn("the secondary did not take a write: it is tried again", "key", key, "err", err)
		return
	}
	c.behind.done(key, was)
	c.counts.mirrored.Add(1)
}

// tally is a number of keys; many says that there are more than are counted.
type tally int

const many tally = -1

// String returns the number with its noun.
func (t tally) String() string {
	switch t {
	case many:
		return "very many keys"
	case 1:
		return "1 key"
	}
	return fmt.Sprintf("%d keys", int(t))
}

// maxBehind bounds the set of keys behind.
const maxBehind = 1 << 16

// behind is the set of keys whose last value the secondary may lack.
type behind struct {
	wake    chan struct{}
	failing atomic.Bool // the secondary did not take the last copy: no write waits for it

	mu   sync.Mutex
	keys map[string]uint64 // key -> the number of the add that put it there
	adds uint64
	all  bool // too many: everything is to be compared
}

func (b *behind) add(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.keys == nil {
		b.keys = make(map[string]uint64)
	}
	b.adds++
	if _, there := b.keys[key]; !there && len(b.keys) >= maxBehind {
		b.all = true
	} else {
		b.keys[key] = b.adds
	}
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *behind) size() tally {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all {
		return many
	}
	return tally(len(b.keys))
}

// some returns up to n keys with their numbers.
func (b *behind) some(n int) (keys []string, adds []uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, add := range b.keys {
		if len(keys) == n {
			break
		}
		keys, adds = append(keys, key), append(adds, add)
	}
	return keys, adds
}

// last is the number of the add of the key, 0 if it is not behind.
func (b *behind) last(key string) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.keys[key]
}

// done takes a key out, unless it was added again.
func (b *behind) done(key string, add uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.keys[key] == add {
		delete(b.keys, key)
	}
}

// Backoff of the background after a round in which nothing could be copied.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 5 * time.Second
)

// catchUp brings keys up whenever some are behind, until the mirror is closed.
func (c *Client) catchUp() {
	pause := firstPause
	for {
		select {
		case <-c.life.Done():
			return
		case <-c.behind.wake:
		}
		for c.behind.size() != 0 {
			if err := c.Flush(c.life); err == nil {
				pause = firstPause
				break
			}
			select {
			case <-c.life.Done():
				return
			case <-time.After(pause):
			}
			pause = min(2*pause, lastPause)
		}
	}
}

// Flush brings up the keys that are behind and returns nil once none is, or the first error of a round in which no key
// could be brought up.
func (c *Client) Flush(ctx context.Context) error {
	for {
		if err := c.closed(ctx); err != nil {
			return err
		}
		if err := c.flushAll(ctx); err != nil {
			return err
		}
		if err := c.flushKeys(ctx, c.guarded); err != nil {
			return err
		}
		if c.behind.size() == 0 {
			return nil
		}
	}
}

// flushKeys makes the keys behind equal until none is left.
func (c *Client) flushKeys(ctx context.Context, one syncer) error {
	one = Job{Timeout: c.options.wait}.bounded(one)
	for {
		if err := c.closed(ctx); err != nil {
			return err
		}
		keys, adds := c.behind.some(batch)
		if len(keys) == 0 {
			return nil
		}
		caught, overtaken := 0, 0
		var first error
		for i, s := range syncAll(ctx, keys, one) {
			if errors.Is(s.err, kv.ErrConflict) {
				overtaken++ // the secondary takes writes: of this key those of others
				continue
			}
			if s.err != nil {
				first = s.err
				continue
			}
			caught++
			c.behind.done(keys[i], adds[i])
			c.behind.failing.Store(false) // writes wait again, or there would be no end of keys behind
		}
		c.counts.caught.Add(uint64(caught))
		if caught+overtaken == 0 {
			return fmt.Errorf("%s behind: %w", c.behind.size(), first)
		}
	}
}

// flushAll compares everything, if more keys are behind than could be remembered.
func (c *Client) flushAll(ctx context.Context) error {
	c.behind.mu.Lock()
	all := c.behind.all
	c.behind.all = false // what is added from now on counts anew
	c.behind.mu.Unlock()
	if !all {
		return nil
	}
	done, err := c.Copy(ctx, "", nil)
	c.counts.caught.Add(uint64(done.Copied + done.Removed))
	if err != nil {
		c.behind.mu.Lock()
		c.behind.all = true
		c.behind.mu.Unlock()
	}
	return err
}

// guarded makes one key equal while no switch can come between.
func (c *Client) guarded(ctx context.Context, key string) (Result, error) {
	now, err := c.turn.enter(ctx)
	if err != nil {
		return Failed, err
	}
	defer c.turn.leave()
	return now.sync(ctx, key)
}
