package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv/httpkv"
)

const (
	writersEach = 3   // per server
	keysEach    = 200 // per writer, written over and over
	writeFor    = 3 * time.Second

	// lossWindow is what docs/guarantees.md grants: a process that is killed takes the writes along that it has not pushed
	// yet. That is a few milliseconds there; here, on cores that the writers keep busy, it may be more.
	lossWindow = 100 * time.Millisecond
)

// TestRealKill kills one of three servers while all three are written to, and starts it again: in the end all hold the
// same, and nothing that was acknowledged is lost but what the killed one had acknowledged within the window.
func TestRealKill(t *testing.T) {
	f := startFleet(t, "kill", 3)
	const victim = 2
	var all []*writer
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	for i, p := range f.nodes {
		for j := range writersEach {
			w := &writer{server: i, prefix: fmt.Sprintf("by/%s/%d/", p.Node, j), client: p.client(t)}
			all = append(all, w)
			running.Go(func() { w.run(ctx) })
		}
	}
	<-time.After(writeFor)
	killed := time.Now()
	f.nodes[victim].kill()
	f.again(t, victim)
	<-time.After(writeFor)
	stop()
	running.Wait()

	keys := f.holdSame(t, 30*time.Second)
	f.agree(t, time.Time{}, 30*time.Second)
	acknowledged, lost, oldest := 0, 0, time.Duration(0)
	held := holdings(t, f.nodes[0])
	for _, w := range all {
		acknowledged += len(w.acks)
		if w.server != victim && w.err != nil {
			t.Errorf("%s: %v", w.prefix, w.err)
		}
		for _, at := range w.lost(t, held) {
			lost++
			oldest = max(oldest, killed.Sub(at))
			if w.server != victim || killed.Sub(at) > lossWindow {
				t.Errorf("%s: a write is lost that was acknowledged %v before the kill", w.prefix, killed.Sub(at))
			}
		}
	}
	t.Logf("%d writes to %d keys were acknowledged; %d were lost, the oldest %v before the kill", acknowledged, keys, lost, oldest)
	if acknowledged < 1000 {
		t.Errorf("%d writes are no load", acknowledged)
	}
}

// writer writes numbers to keys of its own through one server, each key again and again, until it cannot.
type writer struct {
	server int // which one
	prefix string
	client *httpkv.Client

	acks []time.Time // when write i+1 was acknowledged
	err  error       // of the write after these, which may have come to pass all the same
}

func (w *writer) key(number int) string { return w.prefix + strconv.Itoa(number%keysEach) }

func (w *writer) run(ctx context.Context) {
	for ctx.Err() == nil {
		number := len(w.acks) + 1
		// The write is not bound to ctx: one that is begun is ended.
		_, w.err = w.client.Put(context.WithoutCancel(ctx), w.key(number), []byte(strconv.Itoa(number)))
		if w.err != nil {
			return
		}
		w.acks = append(w.acks, time.Now())
	}
}

// lost returns when those writes were acknowledged that nothing is left of: neither they nor a later one stands.
func (w *writer) lost(t *testing.T, held map[string]int) (acknowledged []time.Time) {
	t.Helper()
	for i, at := range w.acks {
		if held[w.key(i+1)] < i+1 {
			acknowledged = append(acknowledged, at)
		}
	}
	for key, number := range held {
		if strings.HasPrefix(key, w.prefix) && (number > len(w.acks)+1 || w.key(number) != key) {
			t.Errorf("%s holds %d, which was never written there", key, number)
		}
	}
	return acknowledged
}

// holdings reads the numbers under all keys of a server.
func holdings(t *testing.T, p *process) map[string]int {
	t.Helper()
	held := map[string]int{}
	for e, err := range p.client(t).Entries(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		number, err := strconv.Atoi(string(e.Value.([]byte)))
		if err != nil {
			t.Errorf("%s: %v", e.Key, err)
		}
		held[e.Key] = number
	}
	return held
}
