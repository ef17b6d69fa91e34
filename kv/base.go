package kv

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"
)

// Backend is a store of encoded values, for the authors of clients: [Base] makes a client of it.
//
// Its entries and events carry a [Raw] value; Base decodes. Its errors are the bare sentinels of this package, or wrap
// them; Base adds operation and key, and checks keys, sizes and ctx before it calls.
type Backend interface {
	// Capabilities are those of the client.
	Capabilities() Capabilities
	// Load returns the entry of the key; its Version is empty if the key is absent.
	Load(ctx context.Context, key string) (Entry, error)
	// Scan yields the live entries of the selection in key order. An error is the last pair.
	Scan(ctx context.Context, sel Selection) iter.Seq2[Entry, error]
	// Store writes e.Value as the value of e.Key, with e.Codec and e.Media beside it, and returns the new version: ErrConflict if w
	// does not admit the present version, else ErrType if the present value has another codec.
	Store(ctx context.Context, e Entry, w Write) (version string, err error)
	// Drop removes the key: ErrConflict if it is present and w does not admit its version.
	Drop(ctx context.Context, key string, w Write) error
	// Feed yields what [Watcher] promises for the selection.
	Feed(ctx context.Context, sel Selection) iter.Seq2[Event, error]
}

// RawLoader is a [Backend] that has a shorter way to the value than Load. Base takes it for Get.
type RawLoader interface {
	// LoadRaw returns the encoded value of the key, nil if the key is absent, and the codec it was written with.
	LoadRaw(ctx context.Context, key string) (raw Raw, codec string, err error)
}

// Base is a complete client of a [Backend]: embed it. It has the six methods, all optional interfaces and LastUpdateTime.
type Base struct {
	kit   Kit
	store Backend
	raw   RawLoader // the store, if it is one
	codec Codec
}

// NewBase returns a client of the store that speaks codec. A nil log discards.
func NewBase(store Backend, codec Codec, log *slog.Logger) *Base {
	if codec == nil {
		panic("kv: nil codec")
	}
	raw, _ := store.(RawLoader)
	return &Base{kit: Kit{Log: log}, store: store, raw: raw, codec: codec}
}

// List is part of [Client].
func (b *Base) List(ctx context.Context, prefix string) ([]string, error) {
	if err := Ended(ctx); err != nil {
		return nil, Wrap("list", prefix, err)
	}
	var l struct {
		keys []string
		err  error
	}
	b.store.Scan(ctx, Selection{Prefix: prefix, KeysOnly: true})(func(e Entry, err error) bool {
		if err != nil {
			l.keys, l.err = nil, err
			return false
		}
		if l.keys == nil {
			l.keys = make([]string, 0, 16) // at once what most lists need
		}
		l.keys = append(l.keys, e.Key)
		return true
	})
	return l.keys, Wrap("list", prefix, l.err)
}

// Get is part of [Client].
func (b *Base) Get(ctx context.Context, key string) (any, error) {
	if b.raw != nil {
		v, err := b.getRaw(ctx, key)
		return v, Wrap("get", key, err)
	}
	e, err := b.load(ctx, key)
	if err == nil && e.Version != "" {
		e, err = b.open(e)
	}
	if err != nil {
		return nil, Wrap("get", key, err)
	}
	return e.Value, nil
}

func (b *Base) getRaw(ctx context.Context, key string) (any, error) {
	if err := check(ctx, key); err != nil {
		return nil, err
	}
	raw, codec, err := b.raw.LoadRaw(ctx, key)
	if raw == nil || err != nil {
		return nil, err
	}
	return b.decode(raw, codec)
}

// Delete is part of [Client].
func (b *Base) Delete(ctx context.Context, key string) error {
	return Wrap("delete", key, b.drop(ctx, key, RemoveWrite()))
}

