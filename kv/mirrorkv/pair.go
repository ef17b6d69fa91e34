package mirrorkv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/starlingkv/starling/kv"
)

// store is what a client on either side must be.
type store interface {
	kv.Capable
	kv.Versioned
	kv.Watcher
}

// side is one of the two stores: its client, and the optional interfaces found behind that.
type side struct {
	kv.Client
	store
}

// sideOf fails if the client lacks an optional interface of package kv.
func sideOf(c kv.Client) (side, error) {
	if c == nil {
		return side{}, errors.New("mirrorkv: nil client")
	}
	can, ok1 := kv.As[kv.Capable](c)
	ver, ok2 := kv.As[kv.Versioned](c)
	wat, ok3 := kv.As[kv.Watcher](c)
	if !ok1 || !ok2 || !ok3 {
		return side{}, fmt.Errorf("mirrorkv: %w: %T must be a kv.Capable, kv.Versioned and kv.Watcher", kv.ErrUnsupported, c)
	}
	return side{Client: c, store: struct {
		kv.Capable
		kv.Versioned
		kv.Watcher
	}{can, ver, wat}}, nil
}

// pair is where keys come from and where they go. Both sides decode to the values of codec.
type pair struct {
	from, to side
	codec    kv.Codec
}

// Result says what became of one key that was to be made equal on the other side.
type Result int

// The results.
const (
	Failed  Result = iota // an error is beside it
	Equal                 // it was equal already
	Copied                // the value was written
	Removed               // the key is gone at the source, and was removed
)

// String returns failed, equal, copied or removed.
func (r Result) String() string {
	switch r {
	case Failed:
		return "failed"
	case Equal:
		return "equal"
	case Copied:
		return "copied"
	case Removed:
		return "removed"
	}
	return "unknown"
}

// sync makes the key at the target what it is at the source.
//
// It reads the target before the source, and writes only if the target is still what it read. So of several that do this
// for one key at once, each after a write of its own at the source, the last one to write has read a source that none of
// them changed afterwards; whoever would put back an older value has lost the race for the target, and reads again.
func (p pair) sync(ctx context.Context, key string) (Result, error) {
	err := error(kv.ErrConflict)
	for range kv.CASAttempts {
		var r Result
		if r, err = p.try(ctx, key); !errors.Is(err, kv.ErrConflict) {
			return r, err
		}
	}
	return Failed, err
}

func (p pair) try(ctx context.Context, key string) (Result, error) {
	there, held, err := p.to.Entry(ctx, key)
	if err != nil && !held {
		return Failed, err // a present value that does not decode is overwritten
	}
	here, present, err := p.from.Entry(ctx, key)
	if err != nil && !(present && errors.Is(err, kv.ErrDecode)) {
		return Failed, err // what does not decode is copied as it is
	}
	var opt kv.Option = kv.IfVersion(there.Version)
	if !present {
		if !held {
			return Equal, nil
		}
		return done(Removed, p.to.Remove(ctx, key, opt))
	}
	if here, err = p.encoded(here); err != nil {
		return Failed, err
	}
	if held && p.equal(here, there) {
		return Equal, nil
	}
	ttl := kv.TTL(0) // not that of ctx, which was counted when the source was written
	if !here.Expires.IsZero() {
		ttl = kv.TTL(max(time.Until(here.Expires), time.Millisecond))
	}
	opts := []kv.PutOption{opt, ttl}
	if p.to.Capabilities().Media {
		opts = append(opts, kv.Media(here.Media)) // a target that keeps none gets the bytes alone
	}
	_, err = p.to.Put(ctx, key, here.Value, opts...)
	return done(Copied, err)
}

func done(r Result, err error) (Result, error) {
	if err != nil {
		return Failed, err
	}
	return r, nil
}

// equal reports whether two present entries have the same bytes, and the same codec and media type where both sides know
// them.
func (p pair) equal(a, b kv.Entry) bool {
	if a.Media != b.Media && p.both().Media {
		return false
	}
	if a.Codec != b.Codec && a.Codec != "" && b.Codec != "" {
		return false
	}
	x, err := body(p.codec, a)
	if err != nil {
		return false
	}
	y, err := body(p.codec, b)
	return err == nil && bytes.Equal(x, y)
}

// encoded is an entry whose bytes are known, so that nobody needs to encode it again.
func (p pair) encoded(e kv.Entry) (kv.Entry, error) {
	b, err := body(p.codec, e)
	e.Value = encoded(e.Value, b)
	return e, err
}

// encoded is a value by its bytes. One that names its codec is its bytes already.
func encoded(v any, body []byte) any {
	if _, named := v.(kv.Coded); named {
		return v
	}
	return kv.Raw(body)
}

// body returns the bytes of a present entry.
func body(codec kv.Codec, e kv.Entry) ([]byte, error) { return kv.EncodeWith(codec, e.Value) }
