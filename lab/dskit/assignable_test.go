package dskit

import (
	"context"
	"time"

	"github.com/grafana/dskit/kv"

	"github.com/starlingkv/starling"
	starlingkv "github.com/starlingkv/starling/kv"
)

// cortexClient is Cortex's kv.Client, written out: its module is not pulled for one interface.
type cortexClient interface {
	List(ctx context.Context, prefix string) ([]string, error)
	Get(ctx context.Context, key string) (interface{}, error)
	Delete(ctx context.Context, key string) error
	CAS(ctx context.Context, key string, f func(in interface{}) (out interface{}, retry bool, err error)) error
	WatchKey(ctx context.Context, key string, f func(interface{}) bool)
	WatchPrefix(ctx context.Context, prefix string, f func(string, interface{}) bool)
	LastUpdateTime(key string) time.Time
}

// The two checks: a client of starling goes where dskit's or Cortex's is wanted.
var (
	_ kv.Client    = (*starling.Client)(nil)
	_ cortexClient = (*starling.Client)(nil)
)

// sameMethods compiles if the six methods are exactly dskit's: each interface is assigned to the other.
func sameMethods(theirs kv.Client, ours starlingkv.Client) (kv.Client, starlingkv.Client) {
	return ours, theirs
}

var _ = sameMethods
