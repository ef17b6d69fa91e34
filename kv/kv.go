// Package kv is the contract of starling: a key-value store seen through six methods, the same on every backend.
//
// A [Client] reads and writes values that its [Codec] turns into bytes. What else a store can do is said by four small
// interfaces ([Capable], [Counted], [Versioned], [Watcher]), found with [As] through any wrapper. The doc comments here are
// the contract: package kvtest checks them sentence by sentence against every backend, and package memkv is the strict
// reference.
//
// Values handed out have a container and a content. The container (a Map, a Set, a Mergeable's table of entries, the
// struct behind a pointer) is the caller's own, in Get, in the in of a CAS and in watches. What stands in it (bytes,
// slices, nested maps) is shared: replace it, never write into it.
//
// [Prefix] and [Instrument] wrap a client and keep everything it can do; [Typed] gives it one Go type; [Values] and
// [Changes] range over it. Authors of clients start from [Base] or [Kit].
package kv

import "context"

const (
	// CASAttempts is how often a CAS tries in all before it gives up a race.
	CASAttempts = 10
	// MaxKey is the longest key, in bytes.
	MaxKey = 1024
	// MaxValue is the largest encoded value of any store, in bytes; a store may take less (Capabilities.MaxValue).
	MaxValue = 16 << 20
)

// Client is a store of values under keys.
//
// It is safe for concurrent use. Every error is an [*Error] that names the operation and the key; the same cause has the
// same sentinel on every backend. When ctx ends a call, the error wraps context.Cause(ctx). After the store is closed
// every call returns [ErrClosed] and every watch ends. A key that [CheckKey] refuses is [ErrBadKey]. A value that encodes
// to more than the store takes is [ErrTooLarge].
//
// An answer can get lost between a store and its client. A write is done once all the same: the client asks again and knows
// its own write, and if it cannot tell, or ctx ends before, the write is [ErrUnknown], and CAS does not call f again. A
// key that was created, and that another deleted before the client asked again, is not created twice by a store that keeps
// a history (docs/stores.md).
//
// A store that is still starting answers List, Get and watches from what is here; CAS, Put, Remove and Delete wait for it
// as long as ctx allows, else they return [ErrNotReady]. A watcher on the writing node is woken even if nobody else can
// be reached.
//
// A present value that does not decode, or whose codec panics, is [ErrDecode]: never a nil value without an error. A key
// written with another kind of value is [ErrType]. Delete removes either.
type Client interface {
	// List returns the live keys with the prefix, sorted. The empty prefix is every key.
	List(ctx context.Context, prefix string) ([]string, error)

	// Get returns the value of the key, or nil, nil if the key is absent. The container is the caller's.
	Get(ctx context.Context, key string) (any, error)

	// Delete removes the key; afterwards Get and List do not show it. An absent key is no error. Delete is
	// last-writer-wins for every kind of value.
	Delete(ctx context.Context, key string) error

	// CAS calls f with the current value, nil if the key is absent, and stores what f returns if nothing else was stored
	// in between. Of N concurrent calls on one node (on a linearizable store: in the cluster) each success saw all
	// earlier ones.
	//
	// A nil out leaves the key as it is: success, no event. An out equal to the present value, by its encoding, with no
	// TTL given, is success too, and nothing is written. To create only if absent, look whether in is nil. CAS after
	// Delete creates anew, without old content.
	//
	// When the race is lost f runs again, CASAttempts times in all, after a jittered back-off that doubles from 1 to 50 ms
	// and ends with ctx; then CAS returns [ErrConflict]. An error of f ends CAS and is wrapped with %w, unless retry is
	// true: then it counts as a lost race, and the last error of f is returned at the limit. If the kind of the value
	// merges, and merging a changed out reports no change, CAS tries again after the back-off and returns [ErrNoChange]
	// at the limit.
	//
	// f runs on the caller's goroutine, outside all locks. The value written lives for the time of [WithTTL] if ctx
	// carries one, else for ever.
	CAS(ctx context.Context, key string, f func(in any) (out any, retry bool, err error)) error

	// WatchKey calls f with the present value, if there is one, and then after each change with the latest. Values may
	// be skipped, the last never; nil is told after a delete or an expiry. A value that does not decode is counted and
	// logged once per version, and the watch goes on.
	//
	// Calls of one watcher are never concurrent. They run on the caller's goroutine, outside all locks: an f that blocks
	// delays only its own watch, and one that panics panics through WatchKey and leaves the store usable. WatchKey returns
	// when f returns false, ctx ends or the store closes; at once, if the key is one that CheckKey refuses.
	WatchKey(ctx context.Context, key string, f func(any) bool)

	// WatchPrefix is WatchKey for each key with the prefix: the initial values first, in key order, then after each
	// change of a key its latest value. Deletes and expiries are not told: [Watcher] tells them.
	WatchPrefix(ctx context.Context, prefix string, f func(string, any) bool)
}
