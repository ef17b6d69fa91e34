package httpkv

import (
	"context"
	"net/url"

	"github.com/starlingkv/starling/kv"
)

// field is a server of which one field of each value is seen.
type field struct {
	*server
	name string
}

func (f field) query() url.Values { return url.Values{"field": {f.name}} }

// Load is part of kv.Backend.
func (f field) Load(ctx context.Context, key string) (kv.Entry, error) {
	return f.load(ctx, key, f.query())
}

// Store is part of kv.Backend.
func (f field) Store(ctx context.Context, e kv.Entry, w kv.Write) (version string, err error) {
	return f.store(ctx, e, w, f.query())
}

// Drop is part of kv.Backend.
func (f field) Drop(ctx context.Context, key string, w kv.Write) error {
	return f.drop(ctx, key, w, f.query())
}
