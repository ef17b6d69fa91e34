// Package httpkv is a starling server as a kv.Client, over the server's HTTP API. The command line is written on it.
//
// Each call is one request, and a write says by If-Match what it replaces, so a CAS here is as strong as the server's
// store: see Capabilities. A watch is one stream of server-sent events; when it breaks it is opened again, for as long as
// the caller wants, and goes on where it was if the server still knows, else with kv.Reset and the state anew. So nothing
// is lost but intermediate values.
package httpkv

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/starlingkv/starling/kv"
)

// Client is a view of a server's store through one codec. It is safe for concurrent use and implements kv.Client and all
// its optional interfaces.
type Client struct {
	*kv.Base
	server *server
	log    *slog.Logger
}

// Option is an option of [New].
type Option func(*options)

type options struct {
	log  *slog.Logger
	http *http.Client
}

// Logger makes the client log to log, where it discards without.
func Logger(log *slog.Logger) Option { return func(o *options) { o.log = log } }

// HTTP makes the client send its requests through c, which must have no Timeout: that would end watches.
func HTTP(c *http.Client) Option { return func(o *options) { o.http = c } }

// New returns a client of the server whose API is at base, as http://127.0.0.1:7070. It sends nothing yet. Close it to end
// its watches.
func New(base string, codec kv.Codec, opts ...Option) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("address %q: want something like http://127.0.0.1:7070", base)
	}
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if o.log == nil {
		o.log = slog.New(slog.DiscardHandler)
	}
	if o.http == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 64
		o.http = &http.Client{Transport: transport}
	}
	s := &server{base: strings.TrimSuffix(base, "/"), http: o.http, log: o.log}
	s.life, s.end = context.WithCancelCause(context.Background())
	return &Client{Base: kv.NewBase(stored{s}, codec, o.log), server: s, log: o.log}, nil
}

// With returns a client of the same server that speaks another codec and counts for itself.
func (c *Client) With(codec kv.Codec) *Client {
	return &Client{Base: kv.NewBase(stored{c.server}, codec, c.log), server: c.server, log: c.log}
}

// Capabilities are those of the server's store. The first call asks the server; while that does not answer, nothing is
// promised.
func (c *Client) Capabilities() kv.Capabilities {
	can, err := c.server.learn(context.Background())
	if err != nil {
		return kv.Capabilities{}
	}
	return can
}

// JSON reads a route of the server that is no part of a store, as /v1/status, into v.
func (c *Client) JSON(ctx context.Context, path string, v any) error {
	return c.Call(ctx, http.MethodGet, path, v)
}

// Call sends a request without a body, as DELETE of /v1/members/n1, and reads the answer into v.
func (c *Client) Call(ctx context.Context, method, path string, v any) error {
	return c.server.json(ctx, method, path, v)
}

// Backend is the server's store below the codecs, for tools that take values of every kind as bytes, those that merge for
// people to read. Its errors name no operation and no key.
func (c *Client) Backend() kv.Backend { return c.server }

// Field is the server's store with a field in the place of each value: of a Map by its name, of a Set an element. The
// version is that of the key, the codec too; a Store without one takes what the key holds. Scan and Feed are of whole
// values.
func (c *Client) Field(name string) kv.Backend { return field{c.server, name} }

// Close ends the client and its views: their watches end, and every call returns kv.ErrClosed. It always returns nil, and
// may be called again.
func (c *Client) Close() error {
	c.server.end(kv.ErrClosed)
	c.server.http.CloseIdleConnections()
	return nil
}

// server is the store behind the API. It implements kv.Backend.
type server struct {
	base string
	http *http.Client
	log  *slog.Logger
	life context.Context // ends with Close
	end  context.CancelCauseFunc

	mu  sync.Mutex // guards can
	can *kv.Capabilities
}
