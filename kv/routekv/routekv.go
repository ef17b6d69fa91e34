// Package routekv is one kv.Client made of several: every key belongs to the client with the longest matching prefix.
//
// Keys travel whole, prefix included, so that a store shows the same keys whether it is asked through a router or
// directly. What a store holds outside its own prefixes is not seen through the router. A call for one key goes to one
// client, unchanged. List, Entries, Events and WatchPrefix whose prefix spans several clients merge them: keys stay in
// order, Synced is told when all have told theirs, and nothing is queued in between: a source waits until its event has
// been taken, and its store coalesces meanwhile.
package routekv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/starlingkv/starling/kv"
)

// Route sends the keys that begin with Prefix to Client.
type Route struct {
	Prefix string
	Client kv.Client
}

// Client is a kv.Client over several. It is safe for concurrent use and has all optional interfaces.
//
// It counts its watches itself, while its counts of CAS are the sums over its clients: give a router clients of its own.
// It owns none of them; close them yourself.
type Client struct {
	kit    kv.Kit
	routes []Route // by falling length of prefix; the last is the empty one
}

// New returns a client that sends each key to the route with the longest prefix of it, and to rest if there is none. It
// fails if a prefix is empty or given twice, or if a client lacks an optional interface of package kv. A nil log
// discards.
func New(rest kv.Client, log *slog.Logger, routes ...Route) (*Client, error) {
	c := &Client{kit: kv.Kit{Log: log}, routes: append(slices.Clone(routes), Route{Client: rest})}
	slices.SortStableFunc(c.routes, func(a, b Route) int { return len(b.Prefix) - len(a.Prefix) })
	seen := make(map[string]bool)
	for _, r := range c.routes {
		if err := fit(r.Client); err != nil {
			return nil, fmt.Errorf("routekv: the client of prefix %q: %w", r.Prefix, err)
		}
		if seen[r.Prefix] {
			return nil, fmt.Errorf("routekv: prefix %q has two clients: keep one", r.Prefix)
		}
		seen[r.Prefix] = true
	}
	return c, nil
}

// fit tells what a client lacks.
func fit(c kv.Client) error {
	if c == nil {
		return errors.New("nil")
	}
	var missing []error
	lacks := func(ok bool, what string) {
		if !ok {
			missing = append(missing, fmt.Errorf("%w: %T is not a kv.%s", kv.ErrUnsupported, c, what))
		}
	}
	_, ok := kv.As[kv.Capable](c)
	lacks(ok, "Capable")
	_, ok = kv.As[kv.Counted](c)
	lacks(ok, "Counted")
	_, ok = kv.As[kv.Versioned](c)
	lacks(ok, "Versioned")
	_, ok = kv.As[kv.Watcher](c)
	lacks(ok, "Watcher")
	return errors.Join(missing...)
}

// as returns the optional interface of a client, which New has seen to be there.
func as[T any](c kv.Client) T {
	t, _ := kv.As[T](c)
	return t
}

// For returns the client that the key belongs to: kv.Require on it says at the start whether that store keeps the
// promise that this key needs.
func (c *Client) For(key string) kv.Client {
	return c.routes[c.owner(key)].Client
}

// owner is the index of the route of the key.
func (c *Client) owner(key string) int {
	for i, r := range c.routes {
		if strings.HasPrefix(key, r.Prefix) {
			return i
		}
	}
	return len(c.routes) - 1 // not reached: the last prefix is empty
}

// Get is part of [kv.Client].
func (c *Client) Get(ctx context.Context, key string) (any, error) { return c.For(key).Get(ctx, key) }

// Delete is part of [kv.Client].
func (c *Client) Delete(ctx context.Context, key string) error { return c.For(key).Delete(ctx, key) }

// CAS is part of [kv.Client].
func (c *Client) CAS(ctx context.Context, key string, f func(in any) (out any, retry bool, err error)) error {
	return c.For(key).CAS(ctx, key, f)
}

// Entry is part of [kv.Versioned].
func (c *Client) Entry(ctx context.Context, key string) (kv.Entry, bool, error) {
	return as[kv.Versioned](c.For(key)).Entry(ctx, key)
}

// Put is part of [kv.Versioned].
func (c *Client) Put(ctx context.Context, key string, v any, opts ...kv.PutOption) (version string, err error) {
	return as[kv.Versioned](c.For(key)).Put(ctx, key, v, opts...)
}

// Remove is part of [kv.Versioned].
func (c *Client) Remove(ctx context.Context, key string, opts ...kv.RemoveOption) error {
	return as[kv.Versioned](c.For(key)).Remove(ctx, key, opts...)
}

// LastUpdateTime returns when the value of the key was written, as far as its store knows.
func (c *Client) LastUpdateTime(key string) time.Time {
	if d, ok := kv.As[interface{ LastUpdateTime(key string) time.Time }](c.For(key)); ok {
		return d.LastUpdateTime(key)
	}
	return time.Time{}
}

// Capabilities is part of [kv.Capable]: what every one of the stores promises. Ask the client of [Client.For] what one
// of them does. Changes of keys of different stores have no order.
func (c *Client) Capabilities() kv.Capabilities {
	all := as[kv.Capable](c.routes[0].Client).Capabilities()
	for _, r := range c.routes[1:] {
		can := as[kv.Capable](r.Client).Capabilities()
		all.LinearizableCAS = all.LinearizableCAS && can.LinearizableCAS
		all.TTL = all.TTL && can.TTL
		all.TTLSlack = max(all.TTLSlack, can.TTLSlack)
		all.Persistent = all.Persistent && can.Persistent
		all.Media = all.Media && can.Media
		all.MaxValue = min(all.MaxValue, can.MaxValue)
		all.OrderedWatch = false
	}
	return all
}

// Stats is part of [kv.Counted].
func (c *Client) Stats() kv.Stats {
	sum := c.kit.Stats()
	var counted []kv.Client
	for _, r := range c.routes {
		if slices.Contains(counted, r.Client) {
			continue // one client for two prefixes
		}
		counted = append(counted, r.Client)
		cas := as[kv.Counted](r.Client).Stats().CAS
		sum.CAS.Attempts += cas.Attempts
		sum.CAS.Successes += cas.Successes
		sum.CAS.Failures += cas.Failures
	}
	return sum
}