// CAS is part of [Client].
func (b *Base) CAS(ctx context.Context, key string, f func(in any) (out any, retry bool, err error)) error {
	ttl, _ := TTLFrom(ctx)
	return b.kit.Retry(ctx, key, func() (Outcome, error) {
		e, err := b.store.Load(ctx, key)
		if err != nil {
			return CASFailed, err
		}
		e.Key = key
		present := e
		if present.Version != "" {
			if e, err = b.open(present); err != nil {
				return CASFailed, err
			}
		}
		out, retry, err := f(e.Value)
		switch {
		case err != nil && retry:
			return CASLost, err
		case err != nil:
			return CASFailed, err
		case out == nil:
			return CASKept, nil
		}
		return b.swap(ctx, present, out, ttl)
	})
}

// swap replaces the present raw entry by out, unless they are equal or something else was stored in between.
func (b *Base) swap(ctx context.Context, present Entry, out any, ttl time.Duration) (Outcome, error) {
	w := Write{TTL: ttl, cond: condition{version: present.Version}}
	next, err := b.encode(present.Key, out, w)
	if err != nil {
		return CASFailed, err
	}
	next.Media = present.Media // of the same codec, so of the same form
	if raw, ok := present.Value.(Raw); ok && ttl == 0 && bytes.Equal(raw, next.Value.(Raw)) {
		return CASKept, nil
	}
	_, err = b.store.Store(ctx, next, w)
	switch {
	case errors.Is(err, ErrConflict):
		return CASLost, nil
	case err != nil:
		return CASFailed, err
	}
	return CASWritten, nil
}

// WatchKey is part of [Client].
func (b *Base) WatchKey(ctx context.Context, key string, f func(any) bool) {
	if err := CheckKey(key); err != nil {
		b.kit.ended(key, err)
		return
	}
	b.kit.TellKey(key, b.events(ctx, Selection{Key: key}), f)
}

// WatchPrefix is part of [Client].
func (b *Base) WatchPrefix(ctx context.Context, prefix string, f func(string, any) bool) {
	b.kit.TellPrefix(prefix, b.events(ctx, Selection{Prefix: prefix}), f)
}

// Events is part of [Watcher].
func (b *Base) Events(ctx context.Context, prefix string, opts ...EventsOption) iter.Seq2[Event, error] {
	sel, err := EventsSelection(prefix, opts...)
	if err != nil {
		return noEvents(prefix, err)
	}
	return b.events(ctx, sel)
}

// Entry is part of [Versioned].
func (b *Base) Entry(ctx context.Context, key string) (Entry, bool, error) {
	e, err := b.load(ctx, key)
	if err != nil || e.Version == "" {
		return Entry{}, false, Wrap("entry", key, err)
	}
	e, err = b.open(e)
	return e, true, Wrap("entry", key, err)
}

// Entries is part of [Versioned].
func (b *Base) Entries(ctx context.Context, prefix, after string, opts ...EntriesOption) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := Ended(ctx); err != nil {
			yield(Entry{}, Wrap("entries", prefix, err))
			return
		}
		sel := EntriesSelection(prefix, after, opts...)
		for e, err := range b.store.Scan(ctx, sel) {
			if err != nil {
				yield(Entry{}, Wrap("entries", prefix, err))
				return
			}
			e, err = b.shown(e, sel)
			if !yield(e, Wrap("entries", e.Key, err)) {
				return
			}
		}
	}
}

// Put is part of [Versioned].
func (b *Base) Put(ctx context.Context, key string, v any, opts ...PutOption) (version string, err error) {
	w := PutWrite(ctx, opts...)
	if err = check(ctx, key); err == nil {
		var e Entry
		if e, err = b.encode(key, v, w); err == nil {
			version, err = b.store.Store(ctx, e, w)
		}
	}
	return version, Wrap("put", key, err)
}

// Remove is part of [Versioned].
func (b *Base) Remove(ctx context.Context, key string, opts ...RemoveOption) error {
	return Wrap("remove", key, b.drop(ctx, key, RemoveWrite(opts...)))
}

// Capabilities is part of [Capable].
func (b *Base) Capabilities() Capabilities { return b.store.Capabilities() }

