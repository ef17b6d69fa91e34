package linear

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/starlingkv/starling/kv"
)

// Run is one recorded run.
type Run struct {
	History *History
	Watches []*Watch
	Final   map[string]string // what the store holds at the end
}

// settleWithin is how long a store may take, once nothing disturbs it, to answer and to tell its watches.
const settleWithin = 30 * time.Second

// Record lets the clients use the store until the faults are over; two of them watch it too. What the faults did they undo
// before they return.
func Record(ctx context.Context, clients []kv.Client, load Load, faults func(ctx context.Context)) (*Run, error) {
	r := &Run{History: NewHistory()}
	for _, c := range clients[:min(2, len(clients))] {
		r.Watches = append(r.Watches, Follow(ctx, c))
	}
	using, stop := context.WithCancel(ctx)
	defer stop()
	var users sync.WaitGroup
	for i, c := range clients {
		users.Go(func() { r.History.Use(using, i, c, load) })
	}
	faults(ctx)
	stop()
	users.Wait()
	return r, r.finish(ctx, clients[0], load.withDefaults())
}

// finish reads what is left, as part of the history.
func (r *Run) finish(ctx context.Context, c kv.Client, load Load) error {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	r.Final = make(map[string]string)
	by := caller{client: 0, c: c, h: r.History}
	for i := range load.Keys {
		read := by.begin(read, Key(i))
		v, err := c.Get(ctx, Key(i))
		if err != nil {
			return fmt.Errorf("the last read of %s: %w", Key(i), err)
		}
		read.saw, _ = v.(string)
		read.end = r.History.now()
		r.History.add(read)
		if read.saw != "" {
			r.Final[Key(i)] = read.saw
		}
	}
	return nil
}

// CheckWatches returns what is wrong with the watches.
func (r *Run) CheckWatches() error { return r.CheckWatchesWithin(settleWithin) }

// CheckWatchesWithin is CheckWatches for watches that have this long to tell the last.
func (r *Run) CheckWatchesWithin(d time.Duration) error {
	var errs []error
	for _, w := range r.Watches {
		errs = append(errs, w.Ends(r.Final, d), w.Check(r.History))
	}
	return errors.Join(errs...)
}

// String gives the figures of the run.
func (r *Run) String() string {
	events := 0
	for _, w := range r.Watches {
		events += w.Len()
	}
	return fmt.Sprintf("%d calls, %d of unknown outcome, %d events", r.History.Len(), r.History.Unknown(), events)
}
