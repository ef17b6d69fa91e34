package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/web"
)

// pipes is a server in the bubble of a test: the limits are the ones it has by itself, and time costs nothing.
type pipes struct {
	t     *testing.T
	mem   *memkv.Client
	conns chan net.Conn
	done  chan struct{}
}

// bubbled serves over pipes.
func bubbled(t *testing.T, edit func(*web.Config)) *pipes {
	t.Helper()
	p := &pipes{t: t, mem: memkv.New(kv.Bytes), conns: make(chan net.Conn), done: make(chan struct{})}
	cfg := web.Config{Client: func(c kv.Codec) kv.Client { return p.mem.With(c) }, Node: lone{}}
	if edit != nil {
		edit(&cfg)
	}
	h := web.New(cfg)
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(p) }()
	t.Cleanup(func() {
		p.mem.Close()
		srv.Close()
		h.Close()
	})
	return p
}

// Accept is part of net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close is part of net.Listener.
func (p *pipes) Close() error {
	close(p.done)
	return nil
}

// Addr is part of net.Listener.
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// link is a connection to such a server.
type link struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

// send sends what is no more than the beginning of a request, if so.
func (p *pipes) send(text string) *link {
	p.t.Helper()
	near, far := net.Pipe()
	p.t.Cleanup(func() { near.Close() })
	p.conns <- far
	if _, err := io.WriteString(near, text); err != nil {
		p.t.Fatal(err)
	}
	return &link{t: p.t, Conn: near, in: bufio.NewReader(near)}
}

// watch begins to watch, behind the event of this id if it is not empty.
func (p *pipes) watch(id string) *link {
	p.t.Helper()
	l := p.send("GET /v1/watch?prefix= HTTP/1.1\r\nHost: n1\r\nLast-Event-ID: " + id + "\r\n\r\n")
	l.answers(http.StatusOK)
	return l
}

// answers reads the head of the answer.
func (l *link) answers(status int) *http.Response {
	l.t.Helper()
	resp, err := http.ReadResponse(l.in, nil)
	for err == nil && resp.StatusCode == http.StatusProcessing {
		resp, err = http.ReadResponse(l.in, nil)
	}
	if err != nil || resp.StatusCode != status {
		l.t.Fatalf("got %v, %v, want %d", resp, err, status)
	}
	return resp
}

// until reads up to the line that begins like this, and returns it.
func (l *link) until(begin string) string {
	l.t.Helper()
	for {
		line, err := l.in.ReadString('\n')
		if err != nil {
			l.t.Fatalf("no %q comes: %v", begin, err)
		}
		if strings.HasPrefix(line, begin) {
			return strings.TrimSpace(line)
		}
	}
}

// lasts fails the test unless that took exactly so long.
func lasts(t *testing.T, what string, want time.Duration, do func()) {
	t.Helper()
	began := time.Now()
	do()
	if took := time.Since(began); took != want {
		t.Errorf("%s took %v, want %v", what, took, want)
	}
}

// TestLimitsOfTime reaches each limit of docs/http.md that is a time.
func TestLimitsOfTime(t *testing.T) {
	for name, check := range map[string]func(*testing.T){
		"body": func(t *testing.T) {
			l := bubbled(t, nil).send("PUT /v1/kv/k HTTP/1.1\r\nHost: n1\r\nContent-Length: 9\r\n\r\nhalf")
			lasts(t, "half a body", 2*time.Minute, func() { l.answers(http.StatusRequestTimeout) })
		},
		"a write on a node that starts": func(t *testing.T) {
			p := bubbled(t, func(cfg *web.Config) {
				open := cfg.Client
				cfg.Client = func(c kv.Codec) kv.Client { return early{open(c).(*memkv.Client), nil, nil} }
				cfg.Node = lone{starting: true}
			})
			l := p.send("PUT /v1/kv/k HTTP/1.1\r\nHost: n1\r\nContent-Length: 1\r\n\r\nv")
			lasts(t, "the write", 5*time.Second, func() { l.answers(http.StatusServiceUnavailable) })
		},
		"a watch that is silent": func(t *testing.T) {
			l := bubbled(t, nil).watch("")
			l.until("event: sync")
			for range 3 {
				lasts(t, "silence", 15*time.Second, func() { l.until(":") })
			}
		},
		"a watcher that takes nothing": func(t *testing.T) {
			p := bubbled(t, func(cfg *web.Config) { cfg.MaxWatchers = 1 })
			l := p.watch("")
			l.until("event: sync")
			l.until("\n")
			if _, err := p.mem.Put(t.Context(), "k", []byte("v")); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			<-time.After(30*time.Second - 1)
			p.send("GET /v1/watch?prefix= HTTP/1.1\r\nHost: n1\r\n\r\n").answers(http.StatusServiceUnavailable)
			<-time.After(1)
			synctest.Wait()
			p.watch("")
		},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, check) })
	}
}

