package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/web"
)

const (
	// leaveWithin bounds how long a node takes to say goodbye.
	leaveWithin = 5 * time.Second
	// endWithin bounds how long requests that were told to end may take for it.
	endWithin = 2 * time.Second
)

// listening is an HTTP server of the API.
type listening struct {
	server *http.Server
	api    *web.Handler
	url    string
	end    context.CancelFunc // ends the requests: watches would never end by themselves
	failed chan error         // of the server
}

// listen serves the API at the listener, which it closes.
func listen(api *web.Handler, at net.Listener, log *slog.Logger) *listening {
	ctx, cancel := context.WithCancel(context.Background())
	l := &listening{
		server: serverOf(api, log),
		api:    api,
		url:    "http://" + at.Addr().String(),
		end:    cancel,
		failed: make(chan error, 1),
	}
	l.server.BaseContext = func(net.Listener) context.Context { return ctx }
	go func() { l.failed <- l.server.Serve(at) }()
	return l
}

// served is a node and the HTTP server before it.
type served struct {
	*listening
	node   *starling.Node
	routes routes
	left   chan struct{} // closed when somebody told the node to leave
}

// serve opens a node and serves it at the listener, which it closes, as it does the stores of the routes.
func serve(opts starling.Options, at net.Listener, to ...route) (*served, error) {
	node, err := starling.Open(opts)
	if err != nil {
		return nil, errors.Join(err, at.Close(), routes(to).close())
	}
	s := &served{node: node, routes: to, left: make(chan struct{})}
	leave := sync.OnceFunc(func() { close(s.left) })
	s.listening = listen(handlerOf(aNode{node, leave}, s.routes, opts), at, loggerOf(opts))
	return s, nil
}

// headLimit bounds the first line and the headers of a request: a key of 1 KiB is at most 3 KiB of path.
const headLimit = 16 << 10

// serverOf is the server of an API. What it bounds stands in docs/http.md.
func serverOf(api http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           api,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    headLimit - 4096, // net/http adds these
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

func loggerOf(opts starling.Options) *slog.Logger {
	return cmp.Or(opts.Logger, slog.New(slog.DiscardHandler))
}

// handlerOf is the HTTP API of a node, opened with the options, and of the stores that hold some of its keys.
func handlerOf(n aNode, to routes, opts starling.Options) *web.Handler {
	log := opts.Logger
	return web.New(web.Config{
		Client: func(c kv.Codec) kv.Client {
			if kind, merges := crdt.KindOf(c); merges {
				return to.over(n.node.Client(kind), c, log)
			}
			return to.over(n.node.Client(crdt.Register(c)), c, log)
		},
		Raw:   to.over(n.node.Raw(), kv.Bytes, log),
		Kinds: opts.Kinds,
		Node:  n,
		Log:   log,
	})
}

// drain asks whoever routes to send nothing more here, and serves on for as long as they may take to hear it.
func (l *listening) drain(delay time.Duration) error {
	l.api.Drain()
	over := time.NewTimer(delay)
	defer over.Stop()
	select {
	case <-over.C:
		return nil
	case err := <-l.failed:
		return l.ended(err)
	}
}

// ended is why the server has ended by itself; stop asks for it again.
func (l *listening) ended(err error) error {
	l.failed <- http.ErrServerClosed
	return err
}

// close leaves the cluster, answers what was asked already, and ends.
func (s *served) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	var left error
	if s.node.Err() == nil { // a node that failed has nobody to leave, and said so already
		left = s.node.Leave(ctx)
	}
	return errors.Join(left, s.stop(), s.node.Close(), s.routes.close())
}

// stop answers what was asked already, and ends the server.
func (l *listening) stop() error {
	l.end()
	shut := l.shut()
	l.api.Close()
	if err := <-l.failed; !errors.Is(err, http.ErrServerClosed) {
		shut = errors.Join(shut, err)
	}
	return shut
}

// shut lets the requests that run end, and then closes what is left: connections on which nothing was ever asked pass for
// busy, and would hold the server up.
func (l *listening) shut() error {
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	err := l.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = l.server.Close()
	}
	return err
}

// failedError is a node of this process that has failed.
type failedError struct {
	node string
	err  error
}

// Error returns the node and the reason.
func (e *failedError) Error() string { return "node " + e.node + ": " + e.err.Error() }

// Unwrap returns the cause.
func (e *failedError) Unwrap() error { return e.err }

// wait returns when the node has failed or the server has ended; without an error, when ctx ends or the node was told to
// leave.
func (s *served) wait(ctx context.Context) error {
	look := time.NewTicker(500 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.left:
			return nil
		case err := <-s.failed:
			return s.ended(err)
		case <-look.C:
			if err := s.node.Err(); err != nil {
				return &failedError{s.node.Name(), err}
			}
		}
	}
}