// Stats is part of [Counted].
func (b *Base) Stats() Stats { return b.kit.Stats() }

// lastUpdateWait is how long LastUpdateTime waits for a store.
const lastUpdateWait = 5 * time.Second

// LastUpdateTime returns when the value of the key was written, by the clock of its writer; the zero time if there is no
// value, or if the store does not say within 5 s. It is what Cortex asks of a client, so it takes no ctx: Entry does.
func (b *Base) LastUpdateTime(key string) time.Time {
	ctx, cancel := context.WithTimeout(context.Background(), lastUpdateWait)
	defer cancel()
	e, err := b.load(ctx, key)
	if err != nil {
		return time.Time{}
	}
	return e.Updated
}

func check(ctx context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	return Ended(ctx)
}

func (b *Base) load(ctx context.Context, key string) (Entry, error) {
	if err := check(ctx, key); err != nil {
		return Entry{}, err
	}
	return b.store.Load(ctx, key)
}

func (b *Base) drop(ctx context.Context, key string, w Write) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	return b.store.Drop(ctx, key, w)
}

// encode makes the raw entry of a write, if the store can take it.
func (b *Base) encode(key string, v any, w Write) (Entry, error) {
	can := b.store.Capabilities()
	if w.TTL > 0 && !can.TTL {
		return Entry{}, fmt.Errorf("%w: a TTL", ErrUnsupported)
	}
	if w.Media != "" && !can.Media {
		return Entry{}, fmt.Errorf("%w: a media type", ErrUnsupported)
	}
	if err := CheckMedia(w.Media); err != nil {
		return Entry{}, err
	}
	body, err := EncodeWith(b.codec, v)
	if err != nil {
		return Entry{}, err
	}
	if len(body) > can.MaxValue {
		return Entry{}, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(body), can.MaxValue)
	}
	id := b.codec.CodecID()
	if c, ok := v.(Coded); ok && b.codec == Any {
		id = cmp.Or(c.Codec, Bytes.CodecID())
	}
	return Entry{Key: key, Value: Raw(body), Codec: id, Size: len(body), Media: w.Media}, nil
}

// open decodes the value of a present raw entry. On an error the value stays raw.
func (b *Base) open(e Entry) (Entry, error) {
	if raw, _ := e.Value.(Raw); b.codec == Any {
		e.Value = Coded{Codec: e.Codec, Body: raw}
		return e, nil
	}
	raw, _ := e.Value.(Raw)
	v, err := b.decode(raw, e.Codec)
	if err != nil {
		return e, err
	}
	e.Value = v
	return e, nil
}

// shown is an entry as the selection asks for it.
func (b *Base) shown(e Entry, sel Selection) (Entry, error) {
	if sel.NoValues {
		e.Value = nil
		return e, nil
	}
	return b.open(e)
}

// decode decodes what was written with a codec, as far as the store knows.
func (b *Base) decode(raw Raw, codec string) (any, error) {
	if codec != "" && codec != b.codec.CodecID() {
		return nil, fmt.Errorf("%w: the key holds %q, not %q", ErrType, codec, b.codec.CodecID())
	}
	return DecodeWith(b.codec, raw)
}

// events decodes what the store feeds, and counts the watcher.
func (b *Base) events(ctx context.Context, sel Selection) iter.Seq2[Event, error] {
	about := sel.Prefix + sel.Key
	return b.kit.Watching(func(yield func(Event, error) bool) {
		if err := Ended(ctx); err != nil {
			yield(Event{}, Wrap("watch", about, err))
			return
		}
		for ev, err := range b.store.Feed(ctx, sel) {
			if err != nil {
				yield(Event{}, Wrap("watch", about, err))
				return
			}
			if ev.Kind == Put {
				ev.Entry, err = b.shown(ev.Entry, sel)
			}
			if !yield(ev, Wrap("watch", ev.Key, err)) {
				return
			}
		}
	})
}
