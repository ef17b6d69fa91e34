package consulkv

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/retry"
	"github.com/starlingkv/starling/kv"
)

const (
	// longestWait is how long Consul may hold one question of a watch; a random eighth is taken away, so that watches that
	// began together do not ask together.
	longestWait = time.Minute
	// grace is how much later than asked for an answer may come: Consul adds a sixteenth itself, and a list takes time.
	grace = 30 * time.Second
	// away is how long a watch may be busy with an answer and still go on by its index: a server that was begun anew
	// meanwhile would let it wait for an index that is far from coming.
	away = time.Second
	// A watch may ask paceBurst times at once, and then once in paceEvery: what happens in between is one answer.
	paceBurst = 32
	paceEvery = 50 * time.Millisecond
)

// Feed is part of kv.Backend.
func (s *store) Feed(ctx context.Context, sel kv.Selection) iter.Seq2[kv.Event, error] {
	return func(yield func(kv.Event, error) bool) {
		f := &feed{store: s, sel: sel, told: make(map[string]string), yield: yield, pace: newPace(time.Now())}
		f.run(ctx)
	}
}

// feed is one watch, from its first question to its last.
type feed struct {
	store  *store
	sel    kv.Selection
	yield  func(kv.Event, error) bool
	pace   pace
	index  uint64            // of the last answer; 0: the next question does not wait
	heard  time.Time         // when that came
	told   map[string]string // key -> version
	synced bool
	due    time.Time // when the next value is overdue; zero: none will be
}

func (f *feed) run(caller context.Context) {
	ctx, cancel := context.WithCancel(caller)
	defer cancel()
	defer context.AfterFunc(f.store.Life, cancel)()
	for n := 1; ; n++ {
		retry.Pause(ctx, f.pace.take(time.Now()))
		a, err := f.ask(ctx)
		if err == nil {
			n = 0
			f.index, f.heard = follow(f.index, a.index), time.Now()
			if !f.tell(a.rows) {
				return
			}
			continue
		}
		if end := f.ended(caller, err); end != nil {
			f.yield(kv.Event{}, end)
			return
		}
		// Whatever happens until the next answer is in its state: nothing is asked for by index.
		f.index = 0
		f.store.log.Warn("watch broken, trying again", "key", f.sel.Prefix+f.sel.Key, "server", f.store.Where, "err", reason(err))
		retry.Pause(ctx, waits.After(n))
	}
}

// follow returns the index to ask with after an answer of index next. One that went back is of a server that was begun
// anew or restored: then the next question does not wait. None, or zero, would not wait for ever.
func follow(last, next uint64) uint64 {
	if next < last {
		return 0
	}
	return max(next, 1)
}

// ended returns why a watch is over after err, nil if it is worth another try.
func (f *feed) ended(caller context.Context, err error) error {
	if f.store.Life.Err() != nil {
		return kv.ErrClosed
	}
	if end := kv.Ended(caller); end != nil {
		return end
	}
	return f.store.final(err)
}

// ask asks one question, and waits for news if the last answer said from where.
func (f *feed) ask(ctx context.Context) (answer, error) {
	if time.Since(f.heard) > away {
		f.index = 0
	}
	q := question{Selection: f.sel, index: f.index}
	limit := grace
	if f.index > 0 {
		q.wait = longestWait - rand.N(longestWait/8)
		if !f.due.IsZero() {
			q.wait = max(min(q.wait, time.Until(f.due)), paceEvery)
		}
		limit += q.wait
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return f.store.ask(ctx, q)
}

// tell yields what differs from what was told, and reports whether more is wanted: what is gone first, then what is new in
// the order in which it was written; the first state in the order of keys.
func (f *feed) tell(rows []row) bool {
	gone := maps.Clone(f.told)
	var fresh []row
	f.due = time.Time{}
	for _, r := range rows {
		if gone[r.Key] != r.Version {
			fresh = append(fresh, r)
		}
		delete(gone, r.Key)
		if at, ok := expires(r.pair); ok && (f.due.IsZero() || due(at).Before(f.due)) {
			f.due = due(at)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(gone)) {
		delete(f.told, key)
		if !f.yield(kv.Event{Kind: kv.Delete, Entry: kv.Entry{Key: key}}, nil) {
			return false
		}
	}
	if f.synced {
		slices.SortStableFunc(fresh, func(x, y row) int { return cmp.Compare(x.pair.ModifyIndex, y.pair.ModifyIndex) })
	}
	for _, r := range fresh {
		f.told[r.Key] = r.Version
		if !f.yield(kv.Event{Kind: kv.Put, Entry: r.Entry}, nil) {
			return false
		}
	}
	if f.synced {
		return true
	}
	f.synced = true
	return f.yield(kv.Event{Kind: kv.Synced}, nil)
}

// pace says how long to wait before the next question: a bucket of paceBurst that fills by one in paceEvery.
type pace struct{ full time.Time } // when the bucket is full again

func newPace(now time.Time) pace { return pace{full: now} }

// take takes one from the bucket and returns how long until it was there.
func (p *pace) take(now time.Time) time.Duration {
	if p.full.Before(now) {
		p.full = now
	}
	p.full = p.full.Add(paceEvery)
	return max(p.full.Sub(now)-paceBurst*paceEvery, 0)
}
