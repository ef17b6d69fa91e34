// Package natskv is a bucket of NATS JetStream as a kv.Client.
//
// A value stands in the bucket as plain bytes under a readable name, so that other NATS programs can read and write it;
// what else is known of it (its codec, its time to live) stands in the headers of its message. A write names the
// sequence number that it replaces, and an id by which the server knows it again: so an answer that got lost is asked for
// once more, and no write happens twice. Reads are answered by the leader of the bucket's stream. A watch reads the state
// and goes on from there; whenever it may have missed something it reads the state again and tells the difference.
//
// While no server answers, calls try again until their ctx ends; then they say which server it is and why.
package natskv

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/starlingkv/starling/kv"
)

// markerTTL is how long the server remembers a delete or an expiry, in a bucket that this client makes.
const markerTTL = time.Hour

// Option is an option of [New].
type Option func(*config)

type config struct {
	bucket   string
	replicas int
	origin   string
	connect  []nats.Option
	patience time.Duration
	log      *slog.Logger
}

// Logger makes the client log to log, where it discards without.
func Logger(log *slog.Logger) Option { return func(c *config) { c.log = log } }

// Bucket is that of the values. If there is none of the name it is made: with a history of one value, on file, and with
// TTLs if the server has them. Default: starling.
func Bucket(name string) Option { return func(c *config) { c.bucket = name } }

// Replicas is on how many servers a bucket is kept that this client makes: 1, 3 or 5. Default 1.
func Replicas(n int) Option { return func(c *config) { c.replicas = n } }

// Origin is the name under which this client's writes go. Default: the name of the host.
func Origin(name string) Option { return func(c *config) { c.origin = name } }

// Patience is how long a call whose ctx has no deadline tries to find a server that answers. Default 10 s.
func Patience(d time.Duration) Option { return func(c *config) { c.patience = d } }

// Connect adds options of the connection, as nats.Secure and nats.UserCredentials. How it is reconnected, and the handlers
// of its states and errors, are the client's own.
func Connect(opts ...nats.Option) Option {
	return func(c *config) { c.connect = append(c.connect, opts...) }
}

var bucketName = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

// maxOrigin bounds the name of a writer.
const maxOrigin = 256

func (c config) validate() error {
	var errs []error
	if !bucketName.MatchString(c.bucket) {
		errs = append(errs, fmt.Errorf("bucket %q: want letters, digits, _ and -", c.bucket))
	}
	if c.replicas < 1 || c.replicas > 5 {
		errs = append(errs, fmt.Errorf("replicas %d: want 1 to 5", c.replicas))
	}
	if len(c.origin) > maxOrigin {
		errs = append(errs, fmt.Errorf("an origin of %d bytes, at most %d", len(c.origin), maxOrigin))
	}
	if c.patience <= 0 {
		errs = append(errs, fmt.Errorf("patience %v: give a time above zero", c.patience))
	}
	return errors.Join(errs...)
}

// Client is a view of a bucket through one codec. It is safe for concurrent use and implements kv.Client and all its
// optional interfaces.
type Client struct {
	*kv.Base
	store *store
}

// New returns a client of a bucket on the servers, as nats://127.0.0.1:4222, several with commas between. It tries each
// server once and goes on trying behind the scenes if none answers. Close it to end its watches and its connection.
func New(servers string, codec kv.Codec, opts ...Option) (*Client, error) {
	c := config{bucket: "starling", replicas: 1, patience: 10 * time.Second}
	for _, opt := range opts {
		opt(&c)
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.origin == "" {
		c.origin, _ = os.Hostname() // without a name the writer is not known
	}
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("natskv: %w", err)
	}
	s, err := newStore(servers, c)
	if err != nil {
		return nil, fmt.Errorf("natskv: %w", err)
	}
	return &Client{Base: kv.NewBase(s, codec, c.log), store: s}, nil
}

// With returns a client of the same bucket that speaks another codec and counts for itself.
func (c *Client) With(codec kv.Codec) *Client {
	return &Client{Base: kv.NewBase(c.store, codec, c.store.log), store: c.store}
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
