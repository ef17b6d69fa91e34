// Package memkv is a kv.Client in the memory of one process: one ordered map, and the strict reference of the contract.
//
// CAS is linearizable, watches are ordered across keys, values expire. The map is a persistent tree: readers take its
// root without a lock and keep it as long as they like; writers make a new root under the store's one mutex. A watch
// is a root to begin with and then the set of keys changed since, in the order of their last change: it coalesces, and
// cannot overflow. Expiry is driven by one timer for the whole store, and by every call, which first removes what is due.
//
// It is for tests, for programs of one process, and for comparing other stores with it. Nothing survives the process.
package memkv

import (
	"log/slog"

	"github.com/starlingkv/starling/kv"
)

// Client is a view of a store through one codec. It is safe for concurrent use and implements kv.Client and all its
// optional interfaces.
type Client struct {
	*kv.Base
	store *store
	log   *slog.Logger
}

// Option is an option of [New].
type Option func(*Client)

// Logger makes the client log to log, where it discards without.
func Logger(log *slog.Logger) Option { return func(c *Client) { c.log = log } }

// New returns a client of a new, empty store. Close it to end its watches and its timer.
func New(codec kv.Codec, opts ...Option) *Client {
	c := &Client{store: newStore()}
	for _, opt := range opts {
		opt(c)
	}
	c.Base = kv.NewBase(c.store, codec, c.log)
	return c
}

// With returns a client of the same store that speaks another codec and counts for itself.
func (c *Client) With(codec kv.Codec) *Client {
	return &Client{Base: kv.NewBase(c.store, codec, c.log), store: c.store, log: c.log}
}

// Close closes the store, for all its clients: every watch ends and every call returns kv.ErrClosed. It always returns
// nil, and may be called again.
func (c *Client) Close() error {
	c.store.close()
	return nil
}
