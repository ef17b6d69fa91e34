package stores

import (
	"context"
	"log/slog"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/etcdkv"
)

// openEtcd takes the query of TLS, origin= (the name that writes go under) and max-request= (bytes, as the servers were
// told by --max-request-bytes), and patience= (how long a call without a deadline looks for a member that answers).
func openEtcd(_ context.Context, a *address, log *slog.Logger) (*Store, error) {
	secure, err := a.tls()
	if err != nil {
		return nil, err
	}
	opts := []etcdkv.Option{etcdkv.Logger(log), etcdkv.TLS(secure), etcdkv.Auth(a.user, a.password)}
	if origin := a.text("origin"); origin != "" {
		opts = append(opts, etcdkv.Origin(origin))
	}
	most, err := a.number("max-request", 0)
	if err != nil {
		return nil, err
	}
	if most != 0 {
		opts = append(opts, etcdkv.MaxRequest(most))
	}
	patience, err := a.duration("patience", 0)
	if err != nil {
		return nil, err
	}
	if patience != 0 {
		opts = append(opts, etcdkv.Patience(patience))
	}
	c, err := etcdkv.New(a.hosts, kv.Bytes, opts...)
	if err != nil {
		return nil, err
	}
	return &Store{Client: func(codec kv.Codec) kv.Client { return c.With(codec) }, Close: c.Close}, nil
}
