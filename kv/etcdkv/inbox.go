package etcdkv

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/starlingkv/starling/internal/retry"
	"github.com/starlingkv/starling/kv"
)

// inbox is what changed of which a watcher was not told yet: at most one change for each key, however slow he is.
type inbox struct {
	store   *store
	cluster uint64 // its id
	lo, hi  string
	wake    chan struct{} // of 1: something is pending
	done    chan struct{} // closed when run has ended

	mu      sync.Mutex // guards what follows
	pending map[string]change
	seq     uint64
	err     error // why run has ended, if not by its ctx
}

// change is the last one of a key.
type change struct {
	event kv.Event
	seq   uint64 // its place in the order of last changes
	known bool   // the watcher was told of an older value of the key, or is being told
}

func newInbox(s *store, p *pages) *inbox {
	in := &inbox{store: s, wake: make(chan struct{}, 1), done: make(chan struct{}), cluster: s.cluster.Load(), pending: make(map[string]change)}
	in.lo, in.hi = p.first, p.hi
	return in
}

// wait waits until run has ended.
func (in *inbox) wait() { <-in.done }

// run takes in every change from the revision next on, until ctx ends or etcd no longer knows one of them.
func (in *inbox) run(ctx context.Context, next int64) {
	defer close(in.done)
	for n := 1; ctx.Err() == nil; n++ {
		last, err := in.watch(ctx, next)
		if last >= next {
			next, n = last+1, 1 // it worked, so this is a new trouble
		}
		if ctx.Err() != nil {
			return
		}
		if final := in.store.final(err); final != nil {
			in.mu.Lock()
			in.err = final
			in.mu.Unlock()
			return
		}
		in.store.log.Warn("watch broken, trying again", "key", in.lo, "err", err)
		retry.Pause(ctx, waits.After(n))
	}
}

// watch takes in what one watch of etcd's client tells, which itself goes on at another member if one is lost. It returns
// the last revision that was taken in, and why the watch ended.
func (in *inbox) watch(ctx context.Context, next int64) (last int64, err error) {
	c, err := in.store.connection(ctx)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	for resp := range c.Watch(ctx, in.lo, clientv3.WithRange(in.hi), clientv3.WithRev(next), clientv3.WithProgressNotify()) {
		if err := in.check(&resp, max(last, next-1)); err != nil {
			return last, err
		}
		if n := len(resp.Events); n > 0 {
			in.note(in.store.met(resp.Header.ClusterId), resp.Events)
			last = resp.Events[n-1].Kv.ModRevision
		} else if resp.IsProgressNotify() {
			last = resp.Header.Revision
		}
	}
	return last, rpctypes.ErrStopped
}

// check returns why the watch cannot go on with this answer. A cluster that was restored from a backup counts its
// revisions anew: to a watch that is as if changes were missed.
func (in *inbox) check(resp *clientv3.WatchResponse, seen int64) error {
	switch {
	case resp.CompactRevision > 0:
		return rpctypes.ErrCompacted
	case resp.Err() != nil:
		return resp.Err()
	case resp.Canceled:
		return rpctypes.ErrStopped
	case resp.Header.ClusterId != in.cluster || resp.IsProgressNotify() && resp.Header.Revision < seen:
		return fmt.Errorf("the cluster is another one than before: %w", rpctypes.ErrCompacted)
	}
	return nil
}

// note adds the events to what is pending.
func (in *inbox) note(of assembler, events []*clientv3.Event) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := 0; i < len(events); {
		ev, created := events[i], events[i].IsCreate()
		if ev.Type == clientv3.EventTypeDelete {
			i++
			if key := keyOf(ev.Kv); key != "" {
				in.add(kv.Event{Kind: kv.Delete, Entry: kv.Entry{Key: key}}, false)
			}
			continue
		}
		rows := puts(events[i:])
		e, rest := of.take(rows)
		i += len(rows) - len(rest)
		if e.Key != "" {
			in.add(kv.Event{Kind: kv.Put, Entry: e.Entry}, created)
		}
	}
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// puts are the rows of one transaction at the head of the events: a value and what may be its notes.
func puts(events []*clientv3.Event) []*mvccpb.KeyValue {
	var rows []*mvccpb.KeyValue
	for _, ev := range events {
		if ev.Type != clientv3.EventTypePut || ev.Kv.ModRevision != events[0].Kv.ModRevision {
			break
		}
		rows = append(rows, ev.Kv)
	}
	return rows
}

// add notes the change of one key; created says that the key was absent before it. Caller holds mu.
func (in *inbox) add(ev kv.Event, created bool) {
	before, pends := in.pending[ev.Key]
	known := before.known || !pends && !created
	if ev.Kind == kv.Delete && !known {
		delete(in.pending, ev.Key) // it came and went, and nobody was told
		return
	}
	in.seq++
	in.pending[ev.Key] = change{event: ev, seq: in.seq, known: known}
}

// take returns what is pending in the order of the last changes, and why there will be no more.
func (in *inbox) take() ([]kv.Event, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	changes := make([]change, 0, len(in.pending))
	for _, c := range in.pending {
		changes = append(changes, c)
	}
	clear(in.pending)
	slices.SortFunc(changes, func(a, b change) int { return cmp.Compare(a.seq, b.seq) })
	events := make([]kv.Event, len(changes))
	for i, c := range changes {
		events[i] = c.event
	}
	return events, in.err
}
