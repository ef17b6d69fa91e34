package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/web"
)

const (
	realDeletes = 10_000
	tombstones  = 2 * time.Second // how long they are kept
)

// TestRealDeletes deletes while one of three servers is frozen, for longer than tombstones are kept: nothing that it
// still holds comes back anywhere, and what was not deleted stays.
func TestRealDeletes(t *testing.T) {
	f := startFleet(t, "deletes", 3, "--tombstone-age", tombstones.String(), "--sync-interval", "1s")
	var in strings.Builder
	for i := range realDeletes {
		fmt.Fprintf(&in, "{\"key\":\"gone/%d\",\"value\":\"x\"}\n{\"key\":\"kept/%d\",\"value\":\"x\"}\n", i, i%100)
	}
	if _, talk, code := verb(t, strings.NewReader(in.String()), "import", "--addr", f.nodes[0].HTTP); code != exitOK {
		t.Fatalf("import: exit code %d\n%s", code, talk)
	}
	if keys := f.holdSame(t, 30*time.Second); keys != realDeletes+100 {
		t.Fatalf("they hold %d keys", keys)
	}
	frozen := f.nodes[2]
	frozen.signal(t, syscall.SIGSTOP)
	t.Cleanup(func() { _ = frozen.cmd.Process.Signal(syscall.SIGCONT) })
	if _, talk, code := verb(t, nil, "del", "--prefix", "gone/", "--yes", "--timeout", "1m", "--addr", f.nodes[0].HTTP); code != exitOK {
		t.Fatalf("del: exit code %d\n%s", code, talk)
	}
	deleted := time.Now()
	var back [2]<-chan string
	for i, p := range f.nodes[:2] {
		p.forgetsDeletes(t, time.Minute)
		back[i] = resurrected(t, p)
	}
	t.Logf("no tombstone is left after %v", time.Since(deleted))

	frozen.signal(t, syscall.SIGCONT)
	thawed := time.Now()
	if keys := f.holdSame(t, 30*time.Second); keys != 100 {
		t.Errorf("they hold %d keys, want the 100 that were not deleted", keys)
	}
	t.Logf("n3 holds the same %v after it went on", time.Since(thawed))
	select { // a few more rounds of comparisons
	case <-time.After(3 * time.Second):
	case key := <-back[0]:
		t.Errorf("%s came back on n1", key)
	case key := <-back[1]:
		t.Errorf("%s came back on n2", key)
	}
	if keys := f.holdSame(t, 10*time.Second); keys != 100 {
		t.Errorf("they hold %d keys in the end, want 100", keys)
	}
}

// forgetsDeletes waits until the server keeps no tombstone any more.
func (p *process) forgetsDeletes(t *testing.T, limit time.Duration) {
	t.Helper()
	c := p.client(t)
	overdue := time.After(limit)
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		var s web.Status
		if err := c.JSON(t.Context(), "/v1/status", &s); err != nil {
			t.Fatalf("%s: %v", p.Node, err)
		}
		if s.Tombstones == 0 {
			return
		}
		select {
		case <-look.C:
		case <-overdue:
			t.Fatalf("%s: %d tombstones are kept after %v", p.Node, s.Tombstones, limit)
		}
	}
}

// resurrected watches a server and tells which key of those that are gone it has again. It returns once it watches.
func resurrected(t *testing.T, p *process) <-chan string {
	t.Helper()
	back, synced, ended := make(chan string, 1), make(chan struct{}), make(chan struct{})
	c := p.client(t)
	t.Cleanup(func() {
		c.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		for ev := range c.Events(t.Context(), "gone/") {
			switch ev.Kind {
			case kv.Synced:
				close(synced)
			case kv.Put:
				select {
				case back <- ev.Key:
				default: // one is enough
				}
			}
		}
	}()
	select {
	case <-synced:
	case <-time.After(30 * time.Second):
		t.Fatalf("%s: the watch does not begin", p.Node)
	}
	return back
}
