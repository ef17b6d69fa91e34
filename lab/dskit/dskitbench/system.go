package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/go-kit/log"
	"github.com/grafana/dskit/flagext"
	"github.com/grafana/dskit/kv/codec"
	"github.com/grafana/dskit/kv/memberlist"
	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/starlingkv/starling/lab/dskit/bench"
)

// system is dskit's memberlist KV.
type system struct{}

var compression = os.Getenv("DSKIT_COMPRESSION")

func (system) Name() string {
	if compression != "" {
		return "dskit+" + compression
	}
	return "dskit"
}

func (system) Start(name, join string) (bench.Node, error) { return start(name, join) }

func start(name, join string) (*node, error) { return startWith(name, join, registerCodec{}) }

func startWith(name, join string, c codec.Codec) (*node, error) {
	n := &node{reg: prometheus.NewRegistry()}
	n.kv = memberlist.NewKV(config(name, join, c), log.NewNopLogger(), noDNS{}, n.reg)
	if err := services.StartAndAwaitRunning(context.Background(), n.kv); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return n, nil
}

// config is the default one, but for names, addresses and how long it takes to
// stop, which is not measured.
func config(name, join string, c codec.Codec) memberlist.KVConfig {
	var cfg memberlist.KVConfig
	flagext.DefaultValues(&cfg)
	cfg.NodeName = name
	cfg.RandomizeNodeName = false
	cfg.TCPTransport.BindAddrs = flagext.StringSlice{"127.0.0.1"}
	cfg.TCPTransport.BindPort = 0
	if join != "" {
		cfg.JoinMembers = flagext.StringSliceCSVMulti{join}
	}
	switch compression {
	case "":
	case "off":
		cfg.EnableCompression = false
	default:
		cfg.CompressionAlgorithm = compression
	}
	cfg.Codecs = []codec.Codec{c}
	cfg.BroadcastTimeoutForLocalUpdatesOnShutdown = time.Millisecond
	cfg.LeaveTimeout = time.Millisecond
	return cfg
}

// noDNS is there because dskit wants one; nodes join by address.
type noDNS struct{}

func (noDNS) Resolve(context.Context, []string) error { return nil }
func (noDNS) Addresses() []string                     { return nil }

// node is one KV.
type node struct {
	kv  *memberlist.KV
	reg *prometheus.Registry
}

func (n *node) Addr() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(n.kv.GetListeningPort()))
}

func (n *node) Members() int { return int(n.metric("memberlist_client_cluster_members_count")) }
func (n *node) Keys() int    { return int(n.metric("memberlist_client_kv_store_count")) }

func (n *node) Get(key string) []byte {
	v, err := n.kv.Get(key, registerCodec{})
	if err != nil {
		panic(err)
	}
	return bytesOf(v)
}

func bytesOf(v any) []byte {
	if r, ok := v.(*register); ok && r != nil {
		return r.value
	}
	return nil
}

func (n *node) CAS(key string, f func(in []byte) []byte) error {
	return n.kv.CAS(context.Background(), key, registerCodec{}, func(in any) (any, bool, error) {
		next := &register{value: f(bytesOf(in)), tick: 1}
		if r, ok := in.(*register); ok && r != nil {
			next.tick = r.tick + 1
		}
		return next, true, nil
	})
}

func (n *node) List(prefix string) []string { return n.kv.List(prefix) }

// loadStep keeps the queue of broadcasts short while keys are loaded: a received
// message is compared with every queued one.
const loadStep = 200

// Load hands the keys over as a full sync of a peer does: keys that arrive by
// gossip keep a goroutine and a queue each.
func (n *node) Load(keys []string, generation int) error {
	for len(keys) > 0 {
		some := keys[:min(loadStep, len(keys))]
		keys = keys[len(some):]
		var state []byte
		for _, k := range some {
			value, err := registerCodec{}.Encode(&register{value: bench.Value(k, generation), tick: uint64(generation)})
			if err != nil {
				return err
			}
			pair := memberlist.KeyValuePair{Key: k, Value: value, Codec: registerCodec{}.CodecID()}
			b, err := pair.Marshal()
			if err != nil {
				return err
			}
			state = append(binary.BigEndian.AppendUint32(state, uint32(len(b))), b...)
		}
		n.kv.MergeRemoteState(state, false)
		n.drain()
	}
	return nil
}

// drain throws away what gossip would send, as there is no peer to send it to.
func (n *node) drain() {
	const overhead, limit = 2, 1 << 40
	for len(n.kv.GetBroadcasts(overhead, limit)) > 0 {
	}
}

func (n *node) WatchKey(ctx context.Context, key string, f func([]byte) bool) {
	n.kv.WatchKey(ctx, key, registerCodec{}, func(v any) bool { return f(bytesOf(v)) })
}

func (n *node) WatchPrefix(ctx context.Context, prefix string, f func(string, []byte) bool) {
	n.kv.WatchPrefix(ctx, prefix, registerCodec{}, func(key string, v any) bool { return f(key, bytesOf(v)) })
}

func (n *node) Traffic() bench.Traffic {
	return bench.Traffic{
		Packets: n.metric("memberlist_tcp_transport_packets_sent_total"),
		Bytes:   n.metric("memberlist_tcp_transport_packets_sent_bytes_total"),
		All:     n.metric("memberlist_tcp_transport_sent_bytes_total"),
	}
}

// metric is a counter or gauge, summed over its labels.
func (n *node) metric(name string) (sum float64) {
	families, err := n.reg.Gather()
	if err != nil {
		panic(err)
	}
	found := false
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		found = true
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	if !found {
		panic("no metric " + name) // a renamed one must not pass for zero
	}
	return sum
}

func (n *node) Close() error {
	return services.StopAndAwaitTerminated(context.Background(), n.kv)
}
