// Package web is the HTTP API of a node as one http.Handler.
//
//	GET HEAD PUT DELETE /v1/kv/{key}     one value, as the bytes it is stored as
//	POST /v1/kv/{key}?add= or ?observe=  one more of a Counter, or a number for a Max
//	GET /v1/kv?prefix=                   entries in key order, page by page
//	GET /v1/watch?prefix= or ?key=       changes as server-sent events, or lines of JSON; of a field with &field=
//	GET /v1/digest?prefix=               one hash of all that is there
//	GET /v1/members /v1/status /v1/examine   what the node knows of its cluster and itself
//	DELETE /v1/members/{name}, POST /v1/leave
//	GET /livez /readyz                   for whatever restarts and routes
//
// A value is bytes here: whatever codec wrote it, GET returns what is stored and names the codec in Starling-Codec. Every
// error is an application/problem+json whose type is the page in docs/errors that explains it. Keys are percent-encoded;
// a path that a router would clean is refused, because the cleaned one is another key.
//
// To mount it elsewhere use http.StripPrefix. An http.ServeMux before it cleans paths by itself, by redirecting.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/memo"
	"github.com/starlingkv/starling/kv"
)

// Config says what a [Handler] serves. Client and Node are required.
type Config struct {
	// Client returns a client of the store for values of the codec. It is asked once per codec id. The clients must be
	// kv.Capable, kv.Versioned and kv.Watcher.
	Client func(codec kv.Codec) kv.Client
	// Raw is a client that shows the keys of every codec as bytes: what does not fit as kv.Raw with an error beside it. Nil:
	// that of Client for kv.Bytes.
	Raw kv.Client
	// Kinds are kinds whose codecs are at hand, as Options.Kinds of a node. Of others whole values and fields are bytes that
	// nobody checks, a field of several parts is written as these, and a node does not write what has a merge of its own.
	Kinds []crdt.Kind
	// Node tells about the node and its cluster.
	Node Node
	// Log gets what nobody else is told. Nil discards.
	Log *slog.Logger
	// MaxWatchers bounds the watches at one time; one more is refused with 503. Default 1000.
	MaxWatchers int
	// WriteWait is how long a write waits for a node that is still starting, or a store that does not answer. Default 5 s.
	WriteWait time.Duration
	// ReadWait is how long a read of one key waits for a store that does not answer. Default 5 s.
	ReadWait time.Duration
	// ScanWait is how long a read of many keys may take: a page of a list, a digest, a status. Default 1 minute.
	ScanWait time.Duration
	// BodyWait is how long a client may take to send a value. Default 2 minutes.
	BodyWait time.Duration
	// KeepAlive is how often a silent watch says that it lives. Default 15 s.
	KeepAlive time.Duration
	// Stall is how long a watcher may refuse to take bytes before it is dropped. Default 30 s.
	Stall time.Duration
	// Park is how long a watch that broke is kept for its client to come back. Default 30 s.
	Park time.Duration
}

// Handler serves the API. It is safe for concurrent use. It has a goroutine for each watch, which outlives a broken one by
// Config.Park; Close ends these.
type Handler struct {
	cfg     Config
	reads   store // Config.Raw: reads every codec's bytes
	clients clients
	seats   chan struct{}               // one per running watch
	feeds   feeds                       // what watches read
	shown   *memo.Memo                  // large values as watches tell them
	origins *http.CrossOriginProtection // keeps the pages of other sites from writing through a browser
	ending  atomic.Bool                 // nobody should come any more
}

// store is what the API needs of a client.
type store interface {
	kv.Client
	kv.Capable
	kv.Versioned
	kv.Watcher
}

