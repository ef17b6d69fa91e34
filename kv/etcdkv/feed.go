package etcdkv

import (
	"context"
	"errors"
	"iter"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/starlingkv/starling/kv"
)

// Feed is part of kv.Backend.
func (s *store) Feed(ctx context.Context, sel kv.Selection) iter.Seq2[kv.Event, error] {
	return func(yield func(kv.Event, error) bool) {
		f := &feed{store: s, sel: sel, yield: yield}
		for {
			err := f.follow(ctx)
			if f.stopped {
				return
			}
			if end := s.over(ctx, err); end != nil {
				yield(kv.Event{}, end)
				return
			}
			// Only a change that etcd no longer knows leads here: the state is told anew.
			if !f.tell(ctx, kv.Event{Kind: kv.Reset}) && f.stopped {
				return
			}
		}
	}
}

// over returns why a watch is over after err, nil if it goes on with the state anew.
func (s *store) over(ctx context.Context, err error) error {
	if s.Life.Err() != nil {
		return kv.ErrClosed
	}
	if ended := kv.Ended(ctx); ended != nil {
		return ended
	}
	if errors.Is(err, rpctypes.ErrCompacted) {
		return nil
	}
	return err
}

// feed is a watch.
type feed struct {
	store   *store
	sel     kv.Selection
	yield   func(kv.Event, error) bool
	stopped bool // yield wants no more
}

// tell yields the event if the watch is not over, and reports whether to go on.
func (f *feed) tell(ctx context.Context, ev kv.Event) bool {
	if f.store.Life.Err() != nil || ctx.Err() != nil {
		return false
	}
	f.stopped = !f.yield(ev, nil)
	return !f.stopped
}

// follow tells the state and then every change, until the watch is over or changes were missed: rpctypes.ErrCompacted.
func (f *feed) follow(caller context.Context) error {
	ctx, cancel := context.WithCancel(caller)
	defer cancel()
	defer context.AfterFunc(f.store.Life, cancel)()

	in, err := f.state(ctx)
	if in != nil {
		defer in.wait()
		defer cancel()
	}
	if err != nil || f.stopped || !f.tell(ctx, kv.Event{Kind: kv.Synced}) {
		return err
	}
	for {
		select {
		case <-in.wake:
		case <-in.done:
		case <-ctx.Done():
			return nil
		}
		changes, err := in.take()
		for _, ev := range changes {
			if !f.tell(ctx, ev) {
				return nil
			}
		}
		if err != nil {
			return err
		}
	}
}

// state tells what is there. What changes after that is in the inbox, from the first page on.
func (f *feed) state(ctx context.Context) (in *inbox, err error) {
	for p := f.store.pages(f.sel); !p.done; {
		entries, err := f.page(ctx, p)
		if err != nil {
			return in, err
		}
		if in == nil {
			in = newInbox(f.store, p)
			go in.run(ctx, p.rev+1)
		}
		for _, e := range entries {
			if !f.tell(ctx, kv.Event{Kind: kv.Put, Entry: e}) {
				return in, nil
			}
		}
	}
	return in, nil
}

// page reads a page for as long as it takes: a watch outlives an outage.
func (f *feed) page(ctx context.Context, p *pages) ([]kv.Entry, error) {
	for {
		entries, err := p.next(ctx)
		if !errors.Is(err, kv.ErrUnreachable) || ctx.Err() != nil {
			return entries, err
		}
		f.store.log.Warn("watch waits for etcd", "key", f.sel.Prefix+f.sel.Key, "err", err)
	}
}
