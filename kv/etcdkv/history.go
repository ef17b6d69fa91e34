package etcdkv

import (
	"context"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/starlingkv/starling/internal/note"
	"github.com/starlingkv/starling/kv"
)

// A write that expects a key to be there compares its revision, which no later write has again. One that expects the key
// to be absent has nothing like it: if its answer is lost, and another deletes what it wrote, the key is absent once more,
// and a second try would write the value a second time. So before a second try of such a write the history of the key is
// searched for the first.

// progressEvery is how often etcd is asked how far a search has come.
const progressEvery = 50 * time.Millisecond

// saw notes a revision that the cluster answered with, from which searches begin. The question was asked when before was
// the greatest known: an answer behind that comes from a cluster that was restored from a backup and counts anew.
func (s *store) saw(before, revision int64) {
	for {
		old := s.revision.Load()
		if before <= revision && revision <= old || s.revision.CompareAndSwap(old, revision) {
			return
		}
	}
}

// begin notes a revision before the first try, if the write expects the key to be absent.
func (x *writing) begin(ctx context.Context, c *clientv3.Client) error {
	if x.mark == "" || x.rev != absent || x.since != 0 {
		return nil
	}
	if x.since = x.store.revision.Load(); x.since != 0 {
		return nil
	}
	resp, err := c.Get(ctx, x.key, clientv3.WithCountOnly())
	if err == nil {
		x.store.saw(0, resp.Header.Revision)
		x.since = resp.Header.Revision
	}
	return err
}

// created returns the revision of a try whose answer was lost, 0 if it did not happen. It is asked when the key is
// expected to be absent; a present one is for the transaction to meet.
func (x *writing) created(ctx context.Context, c *clientv3.Client) (int64, error) {
	now, err := c.Get(ctx, x.key, clientv3.WithCountOnly()) // at the leader, behind all that was under way there
	if err != nil || now.Count > 0 {
		return 0, err
	}
	switch until := now.Header.Revision; {
	case until < x.since:
		x.store.saw(x.since, until)
		return 0, fmt.Errorf("%w: etcd was restored from a backup meanwhile", kv.ErrUnknown)
	case until == x.since:
		return 0, nil // nothing at all was written
	}
	return x.search(ctx, c, now.Header.Revision)
}

// search looks for the write in the history of its key, from before the first try up to the revision.
func (x *writing) search(ctx context.Context, c *clientv3.Client, upTo int64) (int64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	history := c.Watch(ctx, noteKey(x.key, x.codec), clientv3.WithRev(x.since+1), clientv3.WithFilterDelete(), clientv3.WithProgressNotify())
	ask := time.NewTicker(progressEvery)
	defer ask.Stop()
	for {
		select {
		case resp, ok := <-history:
			switch {
			case resp.CompactRevision > 0:
				return 0, fmt.Errorf("%w: etcd has forgotten what came since", kv.ErrUnknown)
			case !ok || resp.Err() != nil:
				return 0, fmt.Errorf("reading the history of the key: %w", ended(&resp, ok))
			}
			for _, ev := range resp.Events {
				if n, err := note.Parse(ev.Kv.Value); err == nil && n.Write == x.mark {
					return ev.Kv.ModRevision, nil
				}
			}
			if resp.Header.Revision >= upTo && (resp.IsProgressNotify() || len(resp.Events) > 0) {
				return 0, nil
			}
		case <-ask.C:
			if err := c.RequestProgress(ctx); err != nil {
				return 0, err
			}
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// ended is why a watch is over.
func ended(resp *clientv3.WatchResponse, open bool) error {
	if open && resp.Err() != nil {
		return resp.Err()
	}
	return rpctypes.ErrStopped
}
