package starling_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

// instance is one entry of a registry: a heartbeat that changes all the time,
// tokens that do not.
type instance struct {
	Beat   int64
	State  byte
	Tokens []uint32
}

// instances splits it so.
type instances struct{ kv.Codec }

func (c instances) Parts(v instance) ([][]byte, error) {
	hot, err := c.Hot(v)
	cold := make([]byte, 0, 4*len(v.Tokens))
	for _, t := range v.Tokens {
		cold = binary.BigEndian.AppendUint32(cold, t)
	}
	return [][]byte{hot, cold}, err
}

func (c instances) Join(parts [][]byte) (v instance, err error) {
	if len(parts[1])%4 != 0 {
		return v, fmt.Errorf("tokens of %d bytes", len(parts[1]))
	}
	v.Tokens = make([]uint32, 0, len(parts[1])/4)
	for b := parts[1]; len(b) > 0; b = b[4:] {
		v.Tokens = append(v.Tokens, binary.BigEndian.Uint32(b))
	}
	return c.WithHot(v, parts[0])
}

func (instances) Hot(v instance) ([]byte, error) {
	return append(binary.AppendVarint(make([]byte, 0, 8), v.Beat), v.State), nil
}

func (instances) SameCold(a, b instance) bool { return slices.Equal(a.Tokens, b.Tokens) }

func (instances) WithHot(v instance, hot []byte) (instance, error) {
	beat, n := binary.Varint(hot)
	if n <= 0 || n+1 != len(hot) {
		return v, fmt.Errorf("a heartbeat of %d bytes", len(hot))
	}
	v.Beat, v.State = beat, hot[n]
	return v, nil
}

var registry = crdt.MapOf[instance](instances{kv.JSON[instance]("instance")})

