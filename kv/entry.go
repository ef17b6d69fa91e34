package kv

import (
	"context"
	"iter"
	"time"
)

// Entry is a value and what the store knows about it.
type Entry struct {
	Key     string
	Value   any       // a [Raw], beside the error, if the bytes do not decode or are of another kind
	Version string    // opaque; equal only for the same write, never reused; "" if the key is absent
	Updated time.Time // when it was written, by the clock of the writer
	Expires time.Time // zero if it does not expire
	Origin  string    // who wrote it, as far as the store knows
	Codec   string    // the CodecID it was written with, as far as the store knows
	Size    int       // bytes of the encoded value
	Media   string    // its media type; empty if its writer gave none, by [Media]
}

// Raw is the value of an [Entry] whose bytes could not be turned into a value: the bytes themselves, which are shared. A
// write takes one as it is, so that such a value can be copied to another store.
type Raw []byte

// Versioned is a store whose writes have versions.
type Versioned interface {
	// Entry returns the entry of the key, and whether there is one. If its bytes do not decode it returns the entry with
	// a [Raw] value, true and [ErrDecode]; if the key holds another kind of value, the same with [ErrType].
	Entry(ctx context.Context, key string) (Entry, bool, error)

	// Entries yields the live entries whose key has the prefix and is greater than after, in key order. One that does not
	// decode is yielded with its [Raw] value and an error beside it, and the sequence goes on; an error beside an entry
	// without a key is the last pair. With [NoValues] they come without their values.
	Entries(ctx context.Context, prefix, after string, opts ...EntriesOption) iter.Seq2[Entry, error]

	// Put stores v and returns its version. Without options it overwrites whatever is there, even if that does not
	// decode; a present value of another kind is [ErrType]. If [IfVersion] or [IfAbsent] does not hold it returns
	// [ErrConflict] and writes nothing.
	Put(ctx context.Context, key string, v any, opts ...PutOption) (version string, err error)

	// Remove is Delete that can be told a version. An absent key is no error, whatever version was asked for.
	Remove(ctx context.Context, key string, opts ...RemoveOption) error
}

// PutOption is an option of Put: [IfVersion], [IfAbsent], [TTL] or [Media].
type PutOption interface{ put(w *Write) }

// RemoveOption is an option of Remove: [IfVersion].
type RemoveOption interface{ remove(w *Write) }

// condition is what must hold of the present entry for a write to happen.
type condition struct {
	any     bool
	version string
}

// Option is an option of both Put and Remove.
type Option interface {
	PutOption
	RemoveOption
}

// IfVersion lets a write happen only if the present entry has this version. The version of an absent key is "".
func IfVersion(version string) Option { return ifVersion(version) }

// IfAbsent lets a Put happen only if the key is absent.
func IfAbsent() PutOption { return ifVersion("") }

// TTL lets the value of a Put expire d after it was written: never sooner, and at most Capabilities.TTLSlack later. It
// goes before a [WithTTL] of the context. Zero or less: the value does not expire.
func TTL(d time.Duration) PutOption { return ttl(d) }

type ifVersion string

func (v ifVersion) put(w *Write)    { w.cond = condition{version: string(v)} }
func (v ifVersion) remove(w *Write) { w.cond = condition{version: string(v)} }

type ttl time.Duration

func (d ttl) put(w *Write) { w.TTL = max(0, time.Duration(d)) }

// Write is a write with its options resolved, for the authors of clients: [PutWrite] and [RemoveWrite] make one. The zero
// Write asks that the key be absent. Of several conditions the last one holds.
type Write struct {
	TTL   time.Duration // zero: does not expire
	Media string        // media type of the value; empty: none
	cond  condition
}

// PutWrite resolves the options of a Put, and the [WithTTL] of ctx.
func PutWrite(ctx context.Context, opts ...PutOption) Write {
	w := Write{cond: condition{any: true}}
	w.TTL, _ = TTLFrom(ctx)
	for _, o := range opts {
		o.put(&w)
	}
	return w
}

// RemoveWrite resolves the options of a Remove.
func RemoveWrite(opts ...RemoveOption) Write {
	w := Write{cond: condition{any: true}}
	for _, o := range opts {
		o.remove(&w)
	}
	return w
}

// Admits reports whether the write may replace an entry of this version, "" if the key is absent.
func (w Write) Admits(version string) bool { return w.cond.any || w.cond.version == version }

// Expected returns the version that must be present, "" if the key must be absent, and whether the write is conditional
// at all. Clients of stores that compare by themselves hand it on.
func (w Write) Expected() (version string, conditional bool) { return w.cond.version, !w.cond.any }

type ttlKey struct{}

// WithTTL returns a context whose writes expire d after they happen: the TTL of the six methods. A write without one does
// not expire. Zero or less takes the TTL of an outer context away.
func WithTTL(ctx context.Context, d time.Duration) context.Context {
	return context.WithValue(ctx, ttlKey{}, d)
}

// TTLFrom returns the TTL that ctx gives to writes, and whether there is one.
func TTLFrom(ctx context.Context) (time.Duration, bool) {
	d, _ := ctx.Value(ttlKey{}).(time.Duration)
	return max(0, d), d > 0
}
