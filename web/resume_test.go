package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/web"
)

// lastID is the greatest id that a stream has told.
func (s *sse) lastID() string {
	last, most := "", 0
	for id := range s.ids {
		_, number, _ := strings.Cut(id, ":")
		if n, _ := strconv.Atoi(number); n > most {
			last, most = id, n
		}
	}
	return last
}

// TestWatchResumes comes back to the same process: it is told what it has missed, once, and nothing else.
func TestWatchResumes(t *testing.T) {
	mem, base := serve(t, nil)
	put(t, mem, "p/a", []byte("1"))
	s := follow(t, base, "prefix=p/")
	s.want("put", `"key":"p/a"`)
	s.want("sync")
	s.stop()
	put(t, mem, "p/b", []byte("2"))
	if err := mem.Delete(t.Context(), "p/a"); err != nil {
		t.Fatal(err)
	}
	again := follow(t, base, "prefix=p/", "Last-Event-ID: "+s.lastID())
	again.want("put", `"key":"p/b"`)
	again.want("delete", `"key":"p/a"`)
	put(t, mem, "p/c", nil)
	again.want("put", `"key":"p/c"`)
}

// TestWatchRepeatsWhatGotLost comes back with an id from before what the server has written.
func TestWatchRepeatsWhatGotLost(t *testing.T) {
	mem, base := serve(t, nil)
	put(t, mem, "a", nil)
	put(t, mem, "b", nil)
	s := follow(t, base, "")
	s.want("put", `"key":"a"`)
	first := s.lastID()
	s.want("put", `"key":"b"`)
	s.want("sync")
	again := follow(t, base, "", "Last-Event-ID: "+first) // the old stream is still there: it is ended
	again.want("put", `"key":"b"`)
	again.want("sync")
}

// TestWatchResets lists who is told everything anew.
func TestWatchResets(t *testing.T) {
	mem, base := serve(t, nil)
	_, elsewhere := serve(t, nil)
	put(t, mem, "a", nil)
	s := follow(t, base, "")
	s.want("put")
	s.want("sync")
	id := s.lastID()
	boot, _, _ := strings.Cut(id, ".")
	other := follow(t, elsewhere, "")
	other.want("sync")
	for name, c := range map[string]struct{ query, id string }{
		"another process":   {"", other.lastID()},
		"another selection": {"prefix=a", id},
		"no such feed":      {"", boot + ".zz:1"},
		"no number":         {"", boot + ".1"},
		"from the future":   {"", boot + ".1:999"},
	} {
		again := follow(t, base, c.query, "Last-Event-ID: "+c.id)
		if got, _ := again.next(); got != "reset" {
			t.Errorf("%s: got %s, want reset", name, got)
			continue
		}
		again.want("put", `"key":"a"`)
		again.want("sync")
	}
}

// counted counts the watches that run in a store.
type counted struct {
	*memkv.Client
	running *atomic.Int32
}

func (c counted) Events(ctx context.Context, prefix string, opts ...kv.EventsOption) iter.Seq2[kv.Event, error] {
	return func(yield func(kv.Event, error) bool) {
		c.running.Add(1)
		defer c.running.Add(-1)
		c.Client.Events(ctx, prefix, opts...)(yield)
	}
}

// count makes a server count.
func count(running *atomic.Int32, park time.Duration) func(*web.Config) {
	return func(cfg *web.Config) {
		open := cfg.Client
		cfg.Client = func(c kv.Codec) kv.Client { return counted{open(c).(*memkv.Client), running} }
		cfg.Park, cfg.MaxWatchers = park, 1
	}
}

// none waits until no watch runs.
func none(t *testing.T, running *atomic.Int32) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); running.Load() > 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d watches go on", running.Load())
		}
	}
}

// TestWatchIsKeptForATime comes back too late, and after too much.
func TestWatchIsKeptForATime(t *testing.T) {
	var running atomic.Int32
	_, base := serve(t, count(&running, time.Millisecond))
	s := follow(t, base, "")
	s.want("sync")
	s.stop()
	none(t, &running)
	free(t, base)
	follow(t, base, "", "Last-Event-ID: "+s.lastID()).want("reset")
}

func TestWatchThatMissedTooMuch(t *testing.T) {
	mem, base := serve(t, nil)
	s := follow(t, base, "")
	s.want("sync")
	early := s.lastID()
	for i := range 300 { // more than is kept
		put(t, mem, "k"+strconv.Itoa(i), nil)
		s.want("put")
	}
	follow(t, base, "", "Last-Event-ID: "+early).want("reset")
}

// TestCloseEndsWhatIsKept leaves nothing running, and keeps nothing any more.
func TestCloseEndsWhatIsKept(t *testing.T) {
	var running atomic.Int32
	var h *web.Handler
	_, base := serveWith(t, count(&running, time.Hour), func(made *web.Handler) { h = made })
	for range 2 {
		s := follow(t, base, "")
		s.want("sync")
		s.stop()
		free(t, base)
		h.Close()
		none(t, &running)
	}
}

// TestWatchesAreKeptInBounds breaks more watches than are kept: the oldest make room.
func TestWatchesAreKeptInBounds(t *testing.T) {
	var running atomic.Int32
	_, base := serve(t, count(&running, time.Hour))
	for range 70 {
		s := follow(t, base, "")
		s.want("sync")
		s.stop()
		free(t, base)
	}
	if n := running.Load(); n < 60 || n > 65 {
		t.Errorf("%d watches are kept, want 64", n)
	}
}

func TestWatchAsLines(t *testing.T) {
	mem, base := serve(t, func(cfg *web.Config) { cfg.KeepAlive = 20 * time.Millisecond })
	put(t, mem, "a", []byte("x\ny"))
	req, err := http.NewRequestWithContext(t.Context(), "GET", base+"/v1/watch", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("got %v, %v", resp, err)
	}
	defer resp.Body.Close()
	in := bufio.NewScanner(resp.Body)
	line := func() (l struct{ ID, Event, Key, Value string }) {
		t.Helper()
		for in.Scan() {
			if in.Text() == "" {
				continue
			}
			if err := json.Unmarshal(in.Bytes(), &l); err != nil || l.ID == "" {
				t.Fatalf("%v in %q", err, in.Text())
			}
			return l
		}
		t.Fatal(in.Err())
		return l
	}
	if l := line(); l.Event != "put" || l.Key != "a" || l.Value != "x\ny" {
		t.Errorf("got %+v, want the put", l)
	}
	if l := line(); l.Event != "sync" {
		t.Errorf("got %+v, want sync", l)
	}
	if in.Scan(); in.Text() != "" {
		t.Errorf("a silent stream says %q, want an empty line", in.Text())
	}
	if err := mem.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if l := line(); l.Event != "delete" || l.Key != "a" {
		t.Errorf("got %+v, want the delete", l)
	}
}
