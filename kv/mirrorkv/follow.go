package mirrorkv

import (
	"context"
	"maps"
	"slices"

	"github.com/starlingkv/starling/kv"
)

// Follow copies as [Copy] does, and goes on copying what changes at the source, deletes included, until ctx ends; it
// returns the error of that, or the one that stopped it earlier. synced is called after each pass over the whole, of which
// there is one more whenever the source has lost the place of the watch; nil: nobody. Keys that fail are retried by the
// next pass, or by the next change.
func Follow(ctx context.Context, j Job, synced func(Progress, error)) error {
	p, err := pairOf(j.Codec, j.From, j.To)
	if err != nil {
		return err
	}
	f := follower{pair: p, one: j.bounded(p.sync), job: j, synced: synced, known: make(map[string]bool), failed: make(map[string]bool)}
	for ev, err := range p.from.Events(ctx, j.Prefix) {
		if err != nil && ev.Key == "" {
			return err
		}
		if err := f.next(ctx, ev); err != nil {
			return err
		}
	}
	return kv.Ended(ctx)
}

// follower applies the events of the source.
type follower struct {
	pair
	one    syncer
	job    Job
	synced func(Progress, error)
	live   bool            // the state has been told in full
	known  map[string]bool // keys present at the source; false: not told again since a reset
	failed map[string]bool // keys of which a change could not be copied
}

func (f *follower) next(ctx context.Context, ev kv.Event) error {
	switch ev.Kind {
	case kv.Reset:
		f.live = false
		for key := range f.known {
			f.known[key] = false
		}
	case kv.Synced:
		f.live = true
		return f.pass(ctx)
	case kv.Put:
		f.known[ev.Key] = true
	case kv.Delete:
		delete(f.known, ev.Key)
	}
	if f.live && ev.Key != "" {
		return f.sync1(ctx, ev.Key)
	}
	return nil
}

// pass compares the whole, while the store keeps the changes that come meanwhile.
func (f *follower) pass(ctx context.Context) error {
	for key, told := range f.known {
		if !told {
			delete(f.known, key)
			if err := f.sync1(ctx, key); err != nil {
				return err
			}
		}
	}
	done, err := f.copy(ctx, f.job, f.one)
	f.job.After = "" // only the first pass resumes an earlier run
	if f.synced != nil {
		f.synced(done, err)
	}
	return kv.Ended(ctx)
}

// sync1 copies one change. A failure is the end only if ctx ended. What failed is tried again as soon as something
// succeeds.
func (f *follower) sync1(ctx context.Context, key string) error {
	if r, _ := f.one(ctx, key); r == Failed {
		f.failed[key] = true
		return kv.Ended(ctx)
	}
	delete(f.failed, key)
	again := slices.Collect(maps.Keys(f.failed))
	for i, s := range syncAll(ctx, again, f.one) {
		if s.result != Failed {
			delete(f.failed, again[i])
		}
	}
	return kv.Ended(ctx)
}
