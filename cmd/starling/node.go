package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/web"
)

// leaveWithin bounds how long a node takes to say goodbye.
const leaveWithin = 5 * time.Second

// served is a node and the HTTP server before it.
type served struct {
	node   *starling.Node
	server *http.Server
	url    string
	end    context.CancelFunc // ends the requests: watches would never end by themselves
	failed chan error         // of the server
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
	}
	s.server = &http.Server{
		Handler:           handlerOf(node, opts.Logger),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10, // a key of 1 KiB is at most 3 KiB of path
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(loggerOf(opts).Handler(), slog.LevelDebug),
	}
	go func() { s.failed <- s.server.Serve(at) }()
	return s, nil
}

func loggerOf(opts starling.Options) *slog.Logger {
	return cmp.Or(opts.Logger, slog.New(slog.DiscardHandler))
}

// handlerOf is the HTTP API of a node.
func handlerOf(node *starling.Node, log *slog.Logger) http.Handler {
	return web.New(web.Config{
		Client: func(c kv.Codec) kv.Client { return node.Client(crdt.Register(c)) },
		Node:   aNode{node},
		Log:    log,
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
	shut := s.server.Shutdown(ctx)
	closed := s.node.Close()
	if err := <-s.failed; !errors.Is(err, http.ErrServerClosed) {
		shut = errors.Join(shut, err)
	}
	return errors.Join(left, shut, closed)
}

// wait returns when the node has failed, the server has ended, or ctx ends, which is no error.
func (s *served) wait(ctx context.Context) error {
	look := time.NewTicker(500 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
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

// aNode is a node as the HTTP API wants it.
type aNode struct{ node *starling.Node }

// Name is part of web.Node.
func (n aNode) Name() string { return n.node.Name() }

// Ready is part of web.Node.
func (n aNode) Ready() bool { return n.node.State() == starling.Running }

// Members is part of web.Node.
func (n aNode) Members(context.Context) ([]web.Member, error) {
	var members []web.Member
	for _, m := range n.node.Members() {
		members = append(members, web.Member{
			Name: m.Name, Addr: m.Addr, State: m.State, Since: m.Since.UTC(), Self: m.Self, Native: m.Native, Origin: m.Origin,
		})
	}
	return members, nil
}

// Status is part of web.Node.
func (n aNode) Status(ctx context.Context) (web.Status, error) {
	agreement := n.agreement(ctx)
	stats := n.node.Stats()
	s := web.Status{
		Node: n.node.Name(), Cluster: n.node.Cluster(), Backend: "gossip",
		State: n.node.State().String(), Ready: n.Ready(),
		UptimeSeconds: stats.Uptime.Seconds(),
		Keys:          int(stats.Keys), Tombstones: int(stats.Cells - stats.Keys),
		Agreement: agreement,
	}
	for _, f := range stats.Foreign {
		s.Foreign = append(s.Foreign, web.Foreign{Cluster: f.Cluster, Addr: f.Addr, Count: f.Count, Last: f.Last.UTC()})
	}
	return s, nil
}

// agreement counts who agrees. A node always agrees with itself.
func (n aNode) agreement(ctx context.Context) web.Agreement {
	a := web.Agreement{Members: 1, Agree: 1}
	for _, other := range n.node.Agreement(ctx) {
		a.Members++
		if !other.AsOf.IsZero() && (a.AsOf.IsZero() || other.AsOf.Before(a.AsOf)) {
			a.AsOf = other.AsOf.UTC()
		}
		if other.Agrees {
			a.Agree++
			continue
		}
		d := web.Difference{Member: other.Member, Keys: other.Keys, Since: other.Since.UTC()}
		if other.AsOf.IsZero() {
			d.Reason = "was not compared yet"
		} else {
			d.Reason = fmt.Sprintf("differs in %d places", other.Differing)
		}
		a.Differ = append(a.Differ, d)
	}
	return a
}
