package web_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/web"
)

// sse reads a stream of events.
type sse struct {
	t    *testing.T
	resp *http.Response
	in   *bufio.Reader
	ids  map[string]bool
	stop context.CancelFunc
}

// follow begins a watch. It must bring each line within ten seconds.
func follow(t *testing.T, base, query string, headers ...string) *sse {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", base+"/v1/watch?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Add(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got %d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	return &sse{t: t, resp: resp, in: bufio.NewReader(resp.Body), ids: map[string]bool{}, stop: cancel}
}

// block returns the lines up to the next empty one.
func (s *sse) block() []string {
	s.t.Helper()
	overdue := time.AfterFunc(10*time.Second, s.stop)
	defer overdue.Stop()
	var lines []string
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			s.t.Fatalf("the stream ended: %v after %q", err, lines)
		}
		if line == "\n" {
			return lines
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
}

// next returns the name and the data of the next event. Each has an id of its own.
func (s *sse) next() (name, data string) {
	s.t.Helper()
	for {
		var id string
		name, data = "", ""
		for _, line := range s.block() {
			field, value, _ := strings.Cut(line, ": ")
			switch field {
			case "id":
				id = value
			case "event":
				name = value
			case "data":
				data = value
			}
		}
		if name == "" {
			continue // retry and comments
		}
		if id == "" || s.ids[id] {
			s.t.Fatalf("event %s has the id %q, which is none of its own", name, id)
		}
		s.ids[id] = true
		return name, data
	}
}

func (s *sse) want(name string, parts ...string) {
	s.t.Helper()
	got, data := s.next()
	if got != name {
		s.t.Fatalf("got %s %s, want %s", got, data, name)
	}
	for _, part := range parts {
		if !strings.Contains(data, part) {
			s.t.Fatalf("%s: got %s, want %s in it", name, data, part)
		}
	}
}

func TestWatch(t *testing.T) {
	mem, base := serve(t, nil)
	put(t, mem, "p/1", []byte("one"))
	put(t, mem, "q", []byte("not asked for"))
	s := follow(t, base, "prefix=p/")
	s.want("put", `"key":"p/1"`, `"value":"one"`, `"version":"`, `"size":3`)
	s.want("sync", "{}")
	put(t, mem, "p/2", []byte("line\nbreak\xff"))
	s.want("put", `"key":"p/2"`, `"value_base64":"bGluZQpicmVha/8="`)
	if err := mem.Delete(t.Context(), "p/1"); err != nil {
		t.Fatal(err)
	}
	s.want("delete", `{"key":"p/1"}`)
	if _, err := mem.With(kv.String).Put(t.Context(), "p/3", "text"); err != nil {
		t.Fatal(err)
	}
	s.want("put", `"key":"p/3"`, `"codec":"string"`, `"value":"text"`)
}

func TestWatchKey(t *testing.T) {
	mem, base := serve(t, nil)
	put(t, mem, "k2", nil)
	s := follow(t, base, "key=k")
	s.want("sync")
	put(t, mem, "k3", nil)
	put(t, mem, "k", []byte("v"))
	s.want("put", `"key":"k"`)
}

func TestWatchAgain(t *testing.T) {
	mem, base := serve(t, nil)
	put(t, mem, "k", []byte("v"))
	s := follow(t, base, "", "Last-Event-ID: elsewhere:7")
	s.want("reset")
	s.want("put", `"key":"k"`)
	s.want("sync")
}

func TestWatchKeepsAlive(t *testing.T) {
	_, base := serve(t, func(cfg *web.Config) { cfg.KeepAlive = time.Millisecond })
	s := follow(t, base, "")
	for range 100 {
		if lines := s.block(); lines[0] == ": keepalive" {
			return
		}
	}
	t.Error("100 blocks of a silent watch without a keepalive")
}

// TestWatchOutlivesTheWriteTimeout needs real time to pass: the timeout of the server, twice.
func TestWatchOutlivesTheWriteTimeout(t *testing.T) {
	mem := memkv.New(kv.Bytes)
	h := web.New(web.Config{
		Client: func(c kv.Codec) kv.Client { return mem.With(c) }, Node: lone{}, KeepAlive: 20 * time.Millisecond,
	})
	srv := httptest.NewUnstartedServer(h)
	srv.Config.WriteTimeout = 100 * time.Millisecond
	srv.Start()
	defer srv.Close()
	defer mem.Close()
	s := follow(t, srv.URL, "")
	for start := time.Now(); time.Since(start) < 200*time.Millisecond; {
		s.block()
	}
	put(t, mem, "k", nil)
	for {
		if name, _ := s.next(); name == "put" {
			return
		}
	}
}

func TestWatchersAreBounded(t *testing.T) {
	_, base := serve(t, func(cfg *web.Config) { cfg.MaxWatchers = 2 })
	first := follow(t, base, "")
	first.want("sync")
	follow(t, base, "").want("sync")
	call(t, "GET", base, "/v1/watch", "").problem(t, 503, "busy")
	first.stop()
	free(t, base)
}

// free waits until there is a seat for one more watch.
func free(t *testing.T, base string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		resp, err := http.Head(base + "/v1/watch")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the seat of a watch that ended stays taken")
		}
	}
}

// TestDeadWatcher has a watcher that takes no byte: it delays nobody, and is dropped.
func TestDeadWatcher(t *testing.T) {
	mem, base := serve(t, func(cfg *web.Config) { cfg.Stall, cfg.MaxWatchers = 200*time.Millisecond, 2 })
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET /v1/watch?prefix= HTTP/1.1\r\nHost: n1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	live := follow(t, base, "")
	live.want("sync")
	big := []byte(strings.Repeat("x", 512<<10)) // who reads has 200 ms for each
	for i := range 64 {                         // more than any socket buffers
		put(t, mem, "k"+strconv.Itoa(i), big)
		live.want("put", `"key":"k`+strconv.Itoa(i)+`"`)
	}
	free(t, base)
}
