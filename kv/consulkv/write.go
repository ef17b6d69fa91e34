package consulkv

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/starlingkv/starling/internal/retry"
	"github.com/starlingkv/starling/kv"
)

// maxRefused is how often a write whose key has not changed is tried again, when the server refuses it all the same: a
// session that has just ended keeps its key for a moment.
const maxRefused = 5

// races are the waits before a write that lost a race is tried again.
var races = retry.Backoff{First: time.Millisecond, Last: 50 * time.Millisecond}

// writing is one write across its tries. A try reads the key and writes if nothing else was written in between; Consul
// compares the index.
type writing struct {
	store *store
	path  string
	w     kv.Write
	value []byte
	codec string
	stamp stamp

	there   row // what the next try is written over
	lost    error
	session session
}

// Store is part of kv.Backend.
func (s *store) Store(ctx context.Context, e kv.Entry, w kv.Write) (version string, err error) {
	if w.TTL > maxTTL {
		return "", fmt.Errorf("%w: a TTL of %v: a session of Consul lives at most %v", kv.ErrUnsupported, w.TTL, maxTTL)
	}
	value, _ := e.Value.(kv.Raw)
	number, err := s.number(ctx, kind{codec: e.Codec, media: e.Media})
	if err != nil {
		return "", err
	}
	x := &writing{
		store: s, path: s.prefix + escape(e.Key), w: w, value: value, codec: e.Codec,
		stamp: stamp{ttl: w.TTL, kind: number},
	}
	err = x.run(ctx, e.Key, func() error {
		version, err = x.store1(ctx)
		return err
	})
	if err != nil {
		s.expiry.destroy(x.session.id)
		return "", err
	}
	return version, nil
}

// Drop is part of kv.Backend.
func (s *store) Drop(ctx context.Context, key string, w kv.Write) error {
	x := &writing{store: s, path: s.prefix + escape(key), w: w}
	return x.run(ctx, key, func() error { return x.drop1(ctx) })
}

// errDone ends a write that has nothing to do.
var errDone = errors.New("done")

// run tries until the write has happened, or is known not to.
func (x *writing) run(ctx context.Context, key string, try func() error) error {
	same := 0
	for n := 1; ; n++ {
		before := x.index()
		there, err := x.store.load(ctx, key)
		if err != nil {
			return x.unless(err)
		}
		x.there = there
		err = try()
		switch {
		case errors.Is(err, errDone):
			return nil
		case !refused(err):
			return x.unless(err)
		}
		if same++; x.index() != before {
			same = 0
		}
		if same >= maxRefused {
			return x.unless(err)
		}
		bounded, cancel := x.store.Bound(ctx)
		alive := retry.Pause(bounded, races.After(n))
		if !alive {
			err = x.store.GaveUp(ctx, bounded, err)
		}
		cancel()
		if !alive {
			return x.unless(err)
		}
	}
}

// unless returns err, which is that of a write: once the answer to a try was lost, nothing but a success is for certain.
func (x *writing) unless(err error) error {
	switch {
	case err == nil || x.lost == nil:
		return err
	case errors.Is(err, kv.ErrUnknown):
		return fmt.Errorf("%w: %w: %s: %w", err, kv.ErrUnreachable, x.store.Where, reason(x.lost))
	}
	return fmt.Errorf("%w: %w", kv.ErrUnknown, err)
}

// index is that of the row that the next try is written over, 0 if there is none.
func (x *writing) index() uint64 {
	if x.there.pair == nil {
		return 0
	}
	return x.there.pair.ModifyIndex
}

// store1 is one try to store. It returns a refusal if something else was written since the row was read.
func (x *writing) store1(ctx context.Context) (version string, err error) {
	there := x.there
	switch {
	case x.lost != nil:
		return "", kv.ErrUnknown // the key has changed since, by that try or by another
	case !x.w.Admits(there.Version):
		return "", kv.ErrConflict
	case there.Version != "" && there.Codec != "" && there.Codec != x.codec:
		return "", fmt.Errorf("%w: the key holds %q, not %q", kv.ErrType, there.Codec, x.codec)
	}
	x.stamp.updated, x.stamp.turn = time.Now(), 0
	if there.pair != nil {
		before, _ := stampOf(there.pair.Flags)
		x.stamp.turn = before.turn ^ 1
	}
	switch {
	case x.w.TTL > 0:
		version, err = x.storeFor(ctx)
	case !fitsTxn(x.path, x.value):
		version, err = x.storeLarge(ctx)
	default:
		var p *api.KVPair
		if p, err = x.commit(ctx, x.ops()); err == nil {
			version = x.written(p)
		}
	}
	if err == nil {
		x.store.expiry.over(there.pair)
	}
	return version, err
}

