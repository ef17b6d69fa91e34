// Package ours is starling under the benchmark: nodes as starling.Open makes them,
// with the default options, on loopback; values are registers of bytes.
package ours

import (
	"context"
	"fmt"
	"time"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/lab/dskit/bench"
)

// System is starling.
type System struct{}

// Name is part of bench.System.
func (System) Name() string { return "starling" }

// Start is part of bench.System. The node is running when it returns.
func (System) Start(name, join string) (bench.Node, error) {
	opts := starling.Options{Name: name, Cluster: "bench"}
	if join != "" {
		opts.Seeds = []string{join}
	}
	n, err := starling.Open(opts)
	if err != nil {
		return nil, err
	}
	return &node{node: n, client: n.Client(crdt.Register(kv.Bytes))}, nil
}

// node is one node with one client.
type node struct {
	node   *starling.Node
	client *starling.Client
}

func (n *node) Addr() string { return n.node.Addr() }

func (n *node) Members() int {
	alive := 0
	for _, m := range n.node.Members() {
		if m.State == "alive" {
			alive++
		}
	}
	return alive
}

func (n *node) Keys() int { return int(n.node.Stats().Keys) }

func (n *node) Get(key string) []byte {
	v, err := n.client.Get(context.Background(), key)
	if err != nil {
		panic(err)
	}
	b, _ := v.([]byte)
	return b
}

func (n *node) CAS(key string, f func(in []byte) []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return n.client.CAS(ctx, key, func(in any) (any, bool, error) {
		b, _ := in.([]byte)
		return f(b), true, nil
	})
}

func (n *node) List(prefix string) []string {
	keys, err := n.client.List(context.Background(), prefix)
	if err != nil {
		panic(err)
	}
	return keys
}

func (n *node) Load(keys []string, generation int) error {
	for _, k := range keys {
		if _, err := n.client.Put(context.Background(), k, bench.Value(k, generation)); err != nil {
			return fmt.Errorf("load %s: %w", k, err)
		}
	}
	return nil
}

func (n *node) WatchKey(ctx context.Context, key string, f func([]byte) bool) {
	n.client.WatchKey(ctx, key, func(v any) bool {
		b, _ := v.([]byte)
		return f(b)
	})
}

func (n *node) WatchPrefix(ctx context.Context, prefix string, f func(string, []byte) bool) {
	n.client.WatchPrefix(ctx, prefix, func(key string, v any) bool {
		b, _ := v.([]byte)
		return f(key, b)
	})
}

func (n *node) Traffic() bench.Traffic {
	s := n.node.Stats().Sent
	return bench.Traffic{Packets: float64(s.Packets), Bytes: float64(s.PacketBytes), All: float64(s.PacketBytes + s.StreamBytes)}
}

func (n *node) Close() error { return n.node.Close() }
