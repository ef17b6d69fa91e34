package natskv

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/starlingkv/starling/internal/retry"
	"github.com/starlingkv/starling/kv"
)

// Feed is part of kv.Backend.
func (s *store) Feed(ctx context.Context, sel kv.Selection) iter.Seq2[kv.Event, error] {
	return func(yield func(kv.Event, error) bool) {
		f := &feed{ctx: ctx, store: s, sel: sel, yield: yield, told: make(map[string]string)}
		for n := 1; ; n++ {
			f.worked = false
			err := f.follow(ctx)
			if f.stopped {
				return
			}
			if end := s.over(ctx); end != nil {
				yield(kv.Event{}, end)
				return
			}
			if final := s.final(err); final != nil {
				yield(kv.Event{}, final)
				return
			}
			if f.worked {
				n = 1 // so this is a new trouble
			}
			s.log.Warn("watch broken, trying again", "key", sel.Prefix+sel.Key, "server", s.Where, "err", s.because(err))
			retry.Pause(ctx, waits.After(n))
		}
	}
}

// feed is a watch across the readers it takes.
type feed struct {
	ctx     context.Context // of the watch
	store   *store
	sel     kv.Selection
	yield   func(kv.Event, error) bool
	bucket  *bucket
	told    map[string]string // key -> the version told last; none if it is gone
	synced  bool
	worked  bool // the last reader told the whole state
	stopped bool // yield wants no more
}

// errBroken ends a reader whose connection broke: what was on its way to it may be lost.
var errBroken = errors.New("the connection broke")

// follow tells the difference to what was told, then what comes, until something breaks or the watch was stopped.
func (f *feed) follow(ctx context.Context) error {
	line := f.store.lineNow()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	unhook := context.AfterFunc(line, func() { cancel(errBroken) })
	defer unhook()

	r, state, err := f.begin(ctx)
	if err != nil {
		return err
	}
	defer r.close()
	f.worked = true
	f.tellState(state)
	for !f.stopped {
		rec, mine, err := r.next(ctx)
		if err != nil {
			return err
		}
		if mine {
			f.tell(rec)
		}
	}
	return nil
}

// begin makes a reader and reads the present state.
func (f *feed) begin(ctx context.Context) (r *reader, state map[string]record, err error) {
	err = f.store.attempt(ctx, func(ctx context.Context, b *bucket) error {
		f.bucket = b
		if r, err = f.store.read(ctx, b, f.sel); err != nil {
			return err
		}
		if state, err = r.state(ctx); err != nil {
			r.close()
		}
		return err
	})
	return r, state, err
}

// tellState tells the difference between what was told and what is there: at first the whole state in the order of the
// keys, later the changes in the order in which they happened, those first of which only the result is left.
func (f *feed) tellState(state map[string]record) {
	if !f.synced {
		for _, key := range slices.Sorted(maps.Keys(state)) {
			f.tell(state[key])
		}
		f.synced = true
		f.emit(kv.Event{Kind: kv.Synced})
		return
	}
	for _, key := range slices.Sorted(maps.Keys(f.told)) {
		if _, known := state[key]; !known {
			f.tell(record{key: key})
		}
	}
	for _, rec := range slices.SortedFunc(maps.Values(state), func(a, b record) int { return cmp.Compare(a.seq, b.seq) }) {
		f.tell(rec)
	}
}

// tell tells the record, unless it was told.
func (f *feed) tell(rec record) {
	was, there := f.told[rec.key]
	e := rec.entry(f.bucket)
	switch {
	case e.Version != "" && e.Version != was:
		f.told[strings.Clone(rec.key)] = e.Version
		f.emit(kv.Event{Kind: kv.Put, Entry: e})
	case e.Version == "" && there:
		delete(f.told, rec.key)
		f.emit(kv.Event{Kind: kv.Delete, Entry: kv.Entry{Key: rec.key}})
	}
}

// emit yields the event, unless the watch is over: then it is for Feed to say why.
func (f *feed) emit(ev kv.Event) {
	if !f.stopped && f.store.over(f.ctx) == nil {
		f.stopped = !f.yield(ev, nil)
	}
}

// lineNow returns a context that ends when the connection that stands now breaks.
func (s *store) lineNow() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.line
}
