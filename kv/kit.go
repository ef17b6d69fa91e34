package kv

import (
	"context"
	"iter"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Back-off between the tries of a CAS: it doubles from the first to the last.
const (
	firstBackoff = time.Millisecond
	lastBackoff  = 50 * time.Millisecond
)

// Kit is what every client shares, for their authors: the loop of CAS, the two callback watches told from Events, and the
// counts. A client of encoded bytes takes [Base], which is made of it. The zero Kit is ready and logs nothing.
type Kit struct {
	Log *slog.Logger // nil: discard

	attempts, successes, failures atomic.Uint64
	watchers                      atomic.Int64
	decodeErrors                  atomic.Uint64

	mu  sync.Mutex        // guards bad
	bad map[string]string // key -> the version last counted as not decoding
}

// maxBad bounds the memory for keys that do not decode; past it the log may tell a version twice.
const maxBad = 4096

// Outcome is how one try of a CAS ended.
type Outcome int

// The outcomes of a try.
const (
	CASFailed   Outcome = iota // the call ends with the try's error
	CASWritten                 // the value was written: success
	CASKept                    // nothing had to be written: success, but none to count
	CASLost                    // another write came first, or f asked to retry: the try's error, if any, is f's
	CASNoChange                // merging the value changed nothing
)

// Stats returns the counts.
func (k *Kit) Stats() Stats {
	return Stats{
		CAS: CASStats{
			Attempts:  k.attempts.Load(),
			Successes: k.successes.Load(),
			Failures:  k.failures.Load(),
		},
		Watchers:     int(k.watchers.Load()),
		DecodeErrors: k.decodeErrors.Load(),
	}
}

// Retry runs try as the contract of CAS says: at most CASAttempts times, with the back-off between, counting. It returns
// an [*Error] of op cas.
func (k *Kit) Retry(ctx context.Context, key string, try func() (Outcome, error)) error {
	err := k.retry(ctx, key, try)
	if err != nil {
		k.failures.Add(1)
	}
	return Wrap("cas", key, err)
}

func (k *Kit) retry(ctx context.Context, key string, try func() (Outcome, error)) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if err := Ended(ctx); err != nil {
		return err // before the first try is counted
	}
	var last error
	for n := range CASAttempts {
		if n > 0 {
			if err := pause(ctx, n); err != nil {
				return err
			}
		}
		k.attempts.Add(1)
		how, err := try()
		switch how {
		case CASWritten:
			k.successes.Add(1)
			return nil
		case CASKept:
			return nil
		case CASFailed:
			return err
		case CASLost:
			last = ErrConflict
		case CASNoChange:
			last = ErrNoChange
		}
		if err != nil {
			last = err
		}
	}
	return last
}

// pause waits before the try after n failed ones: the doubled back-off, of which a random half is taken away so that the
// losers of one race do not meet again.
func pause(ctx context.Context, n int) error {
	if err := Ended(ctx); err != nil {
		return err
	}
	d := lastBackoff
	if n < 7 { // 1 ms << 6 is past the last back-off
		d = min(d, firstBackoff<<(n-1))
	}
	t := time.NewTimer(d/2 + rand.N(d/2+1))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return Ended(ctx)
	}
}

// Watching counts a watcher for as long as events is ranged over.
func (k *Kit) Watching(events iter.Seq2[Event, error]) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		k.watchers.Add(1)
		defer k.watchers.Add(-1)
		events(yield)
	}
}
