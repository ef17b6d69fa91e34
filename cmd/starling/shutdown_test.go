package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// answer is what a process says to one request, on a connection of its own.
func (p *process) answer(t *testing.T, method, path, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.HTTP+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	alone := &http.Transport{}
	defer alone.CloseIdleConnections()
	resp, err := alone.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s: %s %s: %v", p.Node, method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: %s %s: %v", p.Node, method, path, err)
	}
	return resp, string(text)
}

// lineWatch is a watch as lines of JSON, as they come, and what it ended with.
type lineWatch struct {
	lines chan string
	ended error
}

// watchLines watches all keys of a process. It returns when it is told the present state.
func watchLines(t *testing.T, p *process) *lineWatch {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.HTTP+"/v1/watch?prefix=", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	w := &lineWatch{lines: make(chan string, 100)}
	go func() {
		defer close(w.lines)
		defer resp.Body.Close()
		in := bufio.NewReader(resp.Body)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				w.ended = err
				if line != "" {
					w.ended = errors.New("the last line is not whole: " + line)
				}
				return
			}
			w.lines <- line
		}
	}()
	w.awaits(t, "sync", "")
	return w
}

// awaits reads up to an event.
func (w *lineWatch) awaits(t *testing.T, event, key string) {
	t.Helper()
	overdue := time.After(30 * time.Second)
	for {
		select {
		case line, open := <-w.lines:
			var r record
			if !open {
				t.Fatalf("the watch ended before %s %q: %v", event, key, w.ended)
			} else if json.Unmarshal([]byte(line), &r) == nil && r.Event == event && r.Key == key {
				return
			}
		case <-overdue:
			t.Fatalf("the watch says no %s %q", event, key)
		}
	}
}

// over reads up to the end, which is one that a client can tell from a break.
func (w *lineWatch) over(t *testing.T) {
	t.Helper()
	overdue := time.After(30 * time.Second)
	for {
		select {
		case _, open := <-w.lines:
			if open {
				continue
			}
			if !errors.Is(w.ended, io.EOF) {
				t.Errorf("the watch ended with %v, want its proper end", w.ended)
			}
			return
		case <-overdue:
			t.Fatal("the watch does not end")
		}
	}
}

// unready waits until a process says that nobody should come any more.
func (p *process) unready(t *testing.T) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	overdue := time.After(30 * time.Second)
	for {
		resp, text := p.answer(t, http.MethodGet, "/readyz?verbose", "")
		if resp.StatusCode == http.StatusServiceUnavailable && strings.Contains(text, "[-] stays failed") && strings.Contains(text, "[+] running ok") {
			return
		}
		select {
		case <-look.C:
		case <-overdue:
			t.Fatalf("%s: after SIGTERM /readyz says %d %s", p.Node, resp.StatusCode, text)
		}
	}
}

// servers is a node, and a server of a store, with flags of their own.
var servers = map[string][]string{
	"a node":  {"--bind", "127.0.0.1:0", "--http", "127.0.0.1:0"},
	"a store": {"--store", "mem://", "--http", "127.0.0.1:0"},
}

// TestServerServesWhileItIsTakenOut ends servers as a service manager does that gives balancers time: they are not ready any
// more, and serve all the same. A second signal ends them at once.
func TestServerServesWhileItIsTakenOut(t *testing.T) {
	for what, args := range servers {
		n := start(t, append(args, "--shutdown-delay", "1h")...)
		watch := watchLines(t, n)
		n.signal(t, syscall.SIGTERM)
		n.unready(t)
		for _, c := range []struct {
			method, path string
			want         int
		}{
			{http.MethodGet, "/livez", http.StatusOK},
			{http.MethodPut, "/v1/kv/late", http.StatusCreated},
			{http.MethodGet, "/v1/kv/late", http.StatusOK},
			{http.MethodGet, "/v1/status", http.StatusOK},
		} {
			resp, text := n.answer(t, c.method, c.path, "v")
			if resp.StatusCode != c.want || !resp.Close {
				t.Errorf("%s: %s %s says %d, closes the connection: %v; want %d and true\n%s", what, c.method, c.path, resp.StatusCode, resp.Close, c.want, text)
			}
		}
		watch.awaits(t, "put", "late")
		watchLines(t, n) // one may begin, too
		n.signal(t, syscall.SIGTERM)
		select {
		case <-n.gone:
		case <-time.After(30 * time.Second):
			t.Fatalf("%s: a second SIGTERM does not end it", what)
		}
		if how := n.cmd.ProcessState.Sys().(syscall.WaitStatus); !how.Signaled() || how.Signal() != syscall.SIGTERM {
			t.Errorf("%s: it ended with %v, want by the signal", what, n.cmd.ProcessState)
		}
	}
}

// TestServerEndsAfterTheDelay lets the delay pass: watches end properly, and a node hands over.
func TestServerEndsAfterTheDelay(t *testing.T) {
	const delay = 300 * time.Millisecond
	for what, args := range servers {
		n := start(t, append(args, "--shutdown-delay", delay.String())...)
		watch := watchLines(t, n)
		began := time.Now()
		n.leave(t)
		if took := time.Since(began); took < delay {
			t.Errorf("%s: it ended after %v, want %v or more", what, took, delay)
		}
		watch.over(t)
	}
}
