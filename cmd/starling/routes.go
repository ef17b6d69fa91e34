package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/starlingkv/starling/cmd/starling/internal/stores"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/routekv"
)

// routeList is --route: prefix=URL, several with blanks between them. A blank in a prefix is written %20, a % is %25.
type routeList []string

// Set is part of pflag.Value: it adds to what there is.
func (l *routeList) Set(text string) error {
	for _, one := range strings.Fields(text) {
		if _, _, err := cutRoute(one); err != nil {
			return err
		}
		*l = append(*l, one)
	}
	return nil
}

// String is part of pflag.Value.
func (l *routeList) String() string { return strings.Join(*l, " ") }

// Type is part of pflag.Value.
func (l *routeList) Type() string { return "prefix=URL" }

// cutRoute returns the prefix of a route and the URL of its store.
func cutRoute(text string) (prefix, store string, err error) {
	head, _, _ := strings.Cut(text, "://") // a prefix may have an = too, a scheme has none
	at := strings.LastIndexByte(head, '=')
	if at <= 0 {
		return "", "", fmt.Errorf("the route %q wants a prefix and a store, as leader/=etcd://127.0.0.1:2379", text)
	}
	prefix, err = url.PathUnescape(text[:at])
	if err == nil {
		err = kv.CheckKey(prefix) // or no key begins with it
	}
	if err != nil {
		return "", "", fmt.Errorf("the prefix of the route %q: %w", text[:at], err)
	}
	return prefix, text[at+1:], stores.Check(text[at+1:])
}

// checkStores says what is wrong with --store and --route.
func (s *settings) checkStores() error {
	var errs []error
	if s.Store != "" {
		errs = append(errs, stores.Check(s.Store))
		if len(s.Node.Seeds) > 0 {
			errs = append(errs, errors.New("--store serves what others keep and has no gossip: leave out --seed, or --store"))
		}
	}
	seen := make(map[string]bool)
	for _, text := range s.Routes {
		prefix, _, err := cutRoute(text)
		if err == nil && seen[prefix] {
			err = fmt.Errorf("two routes have the prefix %q: keep one", prefix)
		}
		seen[prefix] = true
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// route sends the keys with a prefix to a store.
type route struct {
	prefix string
	store  *stores.Store
}

type routes []route

func openRoutes(ctx context.Context, list routeList, log *slog.Logger) (routes, error) {
	var opened routes
	for _, text := range list {
		prefix, url, err := cutRoute(text)
		var s *stores.Store
		if err == nil {
			s, err = stores.Open(ctx, url, log)
		}
		if err != nil {
			return nil, errors.Join(err, opened.close())
		}
		opened = append(opened, route{prefix, s})
	}
	return opened, nil
}

// over returns a client that sends the keys of the routes to their stores, and the others to rest.
func (r routes) over(rest kv.Client, codec kv.Codec, log *slog.Logger) kv.Client {
	if len(r) == 0 {
		return rest
	}
	var to []routekv.Route
	for _, one := range r {
		to = append(to, routekv.Route{Prefix: one.prefix, Client: one.store.Client(codec)})
	}
	c, err := routekv.New(rest, log, to...)
	if err != nil {
		panic("starling: a store that is no full client: " + err.Error()) // the prefixes were checked by checkStores
	}
	return c
}

func (r routes) close() error {
	var errs []error
	for _, one := range r {
		errs = append(errs, one.store.Close())
	}
	return errors.Join(errs...)
}
