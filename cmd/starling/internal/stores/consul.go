package stores

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/consulkv"
)

// openConsul takes the query of TLS, token-file= (the ACL token, which may also stand where a password does), datacenter=
// and stale=true (any server answers reads).
func openConsul(_ context.Context, a *address, log *slog.Logger) (*Store, error) {
	if len(a.hosts) != 1 {
		return nil, errors.New("want one host, that of an agent or a server, as consul://127.0.0.1:8500/app/")
	}
	secure, err := a.tls()
	if err != nil {
		return nil, err
	}
	token, err := a.token()
	if err != nil {
		return nil, err
	}
	stale, err := a.yes("stale")
	if err != nil {
		return nil, err
	}
	opts := []consulkv.Option{
		consulkv.Logger(log), consulkv.TLS(secure), consulkv.Token(token), consulkv.Prefix(a.prefix),
		consulkv.Datacenter(a.text("datacenter")),
	}
	a.prefix = "" // it is the store's own: a token may be good for nothing else
	if stale {
		opts = append(opts, consulkv.Stale())
	}
	scheme := "http://"
	if secure != nil {
		scheme = "https://"
	}
	c, err := consulkv.New(scheme+a.hosts[0], kv.Bytes, opts...)
	if err != nil {
		return nil, err
	}
	return &Store{Client: func(codec kv.Codec) kv.Client { return c.With(codec) }, Close: c.Close}, nil
}

// token is the ACL token of Consul, "" if the URL gives none.
func (a *address) token() (string, error) {
	file := a.text("token-file")
	switch {
	case a.user != "" && a.password == "":
		return "", errors.New("the token stands behind a colon, as in consul://:TOKEN@host:8500/, or in a token-file=")
	case file == "":
		return a.password, nil
	case a.password != "":
		return "", errors.New("a token and a token-file= are one too many")
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("token-file=%s: %w", file, err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return "", fmt.Errorf("token-file=%s: it is empty", file)
	}
	return token, nil
}
