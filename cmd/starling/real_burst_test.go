package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

const (
	burstKeys   = 10_000
	burstRounds = 3
	callback    = time.Millisecond // how long each call of a watcher takes
)

// padding makes the values so large that no socket holds a round of them: what waits for a watcher coalesces.
var padding = strings.Repeat(".", 1024)

// TestRealBurst changes many keys in a burst, again and again, under watchers that take a millisecond for each call: one
// over HTTP, one of a node in this process. They may skip what lies between, and miss no key's last value.
func TestRealBurst(t *testing.T) {
	f := startFleet(t, "burst", 2)
	near := open(t, starling.Options{Name: "near", Cluster: "burst", Seeds: []string{f.nodes[0].Gossip}})
	if err := near.node.WaitSynced(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := strconv.Itoa(burstRounds-1) + padding
	watchers := map[string]*slowWatcher{
		"over HTTP":    watchSlowly(t, f.nodes[1].client(t), last),
		"of the store": watchSlowly(t, near.node.Client(crdt.Register(kv.Bytes)), last),
	}
	began := time.Now()
	for round := range burstRounds {
		var in strings.Builder
		for i := range burstKeys {
			fmt.Fprintf(&in, "{\"key\":\"burst/%d\",\"value\":\"%d%s\"}\n", i, round, padding)
		}
		if _, talk, code := verb(t, strings.NewReader(in.String()), "import", "--addr", f.nodes[0].HTTP); code != exitOK {
			t.Fatalf("import: exit code %d\n%s", code, talk)
		}
	}
	burst := time.Since(began)
	for what, w := range watchers {
		calls := w.wait(t, what)
		t.Logf("%s: %d changes in %v, %d calls in %v, no last value missed", what, burstRounds*burstKeys, burst, calls, time.Since(began))
	}
}

// slowWatcher counts the keys whose last value it was told.
type slowWatcher struct {
	done chan struct{} // closed when it was told of all

	mu    sync.Mutex // guards what follows
	calls int
	holds map[string]string
	right int // keys that hold the last value
}

func watchSlowly(t *testing.T, c kv.Client, last string) *slowWatcher {
	t.Helper()
	w := &slowWatcher{done: make(chan struct{}), holds: make(map[string]string, burstKeys)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	go func() {
		defer close(ended)
		c.WatchPrefix(ctx, "burst/", func(key string, v any) bool {
			<-time.After(callback)
			return w.told(key, string(v.([]byte)), last)
		})
	}()
	return w
}

// told notes a call. It asks for no more once every key holds the last value.
func (w *slowWatcher) told(key, value, last string) (more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	if w.holds[key] == last {
		w.right--
	}
	if value == last {
		w.right++
	}
	w.holds[key] = value
	if w.right < burstKeys {
		return true
	}
	close(w.done)
	return false
}

// wait waits until the watcher was told all and returns how many calls that took.
func (w *slowWatcher) wait(t *testing.T, what string) (calls int) {
	t.Helper()
	select {
	case <-w.done:
	case <-time.After(2 * time.Minute):
		w.mu.Lock()
		defer w.mu.Unlock()
		t.Fatalf("%s: %d of %d keys were told with their last value, in %d calls", what, w.right, burstKeys, w.calls)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}