// TestLimitOfReturning comes back to a watch just in time, and just too late.
func TestLimitOfReturning(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{30*time.Second - 1, "event: put"}, {30*time.Second + 1, "event: reset"}} {
		synctest.Test(t, func(t *testing.T) {
			p := bubbled(t, nil)
			l := p.watch("")
			id := strings.TrimPrefix(l.until("id: "), "id: ")
			l.until("event: sync")
			l.Close()
			synctest.Wait()
			if _, err := p.mem.Put(t.Context(), "k", []byte("v")); err != nil {
				t.Fatal(err)
			}
			<-time.After(c.after)
			if got := p.watch(id).until("event: "); got != c.want {
				t.Errorf("after %v: got %q, want %q", c.after, got, c.want)
			}
		})
	}
}

// TestLimitOfWatches opens as many watches as there may be, and one more.
func TestLimitOfWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := bubbled(t, nil)
		for range 1000 {
			p.watch("")
		}
		p.send("GET /v1/watch?prefix= HTTP/1.1\r\nHost: n1\r\n\r\n").answers(http.StatusServiceUnavailable)
	})
}

// TestLimitOfMissedBytes comes back after values of more bytes than are kept got lost.
func TestLimitOfMissedBytes(t *testing.T) {
	for _, c := range []struct {
		size int
		want string
	}{{100 << 10, "event: put"}, {130 << 10, "event: reset"}} {
		mem, base := serve(t, nil)
		s := follow(t, base, "")
		s.want("sync")
		id := s.lastID()
		for _, key := range []string{"a", "b"} {
			put(t, mem, key, []byte(strings.Repeat("x", c.size)))
			s.want("put")
		}
		s.stop()
		if got, _ := follow(t, base, "", "Last-Event-ID: "+id).next(); "event: "+got != c.want {
			t.Errorf("after two values of %d bytes: got %s, want %s", c.size, got, c.want)
		}
	}
}

// TestLimitOfCodecs writes with as many codecs as a node takes, and one more.
func TestLimitOfCodecs(t *testing.T) {
	_, base := serve(t, nil)
	long := strings.Repeat("c", 64)
	call(t, "PUT", base, "/v1/kv/k", "v", "Starling-Codec: "+long+"c").problem(t, 400, "bad-request")
	call(t, "PUT", base, "/v1/kv/long", "v", "Starling-Codec: "+long).is(t, 201, call(t, "GET", base, "/v1/kv/long", "").written(t, "long"))
	call(t, "PUT", base, "/v1/kv/plain", "v") // is one of them
	for i := range 254 {
		if a := call(t, "PUT", base, fmt.Sprintf("/v1/kv/%d", i), "v", fmt.Sprintf("Starling-Codec: c%d", i)); a.StatusCode != http.StatusCreated {
			t.Fatalf("codec %d: %s %s", i, a.Status, a.body)
		}
	}
	call(t, "PUT", base, "/v1/kv/k", "v", "Starling-Codec: more").problem(t, 503, "busy")
	if a := call(t, "PUT", base, "/v1/kv/k", "v", "Starling-Codec: c7"); a.StatusCode != http.StatusCreated {
		t.Errorf("a codec that is known: %s %s", a.Status, a.body)
	}
}

// written is the answer to the write whose version this answer has.
func (a answer) written(t *testing.T, key string) string {
	t.Helper()
	return fmt.Sprintf("{%q:%q,%q:%s}\n", "key", key, "version", a.Header.Get("ETag"))
}

// TestLimitOfPages asks for pages of the usual size, of the largest, and of a larger one.
func TestLimitOfPages(t *testing.T) {
	mem, base := serve(t, nil)
	for i := range 10_001 {
		put(t, mem, fmt.Sprintf("%05d", i), nil)
	}
	for query, want := range map[string]int{"": 1000, "limit=10000": 10_000} {
		if p := list(t, base, query); len(p.Items) != want || p.Next != fmt.Sprintf("%05d", want-1) {
			t.Errorf("%q: %d items, next %s; want %d", query, len(p.Items), p.Next, want)
		}
	}
	call(t, "GET", base, "/v1/kv?limit=10001", "").problem(t, 400, "bad-request")
}

// TestLimitsPage holds the table of docs/http.md to what the tests here reach.
func TestLimitsPage(t *testing.T) {
	page, err := os.ReadFile("../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n## Limits\n")
	for _, row := range []string{
		"| a key | 1 to 1,024 bytes of UTF-8 without control characters |",
		"| a value | 16 MiB; an envelope twice that and 16 KiB |",
		"| headers of a request | 16 KiB |",
		"| time for the head, for the body of a request | 10 s, 2 minutes |",
		"| time a write waits for a node that starts | 5 s |",
		"| a page of a list | 1,000 entries by default, 10,000 at most, about 8 MiB of values |",
		"| watches at one time | 1,000 |",
		"| time a watcher may take no bytes | 30 s |",
		"| watches kept for a client to come back | 64, each 30 s, 256 events and 256 KiB that may have got lost |",
		"| codecs written with | 256, of at most 64 bytes of printable ASCII |",
	} {
		if !strings.Contains(table, row) {
			t.Errorf("docs/http.md does not say %q", row)
		}
	}
}
