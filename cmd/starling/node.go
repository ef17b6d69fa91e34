package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

// served is a node and the HTTP server before it.
type served struct {
	node   *starling.Node
	server *http.Server
	api    *web.Handler
	url    string
	end    context.CancelFunc // ends the requests: watches would never end by themselves
	failed chan error         // of the server
	left   chan struct{}      // closed when somebody told the node to leave
}

// serve opens a node and serves it at the listener, which it closes.
func serve(opts starling.Options, at net.Listener) (*served, error) {
	node, err := starling.Open(opts)
	if err != nil {
		return nil, errors.Join(err, at.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &served{
		node:   node,
		url:    "http://" + at.Addr().String(),
		end:    cancel,
		failed: make(chan error, 1),
		left:   make(chan struct{}),
	}
	leave := sync.OnceFunc(func() { close(s.left) })
	s.api = handlerOf(aNode{node, leave}, opts.Logger)
	s.server = serverOf(s.api, loggerOf(opts))
	s.server.BaseContext = func(net.Listener) context.Context { return ctx }
	go func() { s.failed <- s.server.Serve(at) }()
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

// handlerOf is the HTTP API of a node.
func handlerOf(n aNode, log *slog.Logger) *web.Handler {
	return web.New(web.Config{
		Client: func(c kv.Codec) kv.Client {
			if kind, merges := crdt.KindOf(c); merges {
				return n.node.Client(kind)
			}
			return n.node.Client(crdt.Register(c))
		},
		Raw:  n.node.Raw(),
		Node: n,
		Log:  log,
	})
}

// close leaves the cluster, answers what was asked already, and ends.
func (s *served) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	var left error
	if s.node.Err() == nil { // a node that failed has nobody to leave, and said so already
		left = s.node.Leave(ctx)
	}
	s.end()
	shut := s.shut()
	s.api.Close()
	closed := s.node.Close()
	if err := <-s.failed; !errors.Is(err, http.ErrServerClosed) {
		shut = errors.Join(shut, err)
	}
	return errors.Join(left, shut, closed)
}

// shut lets the requests that run end, and then closes what is left: connections on which nothing was ever asked pass for
// busy, and would hold the server up.
func (s *served) shut() error {
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.server.Close()
	}
	return err
}

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
			s.failed <- http.ErrServerClosed // for close
			return err
		case <-look.C:
			if err := s.node.Err(); err != nil {
				return fmt.Errorf("node %s: %w", s.node.Name(), err)
			}
		}
	}
}
