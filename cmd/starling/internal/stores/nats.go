package stores

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/natskv"
)

// openNATS takes the query of TLS, bucket= (starling by default), replicas= (of a bucket that is not there yet), creds= (a
// file of credentials), token= and origin= (the name that writes go under).
func openNATS(_ context.Context, a *address, log *slog.Logger) (*Store, error) {
	secure, err := a.tls()
	if err != nil {
		return nil, err
	}
	replicas, err := a.number("replicas", 1)
	if err != nil {
		return nil, err
	}
	if len(a.hosts) == 0 {
		return nil, errors.New("no host, as in nats://127.0.0.1:4222")
	}
	opts := []natskv.Option{natskv.Replicas(replicas), natskv.Origin(a.text("origin")), natskv.Logger(log)}
	if bucket := a.text("bucket"); bucket != "" {
		opts = append(opts, natskv.Bucket(bucket))
	}
	if secure != nil {
		opts = append(opts, natskv.Connect(nats.Secure(secure)))
	}
	if creds := a.text("creds"); creds != "" {
		opts = append(opts, natskv.Connect(nats.UserCredentials(creds)))
	}
	if token := a.text("token"); token != "" {
		opts = append(opts, natskv.Connect(nats.Token(token)))
	}
	if a.user != "" {
		opts = append(opts, natskv.Connect(nats.UserInfo(a.user, a.password)))
	}
	c, err := natskv.New("nats://"+strings.Join(a.hosts, ",nats://"), kv.Bytes, opts...)
	if err != nil {
		return nil, err
	}
	return &Store{Client: func(codec kv.Codec) kv.Client { return c.With(codec) }, Close: c.Close}, nil
}
