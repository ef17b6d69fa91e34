// Package systemtest checks that a bench.System does what the benchmark takes for
// granted: that it holds what was written, tells its watchers, reaches its peers,
// and counts what it sends.
package systemtest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/starlingkv/starling/lab/dskit/bench"
)

const limit = 30 * time.Second

// Run checks a system.
func Run(t *testing.T, s bench.System) {
	t.Run("pair", func(t *testing.T) { pair(t, s) })
	t.Run("single", func(t *testing.T) { single(t, s) })
	t.Run("cluster", func(t *testing.T) { cluster(t, s) })
	t.Run("registry", func(t *testing.T) { registry(t, s) })
	t.Run("receiver", func(t *testing.T) { receiver(t, s) })
}

// pair holds two replicas to differ after a change and not after an exchange.
func pair(t *testing.T, s bench.System) {
	p, err := s.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, p.Close)
	keys := bench.Keys("k/", 1000)
	states := func() [2]string {
		both := p.Replicas()
		return [2]string{bench.State(both[0]), bench.State(both[1])}
	}
	if err := p.Load(keys, 1); err != nil {
		t.Fatal(err)
	}
	loaded := states()
	if loaded[0] != loaded[1] {
		t.Fatalf("loaded: got %q, want both alike", loaded)
	}
	if err := p.Change(keys[10:20], 2); err != nil {
		t.Fatal(err)
	}
	if got := states(); got[0] == loaded[0] || got[1] != loaded[1] {
		t.Errorf("changed: got %q, want only the first to differ from %q", got, loaded[0])
	}
	for range 2 { // the second is between equals
		x, err := p.Exchange()
		if err != nil {
			t.Fatal(err)
		}
		if got := states(); got[0] != got[1] || got[0] == loaded[0] {
			t.Errorf("exchanged: got %q, want both changed and alike", got)
		}
		if x.Bytes == 0 || x.Legs < 2 {
			t.Errorf("got %+v, want bytes and at least two legs", x)
		}
	}
	if got := p.Replicas()[1].Get(keys[10]); !bytes.Equal(got, bench.Value(keys[10], 2)) {
		t.Errorf("the second replica holds %x, want the second generation", got)
	}
}

// single holds one node to what was loaded and written.
func single(t *testing.T, s bench.System) {
	n := start(t, s, "single", "")
	keys := bench.Keys("k/", 500)
	if err := n.Load(append(bench.Keys("few/", 3), keys...), 1); err != nil {
		t.Fatal(err)
	}
	if got := n.Keys(); got != 503 {
		t.Errorf("got %d keys, want 503", got)
	}
	if got := n.List("few/"); len(got) != 3 {
		t.Errorf("got %q, want three keys", got)
	}
	if got := n.Get(keys[7]); !bytes.Equal(got, bench.Value(keys[7], 1)) {
		t.Errorf("got %x, want what was loaded", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var in []byte
	want := bench.Value(keys[7], 2)
	if err := n.CAS(keys[7], func(v []byte) []byte { in = v; return want }); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(in, bench.Value(keys[7], 1)) || !bytes.Equal(n.Get(keys[7]), want) {
		t.Errorf("CAS saw %x and left %x", in, n.Get(keys[7]))
	}
	// The watch may begin before or after the write: it is written until it is told.
	told := make(chan struct{})
	go func() {
		n.WatchPrefix(ctx, "few/", func(key string, v []byte) bool { return key != "few/0000001" || v == nil })
		close(told)
	}()
	for generation := 2; ; generation++ {
		if err := n.CAS("few/0000001", func([]byte) []byte { return bench.Value("few/0000001", generation) }); err != nil {
			t.Fatal(err)
		}
		select {
		case <-told:
			if ctx.Err() != nil {
				t.Fatal("the watcher of the prefix was never called")
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// cluster holds a write on one node to be told on another.
func cluster(t *testing.T, s bench.System) {
	first := start(t, s, "first", "")
	second := start(t, s, "second", first.Addr())
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if !within(ctx, func() bool { return first.Members() == 2 && second.Members() == 2 }) {
		t.Fatalf("got %d and %d members, want 2", first.Members(), second.Members())
	}
	before := first.Traffic()
	want := bench.Value("k", 1)
	if err := first.CAS("k", func([]byte) []byte { return want }); err != nil {
		t.Fatal(err)
	}
	second.WatchKey(ctx, "k", func(v []byte) bool { return !bytes.Equal(v, want) })
	if ctx.Err() != nil {
		t.Fatal("the watcher on the second node was never told")
	}
	// A packet may be counted after it has arrived, or the value come by a sync first.
	if !within(ctx, func() bool {
		after := first.Traffic()
		return after.Packets > before.Packets && after.Bytes >= before.Bytes+bench.ValueSize && after.All > after.Bytes
	}) {
		t.Errorf("sent %+v before and %+v after, want a packet with the value between them, and streams beside the packets", before, first.Traffic())
	}
	if a, b := bench.State(first), bench.State(second); a != b {
		t.Errorf("the nodes hold %q and %q", a, b)
	}
}

func start(t *testing.T, s bench.System, name, join string) bench.Node {
	t.Helper()
	n, err := s.Start(name, join)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, n.Close) })
	return n
}

// within polls until ok, and says whether that came before ctx ended.
func within(ctx context.Context, ok func() bool) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func closed(t *testing.T, end func() error) {
	t.Helper()
	if err := end(); err != nil {
		t.Error(err)
	}
}
