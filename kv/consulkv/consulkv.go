// Package consulkv is Consul's key-value store as a kv.Client, through Consul's official client.
//
// A value stands under its key as it is, for `consul kv get` and everybody else. What else is known of it stands in the 64
// bits of flags that Consul keeps beside a value: when it was written, its TTL, and a number for codec and media type,
// whose names are in one more row. A key that no URL carries unchanged is percent-encoded where it must be (path.go).
//
// A version is the ModifyIndex of the write and a checksum of what it wrote. A CAS is a transaction that compares the
// index. A watch is a blocking query, asked again for ever; each answer is the whole state of what is watched, and what
// differs from what was told before is told, so an outage loses nothing but values in between. A TTL is a session that
// holds the key; the writer deletes the key on time, readers take one that is overdue for absent, and the session's end
// is for writers that are gone. A graceful leave of the agent ends the sessions made through it, and so their keys.
package consulkv

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/starlingkv/starling/internal/retry"
	"github.com/starlingkv/starling/kv"
)

// Client is a view of a Consul server through one codec. It is safe for concurrent use and implements kv.Client and all its
// optional interfaces.
type Client struct {
	*kv.Base
	store *store
}

// Option is an option of [New].
type Option func(*config)

type config struct {
	address    string
	tls        *tls.Config
	token      string
	datacenter string
	prefix     string
	reads      consistency
	patience   time.Duration
	log        *slog.Logger
}

// consistency is what reads and watches ask of Consul.
type consistency int

const (
	consistent consistency = iota // the leader asks a majority first whether it is one
	stale                         // any server answers
)

// Logger makes the client log to log, where it discards without.
func Logger(log *slog.Logger) Option { return func(c *config) { c.log = log } }

// TLS makes the client speak TLS; a certificate in t is the client's own.
func TLS(t *tls.Config) Option { return func(c *config) { c.tls = t } }

// Token is the ACL token. It needs key:write for the prefix, and session:write for values with a TTL. Default: what
// Consul's own client takes from CONSUL_HTTP_TOKEN and CONSUL_HTTP_TOKEN_FILE.
func Token(t string) Option { return func(c *config) { c.token = t } }

// Datacenter is asked instead of the server's own.
func Datacenter(name string) Option { return func(c *config) { c.datacenter = name } }

// Prefix puts every key behind this one of Consul, as "team/", which keys here leave out.
func Prefix(p string) Option { return func(c *config) { c.prefix = p } }

// Stale lets any server answer reads and watches, so without a leader too, and with what was true a moment ago. A CAS is
// as strong as before, but tries again more often.
func Stale() Option { return func(c *config) { c.reads = stale } }

// Patience is how long a call whose ctx has no deadline tries to get an answer. Default 10 s.
func Patience(d time.Duration) Option { return func(c *config) { c.patience = d } }

// New returns a client of the agent or server whose HTTP API is at address, as http://127.0.0.1:8500. It sends nothing
// yet. Close it.
func New(address string, codec kv.Codec, opts ...Option) (*Client, error) {
	c := config{address: address, patience: 10 * time.Second}
	for _, opt := range opts {
		opt(&c)
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("consulkv: %w", err)
	}
	s, err := newStore(c)
	if err != nil {
		return nil, fmt.Errorf("consulkv: %w", err)
	}
	return &Client{Base: kv.NewBase(s, codec, c.log), store: s}, nil
}

func (c config) validate() error {
	u, err := url.Parse(c.address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("address %q: want something like http://127.0.0.1:8500", c.address)
	}
	if c.tls != nil && u.Scheme != "https" {
		return fmt.Errorf("address %q: TLS needs https://", c.address)
	}
	if c.prefix != "" && (kv.CheckKey(c.prefix) != nil || escape(c.prefix) != c.prefix) {
		return fmt.Errorf("prefix %q: want one that a URL carries unchanged, as team/", c.prefix)
	}
	if c.patience <= 0 {
		return fmt.Errorf("patience %v: give a time above zero", c.patience)
	}
	return nil
}

// With returns a client of the same server that speaks another codec and counts for itself.
func (c *Client) With(codec kv.Codec) *Client {
	return &Client{Base: kv.NewBase(c.store, codec, c.store.log), store: c.store}
}

// Backend is the store below the codecs, for tools that take values of every kind as bytes. Its errors name no operation
// and no key.
func (c *Client) Backend() kv.Backend { return c.store }

// LeftOut counts the rows, met by reads and watches, that others wrote and that are no key here. The first is logged.
func (c *Client) LeftOut() uint64 { return c.store.leftOut.Load() }

// Close ends the client and its views: their watches end, and every call returns kv.ErrClosed. Values with a TTL that are
// still there are left to their sessions. It always returns nil, and may be called again.
func (c *Client) Close() error {
	c.store.close()
	return nil
}

// newStore returns a store that has no connection yet.
func newStore(c config) (*store, error) {
	client := newHTTP(c.tls)
	consul, err := api.NewClient(&api.Config{
		Address: c.address, Token: c.token, Datacenter: c.datacenter, HttpClient: client,
	})
	if err != nil {
		return nil, err
	}
	s := &store{config: c, api: consul, http: client}
	s.expiry = newExpiry(s)
	life, end := context.WithCancelCause(context.Background())
	s.end = end
	s.Loop = &retry.Loop{
		Where: "consul " + c.address, Life: life, Patience: c.patience, Waits: waits, Final: s.final, Reason: reason,
	}
	return s, nil
}
