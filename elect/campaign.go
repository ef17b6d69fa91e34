package elect

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/starlingkv/starling/kv"
)

// term is what a candidate works with.
type term struct {
	client kv.Client
	key    string
	options
	mine record // holder and lease; the token once it is won
}

// seen is the record a candidate waits for to go stale, and when it was first seen.
type seen struct {
	record
	at time.Time
}

// free reports whether the record may be taken over: nobody holds it, or its holder has rested for a whole lease.
func (s seen) free(now time.Time) bool {
	return s.Holder == "" || now.Sub(s.at) >= s.lease()
}

// campaign returns when the winning record was made.
func (t *term) campaign(ctx context.Context) (won time.Time, err error) {
	watch, cancel := context.WithCancel(ctx)
	changed := make(chan struct{}, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		t.client.WatchKey(watch, t.key, func(any) bool {
			select {
			case changed <- struct{}{}:
			default:
			}
			return true
		})
	}()
	defer func() { <-ended }()
	defer cancel()
	var last seen
	for {
		won, err := t.attempt(ctx, &last)
		switch {
		case err == nil && !won.IsZero():
			return won, nil
		case fatal(ctx, err):
			return time.Time{}, err
		case err != nil:
			t.log.Warn("election: the store did not answer; the campaign goes on", "key", t.key, "id", t.mine.Holder, "err", err)
		}
		if err := wait(ctx, t.until(last, err), changed); err != nil {
			return time.Time{}, err
		}
	}
}

// until is how long the next attempt can wait: until the record may have gone stale, and after an error at least a tenth of
// the lease. The jitter keeps candidates from trying at once.
func (t *term) until(last seen, err error) time.Duration {
	pause := t.lease / 10 // another was quicker, or the store did not answer
	if err == nil && last.Holder != "" {
		pause = time.Until(last.at.Add(last.lease()))
	}
	return max(0, pause) + rand.N(t.lease/10)
}

// wait returns after the pause, or when the record has changed.
func wait(ctx context.Context, pause time.Duration, changed <-chan struct{}) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
		return kv.Ended(ctx)
	}
	return nil
}

// attempt takes the record over if that is allowed, and returns when the record was made, or zero. It keeps in last what
// it saw.
func (t *term) attempt(ctx context.Context, last *seen) (won time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.lease)
	defer cancel()
	var next record
	err = t.client.CAS(ctx, t.key, func(in any) (any, bool, error) {
		won = time.Time{}
		r, err := parse(in)
		if err != nil {
			return nil, false, err
		}
		now := time.Now()
		if r != last.record || last.at.IsZero() {
			*last = seen{record: r, at: now}
		}
		if !last.free(now) {
			return nil, false, nil
		}
		next = t.mine
		next.Token = r.Token + 1
		won = now // before it is written: others count from after
		out, err := next.encode()
		return out, true, err
	})
	if err != nil || won.IsZero() {
		return time.Time{}, err
	}
	t.mine = next
	return won, nil
}

// fatal reports whether the error will not pass.
func fatal(ctx context.Context, err error) bool {
	if err == nil {
		return false
	}
	for _, lasting := range []error{
		kv.ErrClosed, kv.ErrType, kv.ErrDecode, kv.ErrTooLarge, kv.ErrUnsupported, kv.ErrNotLinearizable, kv.ErrBadKey,
	} {
		if errors.Is(err, lasting) {
			return true
		}
	}
	return ctx.Err() != nil
}
