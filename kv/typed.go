package kv

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
)

// Keep, returned by the function of [Typed.Update], leaves the key as it is; Update returns nil.
//
//lint:ignore ST1012 it is a word to the store, not an error of it: return old, kv.Keep
var Keep = errors.New("keep the value as it is")

// Typed is a client whose values all have the Go type T: the type that the client's codec decodes to.
type Typed[T any] struct{ Client }

// Get returns the value of the key and whether there is one. A value of another Go type is [ErrType].
func (t Typed[T]) Get(ctx context.Context, key string) (v T, ok bool, err error) {
	got, err := t.Client.Get(ctx, key)
	if err != nil {
		return v, false, err
	}
	v, ok, err = typed[T](got)
	return v, ok, Wrap("get", key, err)
}

// Update replaces the value of the key by what f makes of the present one; ok says whether there is one. It is a CAS: f
// may run several times, and its error ends it, wrapped. Keep leaves the key as it is.
func (t Typed[T]) Update(ctx context.Context, key string, f func(old T, ok bool) (T, error)) error {
	return t.CAS(ctx, key, func(in any) (any, bool, error) {
		old, ok, err := typed[T](in)
		if err != nil {
			return nil, false, err
		}
		next, err := f(old, ok)
		switch {
		case errors.Is(err, Keep):
			return nil, false, nil
		case err != nil:
			return nil, false, err
		}
		return next, false, nil
	})
}

// Watch ranges over the values of the key as [Values] does: the value and true, or the zero value and false when the key
// is gone. Values of another Go type are left out; Get says what they are.
func (t Typed[T]) Watch(ctx context.Context, key string) iter.Seq2[T, bool] {
	return func(yield func(T, bool) bool) {
		t.WatchKey(ctx, key, func(in any) bool {
			v, ok, err := typed[T](in)
			return err != nil || yield(v, ok)
		})
	}
}

// typed asserts the type of a value; nil is no value.
func typed[T any](in any) (v T, ok bool, err error) {
	if in == nil {
		return v, false, nil
	}
	v, ok = in.(T)
	if !ok {
		return v, false, fmt.Errorf("%w: the key holds a %T, not a %v", ErrType, in, reflect.TypeFor[T]())
	}
	return v, true, nil
}
