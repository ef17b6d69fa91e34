package kv

import (
	"context"
	"iter"
	"time"
)

// Call is one call of a client, for an [Observer]. A watch, an Events and an Entries are told when they end.
type Call struct {
	Op       string        // as in [Error]: list, get, delete, cas, entry, entries, put, remove or watch
	Key      string        // the key or the prefix
	Took     time.Duration // from the call to its return; of a watch, its life
	Attempts int           // of a CAS: how often f ran
	Told     int           // of a watch, Events or Entries: how much was told
	Err      error         // what the call returned; of Events and Entries, the error that ended them
}

// Observer is told of every call of an instrumented client, on the goroutine that made the call, after it. It is called
// concurrently and must not block.
type Observer func(ctx context.Context, call Call)

// Instrument returns a client that does what c does, and tells observe of every call.
func Instrument(c Client, observe Observer) Client { return &observed{c: c, observe: observe} }

type observed struct {
	c       Client
	observe Observer
}

// Unwrap returns the client that is observed.
func (o *observed) Unwrap() Client { return o.c }

func (o *observed) passesTo() Client { return o.c }

// begin returns the call and what to defer: it tells of the call even if a callback panics.
func (o *observed) begin(ctx context.Context, op, key string) (*Call, func()) {
	start := time.Now()
	call := &Call{Op: op, Key: key}
	return call, func() {
		call.Took = time.Since(start)
		o.observe(ctx, *call)
	}
}

func (o *observed) List(ctx context.Context, prefix string) (keys []string, err error) {
	call, end := o.begin(ctx, "list", prefix)
	defer end()
	keys, call.Err = o.c.List(ctx, prefix)
	return keys, call.Err
}

func (o *observed) Get(ctx context.Context, key string) (v any, err error) {
	call, end := o.begin(ctx, "get", key)
	defer end()
	v, call.Err = o.c.Get(ctx, key)
	return v, call.Err
}

func (o *observed) Delete(ctx context.Context, key string) error {
	call, end := o.begin(ctx, "delete", key)
	defer end()
	call.Err = o.c.Delete(ctx, key)
	return call.Err
}

func (o *observed) CAS(ctx context.Context, key string, f func(in any) (out any, retry bool, err error)) error {
	call, end := o.begin(ctx, "cas", key)
	defer end()
	call.Err = o.c.CAS(ctx, key, func(in any) (any, bool, error) {
		call.Attempts++
		return f(in)
	})
	return call.Err
}

func (o *observed) WatchKey(ctx context.Context, key string, f func(any) bool) {
	call, end := o.begin(ctx, "watch", key)
	defer end()
	o.c.WatchKey(ctx, key, func(v any) bool {
		call.Told++
		return f(v)
	})
}

func (o *observed) WatchPrefix(ctx context.Context, prefix string, f func(string, any) bool) {
	call, end := o.begin(ctx, "watch", prefix)
	defer end()
	o.c.WatchPrefix(ctx, prefix, func(key string, v any) bool {
		call.Told++
		return f(key, v)
	})
}

func (o *observed) Entry(ctx context.Context, key string) (e Entry, ok bool, err error) {
	call, end := o.begin(ctx, "entry", key)
	defer end()
	v, err := versioned(o.c, "entry", key)
	if err == nil {
		e, ok, err = v.Entry(ctx, key)
	}
	call.Err = err
	return e, ok, err
}

func (o *observed) Entries(ctx context.Context, prefix, after string, opts ...EntriesOption) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		call, end := o.begin(ctx, "entries", prefix)
		defer end()
		v, err := versioned(o.c, "entries", prefix)
		if err != nil {
			call.Err = err
			yield(Entry{}, err)
			return
		}
		for e, err := range v.Entries(ctx, prefix, after, opts...) {
			call.note(e.Key, err)
			if !yield(e, err) {
				return
			}
		}
	}
}

func (o *observed) Put(ctx context.Context, key string, v any, opts ...PutOption) (version string, err error) {
	call, end := o.begin(ctx, "put", key)
	defer end()
	in, err := versioned(o.c, "put", key)
	if err == nil {
		version, err = in.Put(ctx, key, v, opts...)
	}
	call.Err = err
	return version, err
}

func (o *observed) Remove(ctx context.Context, key string, opts ...RemoveOption) error {
	call, end := o.begin(ctx, "remove", key)
	defer end()
	v, err := versioned(o.c, "remove", key)
	if err == nil {
		err = v.Remove(ctx, key, opts...)
	}
	call.Err = err
	return err
}

func (o *observed) Events(ctx context.Context, prefix string, opts ...EventsOption) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		call, end := o.begin(ctx, "watch", prefix)
		defer end()
		w, ok := As[Watcher](o.c)
		if !ok {
			call.Err = Wrap("watch", prefix, ErrUnsupported)
			yield(Event{}, call.Err)
			return
		}
		for ev, err := range w.Events(ctx, prefix, opts...) {
			call.note(ev.Key, err)
			if !yield(ev, err) {
				return
			}
		}
	}
}

// note counts what a sequence yields. An error without a key ends it.
func (c *Call) note(key string, err error) {
	switch {
	case err != nil && key == "":
		c.Err = err
	case key != "":
		c.Told++
	}
}

func (o *observed) Capabilities() Capabilities { return capabilities(o.c) }

func (o *observed) Stats() Stats { return stats(o.c) }

func (o *observed) LastUpdateTime(key string) time.Time { return lastUpdate(o.c, key) }
