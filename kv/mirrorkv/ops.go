package mirrorkv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/starlingkv/starling/kv"
)

// List is part of [kv.Client].
func (c *Client) List(ctx context.Context, prefix string) ([]string, error) {
	from, err := c.open()
	if err != nil {
		return nil, kv.Wrap("list", prefix, err)
	}
	return from.List(ctx, prefix)
}

// Get is part of [kv.Client].
func (c *Client) Get(ctx context.Context, key string) (any, error) {
	from, err := c.open()
	if err != nil {
		return nil, kv.Wrap("get", key, err)
	}
	return from.Get(ctx, key)
}

// Entry is part of [kv.Versioned].
func (c *Client) Entry(ctx context.Context, key string) (kv.Entry, bool, error) {
	from, err := c.open()
	if err != nil {
		return kv.Entry{}, false, kv.Wrap("entry", key, err)
	}
	return from.Entry(ctx, key)
}

// Entries is part of [kv.Versioned].
func (c *Client) Entries(ctx context.Context, prefix, after string, opts ...kv.EntriesOption) iter.Seq2[kv.Entry, error] {
	return func(yield func(kv.Entry, error) bool) {
		from, err := c.open()
		if err != nil {
			yield(kv.Entry{}, kv.Wrap("entries", prefix, err))
			return
		}
		from.Entries(ctx, prefix, after, opts...)(yield)
	}
}

// Delete is part of [kv.Client].
func (c *Client) Delete(ctx context.Context, key string) error {
	return c.write(ctx, "delete", key, func(now *era) error { return now.from.Delete(ctx, key) })
}

// Remove is part of [kv.Versioned].
func (c *Client) Remove(ctx context.Context, key string, opts ...kv.RemoveOption) error {
	return c.write(ctx, "remove", key, func(now *era) error { return now.from.Remove(ctx, key, opts...) })
}

// Put is part of [kv.Versioned]. The version is of the primary that took the write.
func (c *Client) Put(ctx context.Context, key string, v any, opts ...kv.PutOption) (version string, err error) {
	body, err := kv.EncodeWith(c.speaks, v)
	if err != nil {
		return "", kv.Wrap("put", key, err)
	}
	return c.put(ctx, key, encoded(v, body), opts...)
}

// put writes a value of which the bytes are known.
func (c *Client) put(ctx context.Context, key string, v any, opts ...kv.PutOption) (version string, err error) {
	err = c.write(ctx, "put", key, func(now *era) error {
		if err := now.fits(v, kv.PutWrite(ctx, opts...)); err != nil {
			return kv.Wrap("put", key, err)
		}
		var err error
		version, err = now.from.Put(ctx, key, v, opts...)
		return err
	})
	return version, err
}

// fits refuses what only one of the stores could hold.
func (p pair) fits(v any, w kv.Write) error {
	can := p.both()
	if w.TTL > 0 && !can.TTL {
		return fmt.Errorf("%w: a TTL, on both stores", kv.ErrUnsupported)
	}
	if w.Media != "" && !can.Media {
		return fmt.Errorf("%w: a media type, on both stores", kv.ErrUnsupported)
	}
	body, err := kv.EncodeWith(p.codec, v)
	if err == nil && len(body) > can.MaxValue {
		err = fmt.Errorf("%w: %d bytes, at most %d on both stores", kv.ErrTooLarge, len(body), can.MaxValue)
	}
	return err
}

// CAS is part of [kv.Client]. It compares by the version of the primary, so that a switch between reading and writing is
// a lost race.
func (c *Client) CAS(ctx context.Context, key string, f func(in any) (out any, retry bool, err error)) error {
	return c.kit.Retry(ctx, key, func() (kv.Outcome, error) {
		present, _, err := c.Entry(ctx, key)
		if err != nil {
			return kv.CASFailed, cause(err)
		}
		present.Key = key
		was, err := c.before(present)
		if err != nil {
			return kv.CASFailed, err
		}
		out, retry, err := f(present.Value)
		switch {
		case err != nil && retry:
			return kv.CASLost, err
		case err != nil:
			return kv.CASFailed, err
		case out == nil:
			return kv.CASKept, nil
		}
		return c.swap(ctx, present, was, out)
	})
}

// before encodes the present value, nil if there is none, before f may change its container.
func (c *Client) before(present kv.Entry) ([]byte, error) {
	if present.Version == "" {
		return nil, nil
	}
	return body(c.speaks, present)
}

// swap writes out if the key still is as it was.
func (c *Client) swap(ctx context.Context, present kv.Entry, was []byte, out any) (kv.Outcome, error) {
	body, err := kv.EncodeWith(c.speaks, out)
	if err != nil {
		return kv.CASFailed, err
	}
	if _, ttl := kv.TTLFrom(ctx); !ttl && present.Version != "" && bytes.Equal(was, body) {
		return kv.CASKept, nil
	}
	opts := []kv.PutOption{kv.IfVersion(present.Version)}
	if c.Capabilities().Media {
		opts = append(opts, kv.Media(present.Media))
	}
	_, err = c.put(ctx, present.Key, encoded(out, body), opts...)
	switch {
	case errors.Is(err, kv.ErrConflict):
		return kv.CASLost, nil
	case err != nil:
		return kv.CASFailed, cause(err)
	}
	return kv.CASWritten, nil
}

// cause takes the operation off an error of a store.
func cause(err error) error {
	var e *kv.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// Capabilities is part of [kv.Capable]: what both stores promise.
func (c *Client) Capabilities() kv.Capabilities {
	return c.turn.present().both()
}

func (p pair) both() kv.Capabilities {
	a, b := p.from.Capabilities(), p.to.Capabilities()
	return kv.Capabilities{
		LinearizableCAS: a.LinearizableCAS && b.LinearizableCAS,
		OrderedWatch:    a.OrderedWatch && b.OrderedWatch,
		TTL:             a.TTL && b.TTL,
		TTLSlack:        max(a.TTLSlack, b.TTLSlack),
		Persistent:      a.Persistent && b.Persistent,
		Media:           a.Media && b.Media,
		MaxValue:        min(a.MaxValue, b.MaxValue),
	}
}

// Stats is part of [kv.Counted].
func (c *Client) Stats() kv.Stats { return c.kit.Stats() }

// LastUpdateTime returns when the value of the key was written, as far as the primary knows.
func (c *Client) LastUpdateTime(key string) time.Time {
	from, err := c.open()
	if err != nil {
		return time.Time{}
	}
	if d, ok := kv.As[interface{ LastUpdateTime(key string) time.Time }](from.Client); ok {
		return d.LastUpdateTime(key)
	}
	return time.Time{}
}
