package elect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/starlingkv/starling/kv"
)

// Leadership is one won election. It renews its lease on a goroutine of its own until it ends. It is safe for concurrent
// use.
type Leadership struct {
	term  term
	token uint64
	ctx   context.Context
	end   context.CancelCauseFunc
	ended chan struct{} // the goroutine has returned
	gave  error         // of giving the record back; set before ended is closed
}

// lead keeps what was won.
func lead(ctx context.Context, t term, won time.Time) *Leadership {
	l := &Leadership{term: t, token: t.mine.Token, ended: make(chan struct{})}
	l.ctx, l.end = context.WithCancelCause(ctx)
	go l.keep(won)
	return l
}

// Token returns the fencing token: greater than that of every earlier leader of this key.
func (l *Leadership) Token() uint64 { return l.token }

// Context ends when the leadership does: its cause is ErrLost, ErrResigned, or that of the campaign's context. Do the
// leader's work under it.
func (l *Leadership) Context() context.Context { return l.ctx }

// Resign ends the leadership and gives the record back, so that another takes over at once. It returns an error if the
// record could not be given back: others then wait for the lease to end. After the end it returns what came of it.
func (l *Leadership) Resign(ctx context.Context) error {
	l.end(ErrResigned)
	select {
	case <-l.ended:
	case <-ctx.Done():
		return fmt.Errorf("elect: %q: still giving back: %w", l.term.key, kv.Ended(ctx))
	}
	return l.gave
}

// rest is the time from the making of a record to the end of its leadership: a tenth is left for clocks of another speed.
func (l *Leadership) rest() time.Duration { return l.term.lease - l.term.lease/10 }

// keep renews the lease until the leadership ends, and then gives the record back.
func (l *Leadership) keep(won time.Time) {
	defer close(l.ended)
	// The timer, not the renewal, ends the leadership: a store that does not answer cannot hold it up.
	until := time.AfterFunc(time.Until(won.Add(l.rest())), func() { l.end(ErrLost) })
	defer until.Stop()
	beat := time.NewTicker(l.term.lease / 3)
	defer beat.Stop()
	for l.ctx.Err() == nil {
		select {
		case <-l.ctx.Done():
		case <-beat.C:
			at, err := l.renew(l.ctx)
			switch {
			case err == nil:
				if until.Stop() { // else it has fired: too late
					until.Reset(time.Until(at.Add(l.rest())))
				}
			case errors.Is(err, ErrLost) || fatal(l.ctx, err):
				l.end(fmt.Errorf("%w: %w", ErrLost, err))
			default:
				l.term.log.Warn("election: the lease was not renewed; trying again", "key", l.term.key, "id", l.term.mine.Holder, "err", err)
			}
		}
	}
	l.gave = l.giveBack()
}

// renew raises the beat and returns when the record was made.
func (l *Leadership) renew(ctx context.Context) (at time.Time, err error) {
	err = l.replace(ctx, &at, l.term.mine)
	return at, err
}

// giveBack takes the holder off the record, if it still is this one. It takes at most a third of the lease.
func (l *Leadership) giveBack() error {
	if errors.Is(context.Cause(l.ctx), ErrLost) {
		return nil // there is nothing to give back
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), l.term.lease/3)
	defer cancel()
	next := l.term.mine
	next.Holder = ""
	var at time.Time
	if err := l.replace(ctx, &at, next); err != nil && !errors.Is(err, ErrLost) {
		return fmt.Errorf("elect: %q: the record was not given back, others wait for %v: %w", l.term.key, l.term.lease, err)
	}
	return nil
}

// replace writes the record over one of this token, with a further beat: a beat that is there already would look to
// candidates as if nothing had been written, also if it was this leader that wrote it and never learnt of it.
func (l *Leadership) replace(ctx context.Context, at *time.Time, next record) error {
	return l.term.client.CAS(ctx, l.term.key, func(in any) (any, bool, error) {
		r, err := parse(in)
		if err != nil {
			return nil, false, err
		}
		if r.Token != l.token || r.Holder != l.term.mine.Holder {
			return nil, false, ErrLost
		}
		*at = time.Now()
		next.Beat = r.Beat + 1
		out, err := next.encode()
		return out, true, err
	})
}
