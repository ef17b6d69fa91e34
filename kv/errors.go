package kv

import (
	"context"
	"errors"
	"fmt"
)

// The causes a caller can decide on. They come wrapped in an [*Error]; test for them with errors.Is.
var (
	// ErrConflict: another write came first, CASAttempts times, or IfVersion or IfAbsent did not hold.
	ErrConflict = errors.New("another write came first")
	// ErrNoChange: merging the value changed nothing, CASAttempts times.
	ErrNoChange = errors.New("the merge reports no change")
	// ErrNotReady: the store is still starting. It comes with the cause of the ctx that waited for it.
	ErrNotReady = errors.New("the store is not ready")
	// ErrClosed: the store is closed.
	ErrClosed = errors.New("the store is closed")
	// ErrTooLarge: the encoded value is larger than the store takes.
	ErrTooLarge = errors.New("the value is too large")
	// ErrType: the key holds another kind of value, or the codec does not take this one.
	ErrType = errors.New("another kind of value")
	// ErrDecode: the stored bytes are no value of the codec.
	ErrDecode = errors.New("the value does not decode")
	// ErrUnsupported: the store cannot do this.
	ErrUnsupported = errors.New("the store does not support this")
	// ErrNotLinearizable: one winner was asked for, of a store that cannot choose one.
	ErrNotLinearizable = errors.New("the store is not linearizable")
	// ErrClockSkew: the clock of this node is too wrong to order a write.
	ErrClockSkew = errors.New("the clock is wrong")
	// ErrBadKey: the key is not 1 to 1024 bytes of UTF-8 without control characters.
	ErrBadKey = errors.New("not a key")
	// ErrUnreachable: no server of the store answers, or the network to it is cut. It comes with the reason, and with the
	// end of the ctx that waited.
	ErrUnreachable = errors.New("the store cannot be reached")
	// ErrUnknown: the answer to a write was lost, and the store cannot tell any more whether it happened, or ctx ended before
	// it could. The write happened once or not at all; read the key. It comes with what went wrong, and never with
	// ErrConflict, which says that it did not happen.
	ErrUnknown = errors.New("whether the write happened is not known: read the key before writing it again")
	// ErrNameTaken: another live member has the name of this node.
	ErrNameTaken = errors.New("the name is taken")
)

// Error is the error of every operation: what was done, on which key, and the cause.
type Error struct {
	Op  string // list, get, delete, cas, entry, entries, put, remove, watch or require
	Key string // the key or the prefix; empty if there is none
	Err error  // the cause, never nil
}

// Error returns the operation, the key and the cause on one line.
func (e *Error) Error() string {
	if e.Key == "" {
		return e.Op + ": " + e.Err.Error()
	}
	return fmt.Sprintf("%s %q: %v", e.Op, e.Key, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Wrap returns err as the [*Error] of op on key; nil stays nil.
func Wrap(op, key string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Key: key, Err: err}
}

// Ended returns nil while ctx lives, then an error that wraps both ctx.Err() and context.Cause(ctx).
func Ended(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	cause := context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