// New returns the handler of cfg. It panics if cfg lacks what is required.
func New(cfg Config) *Handler {
	if cfg.Client == nil || cfg.Node == nil {
		panic("web: Config without Client or Node")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.MaxWatchers = orDefault(cfg.MaxWatchers, 1000)
	cfg.WriteWait = orDefault(cfg.WriteWait, 5*time.Second)
	cfg.ReadWait = orDefault(cfg.ReadWait, 5*time.Second)
	cfg.ScanWait = orDefault(cfg.ScanWait, time.Minute)
	cfg.BodyWait = orDefault(cfg.BodyWait, 2*time.Minute)
	cfg.KeepAlive = orDefault(cfg.KeepAlive, 15*time.Second)
	cfg.Stall = orDefault(cfg.Stall, 30*time.Second)
	cfg.Park = orDefault(cfg.Park, 30*time.Second)
	h := &Handler{
		cfg:     cfg,
		clients: clients{open: cfg.Client, kinds: known(cfg.Kinds)},
		seats:   make(chan struct{}, cfg.MaxWatchers),
		feeds:   feeds{boot: newBoot(), park: cfg.Park},
		shown:   memo.New(maxShown),
		origins: http.NewCrossOriginProtection(),
	}
	if cfg.Raw == nil {
		cfg.Raw = cfg.Client(kv.Bytes)
	}
	reads, err := asStore(cfg.Raw)
	if err != nil {
		panic("web: " + err.Error())
	}
	h.reads = reads
	return h
}

// Drain asks whoever routes to send nothing more here: /readyz fails from now on, and every answer ends its connection, so
// that the next request finds another server. Requests are served as before.
func (h *Handler) Drain() { h.ending.Store(true) }

// Close ends what is kept of watches that broke. The requests that run are the server's to end.
func (h *Handler) Close() { h.feeds.close() }

// maxShown bounds what is kept of large values as they are told, in bytes: the largest, escaped twice over.
const maxShown = 2 * kv.MaxValue

func orDefault[N int | time.Duration](n, otherwise N) N {
	if n <= 0 {
		return otherwise
	}
	return n
}

// ServeHTTP routes by the path as it was sent: after decoding, "a%2F%2Fb" could not be told from "a//b".
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff") // a value is nothing that a browser should run
	if h.ending.Load() {
		w.Header().Set("Connection", "close")
	}
	err := h.origins.Check(r)
	if err != nil {
		err = newProblem(forbidden, "a page of another site may not write here: "+err.Error())
	} else {
		err = h.serve(w, r)
	}
	if err != nil {
		h.fail(w, r, err)
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	path := r.URL.EscapedPath()
	if escaped, ok := strings.CutPrefix(path, keyPath); ok {
		return h.serveKey(w, r, escaped)
	}
	if escaped, ok := strings.CutPrefix(path, memberPath); ok {
		return h.serveMember(w, r, escaped)
	}
	at, ok := h.routes()[path]
	if !ok {
		return newProblem(notFound, "there is nothing at "+path)
	}
	if err := allow(w, r, at.methods...); err != nil {
		return err
	}
	if at.within > 0 {
		ctx, cancel := context.WithTimeout(r.Context(), at.within)
		defer cancel()
		r = r.WithContext(ctx)
	}
	return at.serve(w, r)
}

// routes are the paths that are no key and no member.
func (h *Handler) routes() map[string]route {
	return map[string]route{
		"/v1/kv":      {h.list, readOnly, h.cfg.ScanWait},
		"/v1/watch":   {h.watch, readOnly, 0},
		"/v1/digest":  {h.digest, readOnly, h.cfg.ScanWait},
		"/v1/members": {h.members, readOnly, h.cfg.ScanWait},
		"/v1/status":  {h.status, readOnly, h.cfg.ScanWait},
		"/v1/examine": {h.examine, readOnly, h.cfg.ScanWait},
		"/v1/leave":   {h.leave, []string{http.MethodPost}, 0},
		"/livez":      {h.livez, readOnly, 0},
		"/readyz":     {h.readyz, readOnly, 0},
	}
}

// route is what serves a path, the methods it has, and how long the store may take for it; zero: as long as the client waits.
type route struct {
	serve   func(http.ResponseWriter, *http.Request) error
	methods []string
	within  time.Duration
}

var readOnly = []string{http.MethodGet, http.MethodHead}

// allow refuses a method that the route does not have.
func allow(w http.ResponseWriter, r *http.Request, methods ...string) error {
	for _, m := range methods {
		if r.Method == m {
			return nil
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	return &problem{kind: badRequest, Status: http.StatusMethodNotAllowed, Detail: r.Method + " is not served here"}
}

// require refuses a request that asks, by Starling-Require, for what the store does not promise for every key.
func (h *Handler) require(r *http.Request) error { return require(h.reads, r) }

// requireOf refuses one that asks for what the store of the key does not promise.
func (h *Handler) requireOf(key string, r *http.Request) error { return require(h.of(key), r) }

func require(of kv.Client, r *http.Request) error {
	var need []kv.Capability
	for _, line := range r.Header.Values("Starling-Require") {
		for name := range strings.SplitSeq(line, ",") {
			need = append(need, kv.Capability(strings.TrimSpace(name)))
		}
	}
	return kv.Require(of, need...)
}

// consistencyOf says how far a comparison of versions reaches, for one key.
func (h *Handler) consistencyOf(key string) string { return consistencyOf(h.of(key)) }

// consistency says it for all of them: the least.
func (h *Handler) consistency() string { return consistencyOf(h.reads) }

func consistencyOf(c kv.Client) string {
	if kv.Require(c, kv.LinearizableCAS) == nil {
		return "linearizable"
	}
	return "local"
}

// of returns the client of the store that holds the key, if there are several behind this one.
func (h *Handler) of(key string) kv.Client {
	if several, ok := kv.As[interface{ For(key string) kv.Client }](h.reads); ok {
		return several.For(key)
	}
	return h.reads
}
