// Package etcdkv is an etcd cluster as a kv.Client, through etcd's official client.
//
// A value stands under its key as it is, for etcdctl and everybody else; what else is known of it stands in a note under
// the key, a zero byte and the name of the codec, which no key of a starling store can contain. Both are written in one
// transaction, so the note belongs to the value if both have one revision: whoever writes the key without starling makes
// it a value of no known codec, which every client reads.
//
// A version is the cluster's id and the revision of the write. A CAS is a transaction that compares the revision; one
// whose answer was lost is tried again and knows its own write by the note. A watch begins with the read before it and
// goes on by revision, over whichever member answers; when etcd has compacted what it missed, it reads anew after a
// kv.Reset. A TTL is a lease. While no member answers, calls try again until their ctx ends.
package etcdkv

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/starlingkv/starling/internal/retry"
	"github.com/starlingkv/starling/kv"
)

// Client is a view of a cluster through one codec. It is safe for concurrent use and implements kv.Client and all its
// optional interfaces.
type Client struct {
	*kv.Base
	store *store
}

// Option is an option of [New].
type Option func(*config)

type config struct {
	endpoints  []string
	tls        *tls.Config
	user       string
	password   string
	log        *slog.Logger
	origin     string
	patience   time.Duration
	maxRequest int
}

// Logger makes the client log to log, where it discards without.
func Logger(log *slog.Logger) Option { return func(c *config) { c.log = log } }

// TLS makes the client speak TLS to every member; a certificate in t is the client's own.
func TLS(t *tls.Config) Option { return func(c *config) { c.tls = t } }

// Auth makes the client a user of a cluster with authentication.
func Auth(user, password string) Option {
	return func(c *config) { c.user, c.password = user, password }
}

// Origin is the name under which this client's writes go. Default: the name of the host.
func Origin(name string) Option { return func(c *config) { c.origin = name } }

// Patience is how long a call whose ctx has no deadline tries to find a member that answers. Default 10 s.
func Patience(d time.Duration) Option { return func(c *config) { c.patience = d } }

// MaxRequest is what the members were told with --max-request-bytes, if they were. Default 1.5 MiB, as is theirs.
func MaxRequest(bytes int) Option { return func(c *config) { c.maxRequest = bytes } }

// New returns a client of the cluster whose members listen at the endpoints, as 127.0.0.1:2379 or https://etcd-1:2379. It
// sends nothing yet. Close it.
func New(endpoints []string, codec kv.Codec, opts ...Option) (*Client, error) {
	c := config{endpoints: endpoints, patience: 10 * time.Second, maxRequest: defaultRequest}
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
		return nil, fmt.Errorf("etcdkv: %w", err)
	}
	s := newStore(c)
	return &Client{Base: kv.NewBase(s, codec, c.log), store: s}, nil
}

// maxOrigin bounds the name of a writer.
const maxOrigin = 256

func (c config) validate() error {
	var errs []error
	if len(c.endpoints) == 0 {
		errs = append(errs, errors.New("no endpoint: give the address of a member, as 127.0.0.1:2379"))
	}
	for _, e := range c.endpoints {
		errs = append(errs, checkEndpoint(e))
	}
	if (c.user == "") != (c.password == "") {
		errs = append(errs, errors.New("a user and a password go together"))
	}
	if len(c.origin) > maxOrigin {
		errs = append(errs, fmt.Errorf("an origin of %d bytes, at most %d", len(c.origin), maxOrigin))
	}
	if c.patience <= 0 {
		errs = append(errs, fmt.Errorf("patience %v: give a time above zero", c.patience))
	}
	if c.maxRequest < 2*overhead {
		errs = append(errs, fmt.Errorf("max request %d bytes: at least %d", c.maxRequest, 2*overhead))
	}
	return errors.Join(errs...)
}

func checkEndpoint(e string) error {
	u, err := url.Parse(e)
	if !strings.Contains(e, "://") {
		u, err = url.Parse("http://" + e)
	}
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Port() == "" || u.Path != "" || u.RawQuery != "" || u.User != nil {
		return fmt.Errorf("endpoint %q: want something like 127.0.0.1:2379 or https://etcd-1:2379", e)
	}
	return nil
}

// With returns a client of the same cluster that speaks another codec and counts for itself.
func (c *Client) With(codec kv.Codec) *Client {
	return &Client{Base: kv.NewBase(c.store, codec, c.store.log), store: c.store}
}

// Backend is the cluster below the codecs, for tools that take values of every kind as bytes. Its errors name no
// operation and no key.
func (c *Client) Backend() kv.Backend { return c.store }

// LeftOut counts the rows, met by reads and watches, that others wrote and that are no key or no note here. The first is
// logged.
func (c *Client) LeftOut() uint64 { return c.store.leftOut.Load() }

// Close ends the client and its views: their watches end, and every call returns kv.ErrClosed. It may be called again.
func (c *Client) Close() error { return c.store.close() }

// newStore returns a store that has no connection yet.
func newStore(c config) *store {
	s := &store{config: c, dialing: make(chan struct{}, 1)}
	life, end := context.WithCancelCause(context.Background())
	s.end = end
	s.Loop = &retry.Loop{
		Where: "etcd " + strings.Join(c.endpoints, ","), Life: life, Patience: c.patience, Waits: waits,
		Final: s.final, Reason: reason,
	}
	return s
}
