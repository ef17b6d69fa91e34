package main

import (
	"cmp"
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/starlingkv/starling/cmd/starling/internal/stores"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/web"
)

// front is the HTTP API before a store that others keep: a server without a node of its own.
type front struct {
	*listening
	*stores.Store
	routes routes
	name   string
	since  time.Time
}

// serveStore serves the store of the settings at the listener, which it closes, as it does the stores.
func serveStore(ctx context.Context, of *settings, at net.Listener, to routes) (*front, error) {
	log := loggerOf(of.Node)
	s, err := stores.Open(ctx, of.Store, log)
	if err != nil {
		return nil, errors.Join(err, at.Close(), to.close())
	}
	host, _ := os.Hostname() // without one the server has no name but what it is told
	f := &front{Store: s, routes: to, name: cmp.Or(of.Node.Name, host, "starling"), since: time.Now()}
	f.listening = listen(web.New(web.Config{
		Client: func(c kv.Codec) kv.Client { return to.over(s.Client(c), c, log) },
		Node:   frontNode{f},
		Log:    log,
	}), at, log)
	return f, nil
}

func (f *front) running() running {
	return running{Node: f.name, HTTP: f.url, Store: f.Store.Name}
}

// wait returns when the server has ended, or without an error when ctx ends.
func (f *front) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-f.failed:
		return f.ended(err)
	}
}

func (f *front) close() error {
	return errors.Join(f.stop(), f.Store.Close(), f.routes.close())
}

// frontNode is such a server as the API wants a node: a member of nothing, which agrees with itself.
type frontNode struct{ f *front }

// Name is part of web.Node.
func (n frontNode) Name() string { return n.f.name }

// Ready is part of web.Node. Whether the store answers is a check of its own of the API.
func (n frontNode) Ready() bool { return true }

// Members is part of web.Node.
func (n frontNode) Members(context.Context) ([]web.Member, error) {
	return []web.Member{{Name: n.f.name, State: "alive", Since: n.f.since.UTC(), Self: true, Native: true}}, nil
}

// Status is part of web.Node. It counts the keys by listing them.
func (n frontNode) Status(ctx context.Context) (web.Status, error) {
	keys, err := n.f.Client(kv.Bytes).List(ctx, "")
	return web.Status{
		Node: n.f.name, Backend: n.f.Scheme, State: "running", Ready: true,
		UptimeSeconds: time.Since(n.f.since).Seconds(), Keys: len(keys),
		Agreement: web.Agreement{Members: 1, Agree: 1},
	}, err
}