// registryOf is a node with a registry of some size at the key "ring".
func registryOf(b testing.TB, size int) crdt.Typed[crdt.Map[instance]] {
	b.Helper()
	c := crdt.Typed[crdt.Map[instance]]{Client: open(b, starling.Options{Name: "a"}).Client(registry)}
	tokens := make([]uint32, 512)
	err := c.Update(b.Context(), "ring", func(m *crdt.Map[instance]) error {
		for i := range size {
			m.Set(fmt.Sprintf("instance-%06d", i), instance{Beat: 1, Tokens: tokens})
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func beat(b testing.TB, c crdt.Typed[crdt.Map[instance]], at int64) {
	b.Helper()
	err := c.Update(b.Context(), "ring", func(m *crdt.Map[instance]) error {
		v, _ := m.Get("instance-000007")
		v.Beat = at
		m.Set("instance-000007", v)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func forSizes(b *testing.B, run func(*testing.B, crdt.Typed[crdt.Map[instance]])) {
	for _, size := range []int{10, 5_000, 20_000} {
		b.Run(fmt.Sprintf("fields=%d", size), func(b *testing.B) {
			c := registryOf(b, size)
			b.ReportAllocs()
			run(b, c)
		})
	}
}

func BenchmarkMapGet(b *testing.B) {
	forSizes(b, func(b *testing.B, c crdt.Typed[crdt.Map[instance]]) {
		ctx := b.Context()
		for b.Loop() {
			if v, err := c.Client.Get(ctx, "ring"); v == nil || err != nil {
				b.Fatal(v, err)
			}
		}
	})
}

func BenchmarkMapField(b *testing.B) {
	forSizes(b, func(b *testing.B, c crdt.Typed[crdt.Map[instance]]) {
		m, _, err := c.Get(b.Context(), "ring")
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, ok := m.Get("instance-000007"); !ok {
				b.Fatal("no field")
			}
		}
	})
}

func BenchmarkMapHeartbeat(b *testing.B) {
	forSizes(b, func(b *testing.B, c crdt.Typed[crdt.Map[instance]]) {
		for at := int64(2); b.Loop(); at++ {
			beat(b, c, at)
		}
	})
}

// BenchmarkMapHeartbeatAmongWatchers is a heartbeat while 10,000 watch other keys.
func BenchmarkMapHeartbeatAmongWatchers(b *testing.B) {
	c := registryOf(b, 5_000)
	ctx, cancel := context.WithCancel(b.Context())
	var idle sync.WaitGroup
	for i := range 10_000 {
		idle.Go(func() {
			for range c.Watch(ctx, fmt.Sprintf("other-%d", i)) {
				b.Error("an idle watcher was told something")
			}
		})
	}
	b.ReportAllocs()
	b.ResetTimer()
	for at := int64(2); b.Loop(); at++ {
		beat(b, c, at)
	}
	b.StopTimer()
	cancel()
	idle.Wait()
}

// BenchmarkMapWatch is a heartbeat until all watchers have read it.
func BenchmarkMapWatch(b *testing.B) {
	for _, watchers := range []int{1, 10} {
		b.Run(fmt.Sprintf("watchers=%d", watchers), func(b *testing.B) {
			next, end := watched(b, watchers)
			b.ReportAllocs()
			for b.Loop() {
				next()
			}
			end()
		})
	}
}

// watched is a heartbeat among 5,000 until some watchers have read it.
func watched(b testing.TB, watchers int) (next, end func()) {
	b.Helper()
	c := registryOf(b, 5_000)
	ctx, cancel := context.WithCancel(b.Context())
	told := make(chan struct{})
	var done sync.WaitGroup
	for range watchers {
		done.Go(func() {
			for m := range c.Watch(ctx, "ring") {
				if _, ok := m.Get("instance-000007"); ok {
					told <- struct{}{}
				}
			}
		})
		<-told
	}
	at := int64(1)
	next = func() {
		at++
		beat(b, c, at)
		for range watchers {
			<-told
		}
	}
	return next, func() { cancel(); done.Wait() }
}

// TestWatchersAllocateLittle: a watcher that is told of a heartbeat makes the view
// that it hands out, and the version that it has told.
func TestWatchersAllocateLittle(t *testing.T) {
	var allocs [2]float64
	for i, watchers := range []int{1, 11} {
		next, end := watched(t, watchers)
		allocs[i] = testing.AllocsPerRun(200, next)
		end()
	}
	if more := (allocs[1] - allocs[0]) / 10; more > 2.5 {
		t.Errorf("each watcher more allocates %v times, want 2", more)
	}
}

// TestMapCostsWhatChanged asserts what the benchmarks show: reading takes one
// allocation, and a heartbeat the same in a large registry as in a small one, but
// for the nodes on its way through the tree.
func TestMapCostsWhatChanged(t *testing.T) {
	var beats [2]float64
	for i, size := range []int{10, 5_000} {
		c := registryOf(t, size)
		if got := testing.AllocsPerRun(200, func() { _, _ = c.Client.Get(t.Context(), "ring") }); got > 1 {
			t.Errorf("%d fields: Get allocates %v times", size, got)
		}
		m, _, _ := c.Get(t.Context(), "ring")
		m.Get("instance-000007")
		if got := testing.AllocsPerRun(200, func() { m.Get("instance-000007") }); got > 0 {
			t.Errorf("%d fields: Get of a field allocates %v times", size, got)
		}
		at := int64(2)
		beats[i] = testing.AllocsPerRun(200, func() { beat(t, c, at); at++ })
	}
	if beats[0] > 27 {
		t.Errorf("a heartbeat allocates %v times, want at most 27", beats[0])
	}
	if beats[1] > beats[0]+4 {
		t.Errorf("a heartbeat among 10 allocates %v times, among 5,000 %v times", beats[0], beats[1])
	}
}

// TestMapHeartbeatIsSmall: only the hot part travels.
func TestMapHeartbeatIsSmall(t *testing.T) {
	n := open(t, starling.Options{Name: "a"})
	c := crdt.Typed[crdt.Map[instance]]{Client: n.Client(registry)}
	err := c.Update(t.Context(), "ring", func(m *crdt.Map[instance]) error {
		m.Set("instance-000007", instance{Beat: 1, Tokens: []uint32{1, 2, 3}})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	before := n.Writes()
	beat(t, c, 2)
	if got := n.Writes() - before; before != 2 || got != 1 {
		t.Errorf("an instance is %d cells, its heartbeat %d; want 2 and 1", before, got)
	}
	v, err := c.Client.Get(t.Context(), "ring")
	if err != nil {
		t.Fatal(err)
	}
	m := v.(*crdt.Map[instance])
	if got, _ := m.Get("instance-000007"); got.Beat != 2 || len(got.Tokens) != 3 {
		t.Errorf("the instance is %+v", got)
	}
	whole, err := registry.Codec().Encode(m)
	if err != nil || !bytes.Contains(whole, []byte(`"Tokens":[1,2,3]`)) {
		t.Errorf("as JSON: %s, %v", whole, err)
	}
}
