package mirrorkv

import (
	"context"
	"errors"
	"time"

	"github.com/starlingkv/starling/kv"
)

// maxShown bounds the differences that a report names.
const maxShown = 100

// Report is what a comparison of both stores found.
type Report struct {
	Began   time.Time
	Took    time.Duration
	Seen    int          // keys, of either store
	Missing int          // keys that only the primary has
	Extra   int          // keys that only the secondary has
	Differs int          // keys with other bytes
	Shown   []Difference // the first of them
	Err     error        // why the comparison ended early; the counts are of what was seen until then
}

// Same reports whether everything was compared and nothing differs.
func (r Report) Same() bool { return r.Err == nil && r.Missing+r.Extra+r.Differs == 0 }

// Copy copies to the secondary what differs from the primary, and removes what only the secondary has; the first copy of
// a migration, and its repair. Keys up to after are taken as done: give it Progress.Last of a run that was broken off.
// Writes go on meanwhile. progress may be nil.
func (c *Client) Copy(ctx context.Context, after string, progress func(Progress)) (Progress, error) {
	if err := c.closed(ctx); err != nil {
		return Progress{Last: after}, err
	}
	now := c.turn.present()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(now.over, func() { cancel(context.Cause(now.over)) })()
	return now.copy(ctx, Job{After: after, Extras: RemoveExtras, Progress: progress}, Job{Timeout: c.options.wait}.bounded(c.guarded))
}

// Verify compares both stores under the prefix and changes nothing.
func (c *Client) Verify(ctx context.Context, prefix string) Report {
	r := Report{Began: time.Now()}
	now := c.turn.present()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(now.over, func() { cancel(context.Cause(now.over)) })()
	for d, err := range now.differences(ctx, kv.Selection{Prefix: prefix}) {
		if err != nil {
			r.Err = err
			break
		}
		r.count(d)
	}
	r.Took = time.Since(r.Began)
	return r
}

func (r *Report) count(d Difference) {
	r.Seen++
	switch d.Kind {
	case Missing:
		r.Missing++
	case Extra:
		r.Extra++
	case Differs:
		r.Differs++
	default:
		return
	}
	if len(r.Shown) < maxShown {
		r.Shown = append(r.Shown, d)
	}
}

// again compares one key once more. Two equal looks at the primary with a look at the secondary between them show a state
// of both that was there at one moment.
func (p pair) again(ctx context.Context, key string) (Difference, error) {
	d := Difference{Key: key}
	for range kv.CASAttempts {
		before, had, err := lookup(ctx, p.from, key)
		if err != nil {
			return d, err
		}
		there, held, err := lookup(ctx, p.to, key)
		if err != nil {
			return d, err
		}
		after, _, err := lookup(ctx, p.from, key)
		if err != nil {
			return d, err
		}
		d = p.difference(before, there, presence{had, held})
		if d.Kind == 0 || before.Version == after.Version {
			return d, nil
		}
	}
	return Difference{Key: key}, nil // it is being written all the time: the next comparison will say
}

// presence says which side has a key.
type presence struct{ from, to bool }

func (p pair) difference(here, there kv.Entry, has presence) Difference {
	d := Difference{Key: here.Key, From: here.Version, To: there.Version}
	switch {
	case has.from && !has.to:
		d.Kind = Missing
	case has.to && !has.from:
		d.Key, d.Kind = there.Key, Extra
	case has.from && !p.equal(here, there):
		d.Kind = Differs
	}
	return d
}

// lookup returns an entry whose value may be raw.
func lookup(ctx context.Context, s side, key string) (kv.Entry, bool, error) {
	e, held, err := s.Entry(ctx, key)
	if held && (errors.Is(err, kv.ErrDecode) || errors.Is(err, kv.ErrType)) {
		err = nil
	}
	return e, held, err
}

// verifier compares at every tick, until the mirror is closed.
func (c *Client) verifier() {
	tick := time.NewTicker(c.options.verify)
	defer tick.Stop()
	for {
		select {
		case <-c.life.Done():
			return
		case <-tick.C:
		}
		r := c.Verify(c.life, "")
		if c.life.Err() != nil {
			return
		}
		if !r.Same() {
			c.options.log.Warn("primary and secondary differ", "missing", r.Missing, "extra", r.Extra, "differs", r.Differs, "err", r.Err)
		}
		c.options.report(r)
	}
}

// closed returns ErrClosed, or the end of ctx.
func (c *Client) closed(ctx context.Context) error {
	if _, err := c.open(); err != nil {
		return err
	}
	return kv.Ended(ctx)
}
