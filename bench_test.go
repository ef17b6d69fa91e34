package starling_test

import (
	"fmt"
	"testing"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

// benchKeys is what the node of a benchmark holds, in registers of 100 bytes.
const benchKeys = 100_000

// loadedNode is a node that holds the keys, alone.
func loadedNode(b *testing.B) (*starling.Client, []string) {
	b.Helper()
	c, keys := holding(b, benchKeys)
	b.ReportAllocs()
	b.ResetTimer()
	return c, keys
}

// holding is a node that holds some keys, of which ten are "few/".
func holding(b testing.TB, size int) (*starling.Client, []string) {
	b.Helper()
	c := open(b, starling.Options{Name: "a"}).Client(crdt.Register(kv.Bytes))
	keys := make([]string, size)
	for i := range keys {
		keys[i] = fmt.Sprintf("tenants/%08d", i)
		if i < 10 {
			keys[i] = fmt.Sprintf("few/%012d", i)
		}
		if _, err := c.Put(b.Context(), keys[i], make([]byte, 100)); err != nil {
			b.Fatal(err)
		}
	}
	return c, keys
}

// TestRegistersAllocateLittle holds what the benchmarks show: reading a register
// of bytes takes its box, a list its keys, and a CAS what the tree's depth asks.
func TestRegistersAllocateLittle(t *testing.T) {
	c, keys := holding(t, 2_000)
	ctx, values, i := t.Context(), [2][]byte{make([]byte, 100), make([]byte, 99)}, 0
	for name, op := range map[string]struct {
		most float64
		do   func()
	}{
		"Get":  {1, func() { _, _ = c.Get(ctx, keys[1000]) }},
		"List": {6, func() { _, _ = c.List(ctx, "few/") }},
		"CAS": {26, func() {
			i++
			_ = c.CAS(ctx, keys[0], func(any) (any, bool, error) { return values[i%2], true, nil })
		}},
	} {
		if got := testing.AllocsPerRun(200, op.do); got > op.most {
			t.Errorf("%s allocates %v times, want at most %v", name, got, op.most)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	c, keys := loadedNode(b)
	for i := 0; b.Loop(); i++ {
		if v, err := c.Get(b.Context(), keys[i*7919%benchKeys]); v == nil || err != nil {
			b.Fatal(v, err)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	c, keys := loadedNode(b)
	value := make([]byte, 100)
	for i := 0; b.Loop(); i++ {
		if _, err := c.Put(b.Context(), keys[i*7919%benchKeys], value); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCAS(b *testing.B) {
	c, keys := loadedNode(b)
	values := [2][]byte{make([]byte, 100), make([]byte, 99)}
	for i := 0; b.Loop(); i++ {
		err := c.CAS(b.Context(), keys[0], func(any) (any, bool, error) { return values[i%2], true, nil })
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkList(b *testing.B) {
	c, _ := loadedNode(b)
	for b.Loop() {
		if l, err := c.List(b.Context(), "few/"); len(l) != 10 || err != nil {
			b.Fatal(l, err)
		}
	}
}
