package crdt

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/starlingkv/starling/kv"
)

// Typed is a client of values *S that merge: S is Map[V], Set[E], Counter or
// Max. It stands on any kv.Client, of a node or of a store that knows nothing of
// cells.
//
//	flags := crdt.Typed[crdt.Map[Flag]]{Client: node.Client(crdt.MapOf[Flag](kv.JSON[Flag]("flag")))}
type Typed[S any] struct{ kv.Client }

// Get returns the value of the key and whether there is one; if not, the value
// is an empty one and not nil.
func (t Typed[S]) Get(ctx context.Context, key string) (v *S, ok bool, err error) {
	in, err := t.Client.Get(ctx, key)
	if err != nil {
		return nil, false, err
	}
	v, err = typed[S](in)
	return v, in != nil, kv.Wrap("get", key, err)
}

// Update has f change the value of the key, an empty one if there is none. It is
// a CAS: f may run several times, and its error ends it, wrapped. With kv.Keep
// nothing is changed.
func (t Typed[S]) Update(ctx context.Context, key string, f func(*S) error) error {
	return t.CAS(ctx, key, func(in any) (any, bool, error) {
		v, err := typed[S](in)
		if err != nil {
			return nil, false, err
		}
		switch err := f(v); {
		case errors.Is(err, kv.Keep):
			return nil, false, nil
		case err != nil:
			return nil, false, err
		}
		if u, can := any(v).(interface{ untouched() bool }); can && in == nil && u.untouched() {
			return nil, false, nil
		}
		return v, false, nil
	})
}

// Watch ranges over the values of the key as kv.Values does: each value and
// true, or an empty one and false when the key is gone. Values of another type
// are left out; Get says what they are.
func (t Typed[S]) Watch(ctx context.Context, key string) iter.Seq2[*S, bool] {
	return func(yield func(*S, bool) bool) {
		t.WatchKey(ctx, key, func(in any) bool {
			v, err := typed[S](in)
			return err != nil || yield(v, in != nil)
		})
	}
}

func typed[S any](in any) (*S, error) {
	if in == nil {
		return new(S), nil
	}
	v, ok := in.(*S)
	if !ok {
		return nil, fmt.Errorf("%w: the key holds a %T, not a %T", kv.ErrType, in, v)
	}
	return v, nil
}
