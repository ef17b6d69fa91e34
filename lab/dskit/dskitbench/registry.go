package main

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/grafana/dskit/kv/codec"
	"github.com/grafana/dskit/kv/memberlist"
	"github.com/grafana/dskit/ring"

	"github.com/starlingkv/starling/lab/dskit/bench"
)

// registry is a node that holds a hash ring under one key.
type registry struct {
	*node
	codec codec.Codec
}

// StartRegistry is part of bench.System.
func (system) StartRegistry(name, join string) (bench.Registry, error) {
	c := ring.GetCodec()
	n, err := startWith(name, join, c)
	if err != nil {
		return nil, err
	}
	return &registry{node: n, codec: c}, nil
}

// instance is the i-th instance of dskit's kind.
func instance(i, tokens int, tick int64) ring.InstanceDesc {
	in := bench.MakeInstance(i, tokens, tick)
	return ring.InstanceDesc{
		Id: bench.InstanceID(i), Addr: in.Addr, Timestamp: in.Seen, State: ring.ACTIVE, Tokens: in.Tokens, Zone: in.Zone,
	}
}

func (r *registry) Fill(n, tokens int) error {
	return r.kv.CAS(context.Background(), bench.RegistryKey, r.codec, func(any) (any, bool, error) {
		d := ring.NewDesc()
		for i := range n {
			d.Ingesters[bench.InstanceID(i)] = instance(i, tokens, 1)
		}
		return d, true, nil
	})
}

func (r *registry) desc() *ring.Desc {
	v, err := r.kv.Get(bench.RegistryKey, r.codec)
	if err != nil {
		panic(err)
	}
	return ring.GetOrCreateRingDesc(v)
}

func (r *registry) Len() int { return len(r.desc().Ingesters) }

func (r *registry) Open() bench.Table { return table{r.desc()} }

type table struct{ *ring.Desc }

func (t table) Get(id string) (bench.Instance, bool) {
	in, ok := t.Ingesters[id]
	return bench.Instance{Seen: in.Timestamp, Addr: in.Addr, Zone: in.Zone, Tokens: in.Tokens}, ok
}

func (r *registry) Heartbeat(id string, tick int64) error {
	return r.kv.CAS(context.Background(), bench.RegistryKey, r.codec, func(v any) (any, bool, error) {
		d := ring.GetOrCreateRingDesc(v)
		in, ok := d.Ingesters[id]
		if !ok {
			return nil, false, fmt.Errorf("no instance %s", id)
		}
		in.Timestamp = bench.SeenAt(tick)
		d.Ingesters[id] = in
		return d, true, nil
	})
}

func (r *registry) Watch(ctx context.Context, f func(bench.Table)) {
	r.kv.WatchKey(ctx, bench.RegistryKey, r.codec, func(v any) bool {
		if d, ok := v.(*ring.Desc); ok && d != nil {
			f(table{d})
		}
		return true
	})
}

func (r *registry) WatchOther(ctx context.Context, key string) {
	r.kv.WatchKey(ctx, key, r.codec, func(any) bool { return true })
}

// receiver is a lone node to which the messages of a peer are handed.
type receiver struct {
	*registry
	*counted
	made map[int]ring.InstanceDesc
	due  int64 // how many encodes there are once all is merged
}

// Receiver is part of bench.System.
func (s system) Receiver(n, tokens int) (bench.Receiver, error) {
	c := &counted{Codec: ring.GetCodec(), wake: make(chan struct{})}
	own, err := startWith("node-0", "", c)
	if err != nil {
		return nil, err
	}
	r := &receiver{registry: &registry{node: own, codec: c}, counted: c, made: make(map[int]ring.InstanceDesc, n)}
	for i := range n {
		r.made[i] = instance(i, tokens, 1)
	}
	if err := r.Fill(n, tokens); err != nil {
		_ = r.Close()
		return nil, err
	}
	r.drain()
	r.due = r.merged.Load()
	return r, nil
}

// Packets is part of bench.Receiver. A packet of dskit's is messages side by side,
// each of which is merged by itself.
func (r *receiver) Packets(beats []bench.Beat, per int) []func() {
	r.drain() // a received message is compared with every queued one
	var out []func()
	for some := range slices.Chunk(beats, per) {
		msgs := make([][]byte, len(some))
		for i, b := range some {
			msgs[i] = r.message(b)
		}
		out = append(out, func() {
			for _, m := range msgs {
				r.kv.NotifyMsg(m)
			}
			r.due += int64(len(msgs))
		})
	}
	return out
}

// message is the gossip of one heartbeat: a ring with one instance, whole.
func (r *receiver) message(b bench.Beat) []byte {
	in := r.made[b.Instance]
	in.Timestamp = bench.SeenAt(b.Tick)
	d := ring.NewDesc()
	d.Ingesters[bench.InstanceID(b.Instance)] = in
	value, err := r.counted.Codec.Encode(d)
	if err != nil {
		panic(err)
	}
	pair := memberlist.KeyValuePair{Key: bench.RegistryKey, Value: value, Codec: r.CodecID()}
	msg, err := pair.Marshal()
	if err != nil {
		panic(err)
	}
	return msg
}

// settled is how long nothing may be merged until what is missing counts as lost.
const settled = 300 * time.Millisecond

// Settle is part of bench.Receiver: dskit merges on a goroutine of its own.
func (r *receiver) Settle() {
	for last := r.merged.Load(); !r.counted.await(r.due, settled); {
		now := r.merged.Load()
		if now == last {
			break // the others were dropped
		}
		last = now
	}
	r.due = r.merged.Load()
}

// counted is a codec that counts what it encodes: dskit encodes every change that
// it has merged, once, to pass it on, and gives no other public sign of it.
type counted struct {
	codec.Codec
	merged atomic.Int64
	target atomic.Int64 // tell wake at that many; 0: nobody waits
	wake   chan struct{}
}

func (c *counted) Encode(v any) ([]byte, error) {
	n := c.merged.Add(1)
	if t := c.target.Load(); t > 0 && n >= t && c.target.CompareAndSwap(t, 0) {
		c.wake <- struct{}{}
	}
	return c.Codec.Encode(v)
}

// await reports whether so many were encoded within the limit.
func (c *counted) await(n int64, limit time.Duration) bool {
	c.target.Store(n)
	if c.merged.Load() >= n && c.target.CompareAndSwap(n, 0) {
		return true
	}
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-c.wake:
		return true
	case <-t.C:
		if !c.target.CompareAndSwap(n, 0) {
			<-c.wake // it came just now
		}
		return c.merged.Load() >= n
	}
}
