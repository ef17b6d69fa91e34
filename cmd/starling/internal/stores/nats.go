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
	o := natskv.Options{Bucket: a.text("bucket"), Origin: a.text("origin"), Log: log}
	if o.Replicas, err = a.number("replicas", 1); err != nil {
		return nil, err
	}
	if o.Bucket == "" {
		o.Bucket = "starling"
	}
	if len(a.hosts) == 0 {
		return nil, errors.New("no host, as in nats://127.0.0.1:4222")
	}
	if secure != nil {
		o.Connect = append(o.Connect, nats.Secure(secure))
	}
	if creds := a.text("creds"); creds != "" {
		o.Connect = append(o.Connect, nats.UserCredentials(creds))
	}
	if token := a.text("token"); token != "" {
		o.Connect = append(o.Connect, nats.Token(token))
	}
	if a.user != "" {
		o.Connect = append(o.Connect, nats.UserInfo(a.user, a.password))
	}
	c, err := natskv.New("nats://"+strings.Join(a.hosts, ",nats://"), kv.Bytes, o)
	if err != nil {
		return nil, err
	}
	return &Store{Client: func(codec kv.Codec) kv.Client { return c.With(codec) }, Close: c.Close}, nil
}
