package stores

import (
	"context"
	"errors"
	"log/slog"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

func openMem(_ context.Context, a *address, log *slog.Logger) (*Store, error) {
	if len(a.hosts) > 0 || a.user != "" {
		return nil, errors.New("it is in this process: want mem://")
	}
	c := memkv.New(kv.Bytes, memkv.Logger(log))
	return &Store{Client: func(codec kv.Codec) kv.Client { return c.With(codec) }, Close: c.Close}, nil
}
