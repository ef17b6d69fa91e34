package stores

import (
	"context"
	"errors"
	"log/slog"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/httpkv"
)

// openHTTP opens the store that a starling server serves: of it the path is a part of the server's address.
func openHTTP(_ context.Context, a *address, log *slog.Logger) (*Store, error) {
	if a.user != "" || a.password != "" || len(a.hosts) != 1 {
		return nil, errors.New("want one host and no user, as http://127.0.0.1:7070")
	}
	base := a.scheme + "://" + a.hosts[0]
	if a.prefix != "" {
		base += "/" + a.prefix
		a.prefix = ""
	}
	c, err := httpkv.New(base, kv.Bytes, httpkv.Logger(log))
	if err != nil {
		return nil, err
	}
	return &Store{Client: func(codec kv.Codec) kv.Client { return c.With(codec) }, Close: c.Close}, nil
}
