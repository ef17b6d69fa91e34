// Package stores opens a store by its URL: what --store and --route of the server are told, and where a copy comes from and
// goes to.
//
//	etcd://[user:password@]host:2379[,host:2379]/prefix?patience=10s&tls=true&ca=FILE&cert=FILE&key=FILE
//	consul://[:token@]host:8500/prefix?stale=true&token-file=FILE&tls=true&ca=FILE&cert=FILE&key=FILE
//	nats://[user:password@]host:4222[,host:4222]/prefix?bucket=NAME&replicas=3&creds=FILE&tls=true&ca=FILE&cert=FILE&key=FILE
//	http://host:7070, https://host:7070    a starling server, and whatever it serves
//	mem://                                 a map that lives as long as the process
//
// What stands behind the slash is a prefix, taken as it is: the keys of etcd://h:2379/app/ are those that begin with
// "app/", seen without it. One file per scheme; a new one gets a line in the table below.
package stores

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/starlingkv/starling/kv"
)

// Store is an opened store.
type Store struct {
	// Scheme is that of its URL.
	Scheme string
	// Name is its URL without password and query.
	Name string
	// Client returns a client for values of the codec.
	Client func(codec kv.Codec) kv.Client
	// Close ends the store and its clients.
	Close func() error
}

// opener opens the store of an address. It leaves the prefix to Open.
type opener func(ctx context.Context, a *address, log *slog.Logger) (*Store, error)

var openers = map[string]opener{
	"consul": openConsul,
	"etcd":   openEtcd,
	"http":   openHTTP,
	"https":  openHTTP,
	"mem":    openMem,
	"nats":   openNATS,
}

// Open opens the store of a URL. A store that is away is no error: its clients say so when they are used. Close it.
func Open(ctx context.Context, url string, log *slog.Logger) (*Store, error) {
	a, err := known(url)
	if err != nil {
		return nil, err
	}
	s, err := openers[a.scheme](ctx, a, log)
	if err == nil {
		if err = a.unread(); err != nil {
			_ = s.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("store %q: %w", a, err)
	}
	s.Scheme, s.Name = a.scheme, a.String()
	if a.prefix != "" {
		whole := s.Client
		s.Client = func(codec kv.Codec) kv.Client { return kv.Prefix(whole(codec), a.prefix) }
	}
	return s, nil
}

// Check says what can be told to be wrong with a URL without opening the store.
func Check(url string) error {
	_, err := known(url)
	return err
}

// known parses a URL of a scheme that is known.
func known(url string) (*address, error) {
	a, err := parse(url)
	if err != nil {
		return nil, err
	}
	if openers[a.scheme] == nil {
		return nil, fmt.Errorf("store %q: there is no scheme %q, but %s", a, a.scheme, strings.Join(Schemes(), ", "))
	}
	return a, nil
}

// Schemes are the schemes that Open knows.
func Schemes() []string { return slices.Sorted(maps.Keys(openers)) }