// ops is the transaction of a value without a TTL. A session that would end it is taken away.
func (x *writing) ops() api.KVTxnOps {
	if held := x.heldBy(); held != "" {
		return api.KVTxnOps{
			{Verb: api.KVCheckIndex, Key: x.path, Index: x.index()},
			{Verb: api.KVUnlock, Key: x.path, Session: held, Value: x.value, Flags: x.stamp.flags()},
		}
	}
	return api.KVTxnOps{{Verb: api.KVCAS, Key: x.path, Index: x.index(), Value: x.value, Flags: x.stamp.flags()}}
}

// heldBy is the session that ends the row, "" if none does. A lock of others is none: it stays.
func (x *writing) heldBy() string {
	if p := x.there.pair; p != nil {
		if _, ok := expires(p); ok {
			return p.Session
		}
	}
	return ""
}

// storeLarge writes what does not go in a transaction, by itself and so without its index in the answer.
func (x *writing) storeLarge(ctx context.Context) (version string, err error) {
	over := x.index()
	if held := x.heldBy(); held != "" {
		// What has a TTL fits in a transaction: it loses its session first, and is what it was.
		p, err := x.commit(ctx, api.KVTxnOps{
			{Verb: api.KVCheckIndex, Key: x.path, Index: over},
			{Verb: api.KVUnlock, Key: x.path, Session: held, Value: x.there.pair.Value, Flags: x.there.pair.Flags},
		})
		if err != nil {
			return "", err
		}
		over = p.ModifyIndex
	}
	pair := &api.KVPair{Key: x.path, Value: x.value, Flags: x.stamp.flags(), ModifyIndex: over}
	err = x.store.Do(ctx, func(ctx context.Context) error {
		ok, _, err := x.store.api.KV().CAS(pair, write(ctx))
		if err == nil && !ok {
			return &refusal{where: x.store.Where, what: "the index is stale"}
		}
		return x.note(err)
	})
	if err != nil {
		return "", err
	}
	var p *api.KVPair
	err = x.store.Do(ctx, func(ctx context.Context) (err error) {
		p, _, err = x.store.api.KV().Get(x.path, x.store.query(ctx))
		return err
	})
	switch {
	case err != nil:
		return "", err
	case p == nil || p.Flags != pair.Flags || !bytes.Equal(p.Value, x.value):
		return "0-" + rand.Text(), nil // written, and gone already: a version that nothing has
	}
	return versionOf(p), nil
}

// drop1 is one try to remove.
func (x *writing) drop1(ctx context.Context) error {
	switch {
	case x.there.Version == "":
		return errDone // removed, by this or by another
	case x.lost != nil:
		return kv.ErrUnknown
	case !x.w.Admits(x.there.Version):
		return kv.ErrConflict
	}
	_, err := x.commit(ctx, api.KVTxnOps{{Verb: api.KVDeleteCAS, Key: x.path, Index: x.index()}})
	if err == nil {
		x.store.expiry.over(x.there.pair)
	}
	return err
}

// commit runs a transaction until it is answered. Each of its tries compares the same index, so at most one happens.
func (x *writing) commit(ctx context.Context, ops api.KVTxnOps) (p *api.KVPair, err error) {
	err = x.store.Do(ctx, func(ctx context.Context) (err error) {
		p, err = x.store.transact(ctx, ops)
		return x.note(err)
	})
	return p, err
}

// note remembers that the answer to a try was lost.
func (x *writing) note(err error) error {
	var r *refusal
	if err != nil && !errors.As(err, &r) && !unsent(err) {
		x.lost = err
	}
	return err
}

// written returns the version of what a transaction wrote, whose answer leaves the value out.
func (x *writing) written(p *api.KVPair) string {
	whole := *p
	whole.Flags, whole.Value = x.stamp.flags(), x.value
	return versionOf(&whole)
}
