package mirrorkv

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/starlingkv/starling/kv"
)

// Extras says what a copy does with keys that only the target has.
type Extras int

// What can be done with them.
const (
	KeepExtras   Extras = iota // leave and count them
	RemoveExtras               // make the target what the source is
)

// Job is a copy of the keys with a prefix from one store to another. Both clients speak Codec.
type Job struct {
	From, To kv.Client
	Codec    kv.Codec
	Prefix   string
	After    string // resume: keys up to this one are done
	Extras   Extras
	Timeout  time.Duration  // of making one key equal, after which it has failed; zero: as long as ctx allows
	Progress func(Progress) // nil: nobody; called on the goroutine of Copy after each batch
}

// Progress counts what a copy has done.
type Progress struct {
	Last    string // every key up to this one is done: Job.After of the run that resumes this one
	Seen    int    // keys looked at, of either side
	Bytes   int    // of the values seen at the source
	Copied  int
	Removed int
	Extra   int // keys that only the target has, and keeps
	Failed  int // keys that could not be made equal
}

// batch is how many differing keys are made equal at once before the copy says how far it has come.
const (
	batch   = 256
	workers = 16
)

// maxReported bounds how many failed keys an error names.
const maxReported = 10

// Copy makes the keys of the job at the target what they are at the source, and only writes what differs, so that it can be
// run again, and resumed with Job.After. A key that cannot be copied is counted and the copy goes on; the error names the
// first ones. An error of a store that ends a listing ends the copy. Writes to the source that come meanwhile are copied
// if their key has not been passed; see [Follow].
func Copy(ctx context.Context, j Job) (Progress, error) {
	p, err := pairOf(j.Codec, j.From, j.To)
	if err != nil {
		return Progress{Last: j.After}, err
	}
	return p.copy(ctx, j, j.bounded(p.sync))
}

// syncer makes one key equal.
type syncer func(ctx context.Context, key string) (Result, error)

// bounded gives each key its time.
func (j Job) bounded(one syncer) syncer {
	if j.Timeout <= 0 {
		return one
	}
	return func(ctx context.Context, key string) (Result, error) {
		ctx, cancel := context.WithTimeout(ctx, j.Timeout)
		defer cancel()
		return one(ctx, key)
	}
}

func (p pair) copy(ctx context.Context, j Job, one syncer) (Progress, error) {
	run := copying{job: j, one: one, done: Progress{Last: j.After}}
	for c, err := range p.compare(ctx, j.Prefix, j.After) {
		if err != nil {
			return run.done, err
		}
		run.see(c)
		if len(run.work) == batch || run.since == 4*batch {
			if err := run.flush(ctx); err != nil {
				return run.done, err
			}
		}
	}
	if err := run.flush(ctx); err != nil {
		return run.done, err
	}
	return run.done, run.failures()
}

// copying is a running copy.
type copying struct {
	job    Job
	one    syncer
	done   Progress
	last   string   // the last key seen
	since  int      // keys seen since the last flush
	work   []string // keys that differ, since the last flush
	failed []error  // the first maxReported
}

func (r *copying) see(c compared) {
	r.last = c.Key
	r.since++
	r.done.Seen++
	r.done.Bytes += c.size
	switch {
	case c.Kind == Extra && r.job.Extras == KeepExtras:
		r.done.Extra++
	case c.Kind != 0:
		r.work = append(r.work, c.Key)
	}
}

// flush makes the keys of the batch equal and says how far the copy has come.
func (r *copying) flush(ctx context.Context) error {
	results := syncAll(ctx, r.work, r.one)
	if err := kv.Ended(ctx); err != nil {
		return err // what failed may have failed by that: the batch is not done
	}
	for i, res := range results {
		switch res.result {
		case Copied:
			r.done.Copied++
		case Removed:
			r.done.Removed++
		case Failed:
			r.done.Failed++
			if len(r.failed) < maxReported {
				r.failed = append(r.failed, fmt.Errorf("%q: %w", r.work[i], res.err))
			}
		}
	}
	if r.last != "" {
		r.done.Last = r.last
	}
	r.work, r.since = r.work[:0], 0
	if r.job.Progress != nil {
		r.job.Progress(r.done)
	}
	return nil
}

func (r *copying) failures() error {
	if r.done.Failed == 0 {
		return nil
	}
	return fmt.Errorf("mirrorkv: %d of %d keys could not be copied: %w", r.done.Failed, r.done.Seen, errors.Join(r.failed...))
}

// synced is what became of one key.
type synced struct {
	result Result
	err    error
}

// syncAll makes the keys equal, several at a time.
func syncAll(ctx context.Context, keys []string, one syncer) []synced {
	results := make([]synced, len(keys))
	var wg sync.WaitGroup
	for w := range min(workers, len(keys)) {
		wg.Go(func() {
			for i := w; i < len(keys); i += workers {
				results[i].result, results[i].err = one(ctx, keys[i])
			}
		})
	}
	wg.Wait()
	return results
}
