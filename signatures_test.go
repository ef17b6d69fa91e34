package starling_test

import (
	"context"
	"time"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/consulkv"
	"github.com/starlingkv/starling/kv/httpkv"
	"github.com/starlingkv/starling/kv/memkv"
)

// dskitClient is the interface of the key-value clients in dskit, written out: Go's interfaces are structural, so
// whatever satisfies it can be handed to code that was written against theirs.
type dskitClient interface {
	List(ctx context.Context, prefix string) ([]string, error)
	Get(ctx context.Context, key string) (interface{}, error)
	Delete(ctx context.Context, key string) error
	CAS(ctx context.Context, key string, f func(in interface{}) (out interface{}, retry bool, err error)) error
	WatchKey(ctx context.Context, key string, f func(interface{}) bool)
	WatchPrefix(ctx context.Context, prefix string, f func(string, interface{}) bool)
}

// cortexClient is Cortex's, which has a seventh method.
type cortexClient interface {
	dskitClient
	LastUpdateTime(key string) time.Time
}

// signatures compiles if the six methods are exactly those: each interface is assigned to the other.
func signatures(ours kv.Client, theirs dskitClient) (dskitClient, kv.Client) { return ours, theirs }

var (
	_ = signatures

	_ cortexClient = (*memkv.Client)(nil)
	_ cortexClient = (*httpkv.Client)(nil)
	_ cortexClient = (*consulkv.Client)(nil)
	_ cortexClient = (*starling.Client)(nil)
)
