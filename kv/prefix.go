package kv

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"
)

// Prefix returns a client of the part of c whose keys begin with prefix; its own keys leave the prefix out. It can do
// all that c can, with keys, events and errors mapped. CheckKey holds for the key with the prefix and without.
func Prefix(c Client, prefix string) Client {
	if prefix == "" {
		return c
	}
	return &prefixed{c: c, prefix: prefix}
}

// prefixed has no Unwrap: what As finds behind it would speak of other keys.
type prefixed struct {
	c      Client
	prefix string
}

func (p *prefixed) passesTo() Client { return p.c }

func (p *prefixed) check(op, key string) error {
	// The whole key is the wrapped client's to check; of this part only that it is not empty.
	return Wrap(op, key, CheckKey(key))
}

// own takes the prefix off the key of an error.
func (p *prefixed) own(err error) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	return &Error{Op: e.Op, Key: strings.TrimPrefix(e.Key, p.prefix), Err: e.Err}
}

func (p *prefixed) entry(e Entry) Entry {
	e.Key = strings.TrimPrefix(e.Key, p.prefix)
	return e
}

func (p *prefixed) List(ctx context.Context, prefix string) ([]string, error) {
	keys, err := p.c.List(ctx, p.prefix+prefix)
	if err != nil {
		return nil, p.own(err)
	}
	own := make([]string, 0, len(keys))
	for _, k := range keys {
		// The key that is the prefix itself would have no name here.
		if k = strings.TrimPrefix(k, p.prefix); k != "" {
			own = append(own, k)
		}
	}
	return own, nil
}

func (p *prefixed) Get(ctx context.Context, key string) (any, error) {
	if err := p.check("get", key); err != nil {
		return nil, err
	}
	v, err := p.c.Get(ctx, p.prefix+key)
	return v, p.own(err)
}

func (p *prefixed) Delete(ctx context.Context, key string) error {
	if err := p.check("delete", key); err != nil {
		return err
	}
	return p.own(p.c.Delete(ctx, p.prefix+key))
}

func (p *prefixed) CAS(ctx context.Context, key string, f func(in any) (out any, retry bool, err error)) error {
	if err := p.check("cas", key); err != nil {
		return err
	}
	return p.own(p.c.CAS(ctx, p.prefix+key, f))
}

func (p *prefixed) WatchKey(ctx context.Context, key string, f func(any) bool) {
	if key != "" {
		p.c.WatchKey(ctx, p.prefix+key, f)
	}
}

func (p *prefixed) WatchPrefix(ctx context.Context, prefix string, f func(string, any) bool) {
	p.c.WatchPrefix(ctx, p.prefix+prefix, func(key string, v any) bool {
		own := strings.TrimPrefix(key, p.prefix)
		return own == "" || f(own, v)
	})
}

func (p *prefixed) Entry(ctx context.Context, key string) (Entry, bool, error) {
	if err := p.check("entry", key); err != nil {
		return Entry{}, false, err
	}
	v, err := versioned(p.c, "entry", key)
	if err != nil {
		return Entry{}, false, err
	}
	e, ok, err := v.Entry(ctx, p.prefix+key)
	return p.entry(e), ok, p.own(err)
}

func (p *prefixed) Entries(ctx context.Context, prefix, after string, opts ...EntriesOption) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		v, err := versioned(p.c, "entries", prefix)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		// With the prefix alone as after, the key that is the prefix itself is left out, as it must be.
		for e, err := range v.Entries(ctx, p.prefix+prefix, p.prefix+after, opts...) {
			if !yield(p.entry(e), p.own(err)) {
				return
			}
		}
	}
}

func (p *prefixed) Put(ctx context.Context, key string, val any, opts ...PutOption) (string, error) {
	if err := p.check("put", key); err != nil {
		return "", err
	}
	v, err := versioned(p.c, "put", key)
	if err != nil {
		return "", err
	}
	version, err := v.Put(ctx, p.prefix+key, val, opts...)
	return version, p.own(err)
}

func (p *prefixed) Remove(ctx context.Context, key string, opts ...RemoveOption) error {
	if err := p.check("remove", key); err != nil {
		return err
	}
	v, err := versioned(p.c, "remove", key)
	if err != nil {
		return err
	}
	return p.own(v.Remove(ctx, p.prefix+key, opts...))
}

func (p *prefixed) Events(ctx context.Context, prefix string, opts ...EventsOption) iter.Seq2[Event, error] {
	if _, err := EventsSelection(prefix, opts...); err != nil {
		return noEvents(prefix, err)
	}
	return func(yield func(Event, error) bool) {
		w, ok := As[Watcher](p.c)
		if !ok {
			yield(Event{}, Wrap("watch", prefix, ErrUnsupported))
			return
		}
		for ev, err := range w.Events(ctx, p.prefix+prefix, opts...) {
			keyed := ev.Key != ""
			if ev.Entry = p.entry(ev.Entry); keyed && ev.Key == "" {
				continue
			}
			if !yield(ev, p.own(err)) {
				return
			}
		}
	}
}

func (p *prefixed) Capabilities() Capabilities { return capabilities(p.c) }

func (p *prefixed) Stats() Stats { return stats(p.c) }

func (p *prefixed) LastUpdateTime(key string) time.Time { return lastUpdate(p.c, p.prefix+key) }

// versioned finds the Versioned of a wrapped client. As has told a caller who asked; this is for one who did not.
func versioned(c Client, op, key string) (Versioned, error) {
	v, ok := As[Versioned](c)
	if !ok {
		return nil, Wrap(op, key, fmt.Errorf("%w: versions", ErrUnsupported))
	}
	return v, nil
}

func capabilities(c Client) Capabilities {
	if can, ok := As[Capable](c); ok {
		return can.Capabilities()
	}
	return Capabilities{}
}

func stats(c Client) Stats {
	if counted, ok := As[Counted](c); ok {
		return counted.Stats()
	}
	return Stats{}
}

func lastUpdate(c Client, key string) time.Time {
	if d, ok := As[interface{ LastUpdateTime(key string) time.Time }](c); ok {
		return d.LastUpdateTime(key)
	}
	return time.Time{}
}
