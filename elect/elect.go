// Package elect chooses one leader among many, on a key of any store whose CAS is linearizable: etcd, Consul, NATS, or a
// map in one process. On a store that cannot choose one winner it refuses with kv.ErrNotLinearizable.
//
// The key holds a record: the holder, its fencing token, its lease, and a beat that the holder raises three times per
// lease. A candidate that has seen the same beat for a whole lease, by its own monotonic clock, takes the record over with
// the next token. No clock is compared with another; the TTL of the store is not used. The holder counts its lease from
// before it wrote, gives up a tenth earlier, and so has stopped before another begins, as long as clocks run equally fast
// within that tenth and the process runs.
//
// A process that is stopped for longer wakes up as a leader that is none. No election can prevent that; only the resource
// can: hand it the token with every request, and let it refuse a token lower than one it has seen ([Fence]).
package elect

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/starlingkv/starling/kv"
)

// DefaultLease is how long a leader that vanished keeps others out.
const DefaultLease = 15 * time.Second

// Causes for which the context of a [Leadership] ends.
var (
	// ErrLost: another candidate took over, or the lease could not be renewed in time.
	ErrLost = errors.New("elect: the leadership is lost")
	// ErrResigned: Resign was called.
	ErrResigned = errors.New("elect: resigned")
)

// Leader is who leads, with its fencing token. The zero Leader is nobody.
type Leader struct {
	ID    string
	Token uint64
}

type options struct {
	lease time.Duration
	log   *slog.Logger
}

// Option is an option of [Campaign].
type Option func(*options)

// Lease sets how long the leader may be unable to renew before others take over: 10 ms to 1 h, [DefaultLease] if not
// set. Candidates of one election may differ; the leader's counts.
func Lease(d time.Duration) Option { return func(o *options) { o.lease = d } }

// Logger makes the campaign log to log, where it discards without.
func Logger(log *slog.Logger) Option { return func(o *options) { o.log = log } }

// Campaign waits until id leads, and returns its leadership, or the error for which it cannot be had: ctx has ended, the
// store is closed or not linearizable, or the key holds something else. id names this candidate to people; two candidates
// with one id are two candidates. The client must speak kv.Bytes. The leadership ends with ctx.
//
// An error of the store that may pass, such as a server that is away, is logged and does not end the campaign.
func Campaign(ctx context.Context, c kv.Client, key, id string, opts ...Option) (*Leadership, error) {
	o := options{lease: DefaultLease, log: slog.New(slog.DiscardHandler)}
	for _, opt := range opts {
		opt(&o)
	}
	switch {
	case id == "" || len(id) > maxID:
		return nil, fmt.Errorf("elect: an id has 1 to %d bytes, not %d", maxID, len(id))
	case o.lease < minLease || o.lease > maxLease:
		return nil, fmt.Errorf("elect: a lease is %v to %v, not %v", minLease, maxLease, o.lease)
	}
	if err := kv.CheckKey(key); err != nil {
		return nil, fmt.Errorf("elect: %q: %w", key, err)
	}
	if err := kv.Require(c, kv.LinearizableCAS); err != nil {
		return nil, fmt.Errorf("elect: %q: %w", key, err)
	}
	t := term{client: c, key: key, options: o, mine: record{V: recordVersion, Holder: id, LeaseMS: o.lease.Milliseconds()}}
	won, err := t.campaign(ctx)
	if err != nil {
		return nil, fmt.Errorf("elect: %q: %w", key, err)
	}
	return lead(ctx, t, won), nil
}

// Observe yields who leads, now and after each change, until ctx ends or the store is closed. Changes may be skipped, the
// last never. A leader that vanished is yielded as leader until another takes over. A record that cannot be read is
// yielded as an error.
func Observe(ctx context.Context, c kv.Client, key string) iter.Seq2[Leader, error] {
	return func(yield func(Leader, error) bool) {
		if err := kv.CheckKey(key); err != nil {
			yield(Leader{}, fmt.Errorf("elect: %q: %w", key, err))
			return
		}
		var last Leader
		first := true
		for v := range kv.Values(ctx, c, key) {
			r, err := parse(v)
			if err != nil {
				if !yield(Leader{}, fmt.Errorf("elect: %q: %w", key, err)) {
					return
				}
				continue
			}
			if now := r.leader(); first || now != last {
				first, last = false, now
				if !yield(now, nil) {
					return
				}
			}
		}
	}
}
