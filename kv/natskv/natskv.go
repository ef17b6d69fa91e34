// Package natskv is a bucket of NATS JetStream as a kv.Client.
//
// A value stands in the bucket as plain bytes under a readable name, so that other NATS programs can read and write it;
// what else is known of it (its codec, its time to live) stands in the headers of its message. A write names the
// sequence number that it replaces, and an id by which the server knows it again: so an answer that got lost is asked for
// once more, and no write happens twice. Reads are answered by the leader of the bucket's stream. A watch reads the state
// and goes on from there; whenever it may have missed something it reads the state again and tells the difference.
//
// While no server answers, calls try again until their context ends, or for ten seconds if it has no deadline; then they
// say which server it is and why.
package natskv

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/starlingkv/starling/kv"
)

// markerTTL is how long the server remembers a delete or an expiry, in a bucket that this client makes.
const markerTTL = time.Hour

// Options are the settings of a client. Only Bucket is required.
type Options struct {
	// Bucket is made if there is none: with a history of one value, on file, with Replicas, and with TTLs if the server
	// has them.
	Bucket string

	// Replicas is on how many servers a bucket is kept that this client makes: 1 (also by 0), 3 or 5.
	Replicas int

	// Origin is the name that writes go under: Entry.Origin of those who read them.
	Origin string

	// Connect are options of the connection, as for TLS and credentials. How it is reconnected, and the handlers of its
	// states and errors, are the client's own.
	Connect []nats.Option

	// Log is told of broken watches and of names that are no keys. Nil: discard.
	Log *slog.Logger
}

var bucketName = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

// Validate returns what is wrong with the options.
func (o Options) Validate() error {
	var errs []error
	if !bucketName.MatchString(o.Bucket) {
		errs = append(errs, fmt.Errorf("bucket %q: want letters, digits, _ and -", o.Bucket))
	}
	if o.Replicas < 0 || o.Replicas > 5 {
		errs = append(errs, fmt.Errorf("replicas %d: want 1 to 5", o.Replicas))
	}
	return errors.Join(errs...)
}

// Client is a view of a bucket through one codec. It is safe for concurrent use and implements kv.Client and all its
// optional interfaces.
type Client struct {
	*kv.Base
	store *store
	log   *slog.Logger
}

// New returns a client of the bucket on the servers, as nats://127.0.0.1:4222, several with commas between. It tries each
// server once and goes on trying behind the scenes if none answers. Close it to end its watches and its connection.
func New(servers string, codec kv.Codec, o Options) (*Client, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := newStore(servers, o)
	if err != nil {
		return nil, err
	}
	return &Client{Base: kv.NewBase(s, codec, o.Log), store: s, log: o.Log}, nil
}

// With returns a client of the same bucket that speaks another codec and counts for itself.
func (c *Client) With(codec kv.Codec) *Client {
	return &Client{Base: kv.NewBase(c.store, codec, c.log), store: c.store, log: c.log}
}

// Capabilities are those of the bucket. The first call asks the server; while that does not answer, nothing is promised.
func (c *Client) Capabilities() kv.Capabilities { return c.store.learn() }

// Backend is the bucket below the codecs, for tools that take values of every kind as bytes. Its errors name no operation
// and no key.
func (c *Client) Backend() kv.Backend { return c.store }

// Close ends the client and its views: their watches end, and every call returns kv.ErrClosed. It always returns nil, and
// may be called again.
func (c *Client) Close() error {
	c.store.close()
	return nil
}
