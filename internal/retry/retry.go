// Package retry is what a client does while its store does not answer: it tries again until the time of the call is over,
// and then says which server it asked and why there was no answer. What an answer is, and how a reason reads, is the
// store's.
package retry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/starlingkv/starling/kv"
)

// Loop is how one client tries again. It is safe for concurrent use, and none of its fields may be nil or zero.
type Loop struct {
	Where    string            // the servers, as errors name them: "etcd 127.0.0.1:2379"
	Life     context.Context   // ends when the client is closed
	Patience time.Duration     // of a call whose ctx has no deadline
	Waits    Backoff           // between tries
	Final    func(error) error // the error for the caller, if another try would not change it; nil if one might
	Reason   func(error) error // what matters of an error of the store's own client
}

// Do calls try until it succeeds, fails for good, or the time of the call is over. The ctx that try is given ends then.
func (l *Loop) Do(caller context.Context, try func(context.Context) error) error {
	ctx, cancel := l.Bound(caller)
	defer cancel()
	var last error
	for n := 1; ; n++ {
		if err := l.over(caller, ctx, last); err != nil {
			return err
		}
		err := try(ctx)
		if err == nil {
			return nil
		}
		if over := l.over(caller, ctx, last); over != nil {
			return over
		}
		if final := l.Final(err); final != nil {
			return final
		}
		last = err
		Pause(ctx, l.Waits.After(n))
	}
}

// Bound returns a ctx that ends with the caller's, with the client, and if the caller set no limit, with its patience.
func (l *Loop) Bound(ctx context.Context) (context.Context, context.CancelFunc) {
	cancel := context.CancelFunc(func() {})
	if _, limited := ctx.Deadline(); !limited {
		ctx, cancel = context.WithTimeout(ctx, l.Patience)
	}
	ctx, end := context.WithCancel(ctx)
	unhook := context.AfterFunc(l.Life, end)
	return ctx, func() {
		unhook()
		end()
		cancel()
	}
}

// over returns nil while the call has time, then how it ends.
func (l *Loop) over(caller, bounded context.Context, last error) error {
	switch {
	case l.Life.Err() != nil:
		return kv.ErrClosed
	case bounded.Err() != nil:
		return l.GaveUp(caller, bounded, last)
	}
	return nil
}

// GaveUp says why a call ended without an answer: the end of its ctx, and what went wrong until then, nil if nothing did.
func (l *Loop) GaveUp(caller, bounded context.Context, last error) error {
	ended := kv.Ended(caller)
	switch {
	case ended == nil:
		ended = fmt.Errorf("%w after %v", kv.Ended(bounded), l.Patience)
	case last == nil && errors.Is(ended, context.Canceled):
		return ended // nothing went wrong: nobody wanted the answer any more
	}
	if last == nil {
		last = errors.New("it is silent")
	}
	return fmt.Errorf("%w: %s: %w: %w", kv.ErrUnreachable, l.Where, l.Reason(last), ended)
}

// Backoff is waits that double from the first to the last.
type Backoff struct{ First, Last time.Duration }

// After is the wait after n tries that failed. A random half is taken away, so that the clients of a server that restarts
// do not come all at once.
func (b Backoff) After(n int) time.Duration {
	d := b.First
	for ; n > 1 && d < b.Last; n-- {
		d *= 2
	}
	d = min(d, b.Last)
	return d/2 + rand.N(d/2+1)
}

// Pause waits, and reports whether ctx still lives.
func Pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
