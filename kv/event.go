package kv

import (
	"context"
	"iter"
)

// EventKind says what an [Event] tells.
type EventKind int

// The kinds of events.
const (
	// Put: the key has this value now. The initial state is told as Puts.
	Put EventKind = iota + 1
	// Delete: the key is gone, deleted or expired. Only Key is set for certain.
	Delete
	// Synced: the initial state, or the state after a Reset, has been told in full. It has no key.
	Synced
	// Reset: the watch lost its place. The state is told anew, up to the next Synced; a key not told by then is gone.
	Reset
)

// String returns put, delete, synced or reset.
func (k EventKind) String() string {
	switch k {
	case Put:
		return "put"
	case Delete:
		return "delete"
	case Synced:
		return "synced"
	case Reset:
		return "reset"
	}
	return "unknown"
}

// Event is one change that a watch tells.
type Event struct {
	Kind EventKind
	Entry
}

// Watcher is a store that tells every change.
type Watcher interface {
	// Events yields, in key order, a Put for each live key with the prefix, then Synced, then a Put or Delete after each
	// change. Changes of one key coalesce to the latest; the last is never lost, and no key and no delete is. A key that
	// came and went between two events may be told as nothing.
	//
	// A value that does not decode, or of another kind, is a Put with a [Raw] value and the error beside it; the sequence
	// goes on. An error beside an event without a key is the last pair: it wraps [ErrClosed] when the store closed, the
	// cause of ctx when that ended. The loop body runs on the caller's goroutine, outside all locks; the watch lives
	// exactly as long as the loop.
	//
	// With [OneKey] it is the one key prefix that is told of, and [ErrBadKey] if that is none; with [NoValues] what
	// happens is told without the values.
	Events(ctx context.Context, prefix string, opts ...EventsOption) iter.Seq2[Event, error]
}

// Values ranges over what WatchKey tells of the key: its present value, if any, then the latest after each change, nil
// when it is gone.
func Values(ctx context.Context, c Client, key string) iter.Seq[any] {
	return func(yield func(any) bool) { c.WatchKey(ctx, key, yield) }
}

// Changes ranges over what WatchPrefix tells: key and latest value, deletes left out.
func Changes(ctx context.Context, c Client, prefix string) iter.Seq2[string, any] {
	return func(yield func(string, any) bool) { c.WatchPrefix(ctx, prefix, yield) }
}
