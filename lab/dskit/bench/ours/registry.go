package ours

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/lab/dskit/bench"
)

// instances is the codec of one row: its heartbeat is the hot part, all else the
// cold one.
type instances struct{}

var _ crdt.HotParted[bench.Instance] = instances{}

var errRow = errors.New("not an instance")

func (instances) CodecID() string { return "bench.instance" }

func (c instances) Encode(v any) ([]byte, error) {
	in, ok := v.(bench.Instance)
	if !ok {
		return nil, errRow
	}
	parts, err := c.Parts(in)
	return append(parts[0], parts[1]...), err
}

func (c instances) Decode(b []byte) (any, error) {
	if len(b) < 8 {
		return nil, errRow
	}
	return c.Join([][]byte{b[:8], b[8:]})
}

// Parts is part of crdt.Parted.
func (c instances) Parts(in bench.Instance) ([][]byte, error) {
	cold := make([]byte, 0, len(in.Addr)+len(in.Zone)+2+4*len(in.Tokens))
	cold = append(append(append(append(cold, in.Addr...), '\n'), in.Zone...), '\n')
	for _, t := range in.Tokens {
		cold = binary.BigEndian.AppendUint32(cold, t)
	}
	hot, err := c.Hot(in)
	return [][]byte{hot, cold}, err
}

// Join is part of crdt.Parted. An instance whose cold part has not come has only
// its heartbeat.
func (c instances) Join(parts [][]byte) (in bench.Instance, err error) {
	if parts[1] == nil {
		return c.WithHot(in, parts[0])
	}
	addr, rest, ok := bytes.Cut(parts[1], []byte{'\n'})
	zone, toks, ok2 := bytes.Cut(rest, []byte{'\n'})
	if !ok || !ok2 || len(toks)%4 != 0 {
		return in, errRow
	}
	in.Addr, in.Zone, in.Tokens = string(addr), string(zone), make([]uint32, len(toks)/4)
	for i := range in.Tokens {
		in.Tokens[i] = binary.BigEndian.Uint32(toks[4*i:])
	}
	return c.WithHot(in, parts[0])
}

// Hot is part of crdt.HotParted.
func (instances) Hot(in bench.Instance) ([]byte, error) {
	return binary.BigEndian.AppendUint64(nil, uint64(in.Seen)), nil
}

// SameCold is part of crdt.HotParted.
func (instances) SameCold(a, b bench.Instance) bool {
	return a.Addr == b.Addr && a.Zone == b.Zone && slices.Equal(a.Tokens, b.Tokens)
}

// WithHot is part of crdt.HotParted.
func (instances) WithHot(in bench.Instance, hot []byte) (bench.Instance, error) {
	if len(hot) != 8 {
		return in, errRow
	}
	in.Seen = int64(binary.BigEndian.Uint64(hot))
	return in, nil
}

type table = crdt.Map[bench.Instance]

// registry is a node with a table.
type registry struct {
	*node
	rows crdt.Typed[table]
}

// StartRegistry is part of bench.System.
func (s System) StartRegistry(name, join string) (bench.Registry, error) {
	n, err := s.Start(name, join)
	if err != nil {
		return nil, err
	}
	own := n.(*node)
	own.client = own.node.Client(crdt.MapOf[bench.Instance](instances{}))
	return &registry{node: own, rows: crdt.Typed[table]{Client: own.client}}, nil
}

func (r *registry) Fill(n, tokens int) error {
	return r.rows.Update(context.Background(), bench.RegistryKey, func(m *table) error {
		for i := range n {
			m.Set(bench.InstanceID(i), bench.MakeInstance(i, tokens, 1))
		}
		return nil
	})
}

func (r *registry) table() *table {
	m, _, err := r.rows.Get(context.Background(), bench.RegistryKey)
	if err != nil {
		panic(err)
	}
	if m == nil {
		m = new(table)
	}
	return m
}

func (r *registry) Len() int { return r.table().Len() }

func (r *registry) Open() bench.Table { return r.table() }

func (r *registry) Heartbeat(id string, tick int64) error {
	return r.rows.Update(context.Background(), bench.RegistryKey, func(m *table) error {
		in, ok := m.Get(id)
		if !ok {
			return fmt.Errorf("no instance %s", id)
		}
		in.Seen = bench.SeenAt(tick)
		m.Set(id, in)
		return nil
	})
}

func (r *registry) Watch(ctx context.Context, f func(bench.Table)) {
	r.client.WatchKey(ctx, bench.RegistryKey, func(v any) bool {
		if m, ok := v.(*table); ok {
			f(m)
		}
		return true
	})
}

func (r *registry) WatchOther(ctx context.Context, key string) {
	r.client.WatchKey(ctx, key, func(any) bool { return true })
}
