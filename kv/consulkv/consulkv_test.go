package consulkv_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/consulkv"
)

// What the real agent says to all this is in lab/consul; here are the servers that are none.

func TestNewRefuses(t *testing.T) {
	for want, c := range map[string]struct {
		address string
		opts    []consulkv.Option
	}{
		"want something like":           {address: ""},
		"want something like http":      {address: "127.0.0.1:8500"},
		"unix":                          {address: "unix:///run/consul.sock"},
		"want something":                {address: "http://user:s3cret@h:8500"},
		"TLS needs https":               {address: "http://h:8500", opts: []consulkv.Option{consulkv.TLS(&tls.Config{MinVersion: tls.VersionTLS12})}},
		`prefix "/registry/"`:           {address: "http://h:8500", opts: []consulkv.Option{consulkv.Prefix("/registry/")}},
		`prefix "a//b"`:                 {address: "http://h:8500", opts: []consulkv.Option{consulkv.Prefix("a//b")}},
		`prefix "100%"`:                 {address: "http://h:8500", opts: []consulkv.Option{consulkv.Prefix("100%")}},
		`prefix "\n"`:                   {address: "http://h:8500", opts: []consulkv.Option{consulkv.Prefix("\n")}},
		"give a time above zero":        {address: "http://h:8500", opts: []consulkv.Option{consulkv.Patience(0)}},
		"consulkv: address \"ftp://h\"": {address: "ftp://h"},
	} {
		client, err := consulkv.New(c.address, kv.Bytes, c.opts...)
		if err == nil {
			client.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%q) = %v, want an error about %s", c.address, err, want)
		}
	}
}

// serve answers every request with f.
func serve(t *testing.T, f http.HandlerFunc, opts ...consulkv.Option) *consulkv.Client {
	t.Helper()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	c, err := consulkv.New(srv.URL, kv.String, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestAServerThatIsNoConsul is refused at once, with its words.
func TestAServerThatIsNoConsul(t *testing.T) {
	for want, f := range map[string]http.HandlerFunc{
		"no answer of a Consul server": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>hello</html>") },
		"no answer":                    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"Key":7}`) },
		"status 401: who are you":      func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "who are you", http.StatusUnauthorized) },
	} {
		c := serve(t, f)
		for op, call := range map[string]func() error{
			"Get":  func() error { _, err := c.Get(t.Context(), "k"); return err },
			"Put":  func() error { _, err := c.Put(t.Context(), "k", "v"); return err },
			"List": func() error { _, err := c.List(t.Context(), ""); return err },
		} {
			if err := call(); err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, kv.ErrUnreachable) {
				t.Errorf("%s = %v, want an error with %q", op, err, want)
			}
		}
	}
}

// TestTroubleThatPasses is tried again until it has.
func TestTroubleThatPasses(t *testing.T) {
	var calls atomic.Int64
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		switch calls.Add(1) {
		case 1:
			http.Error(w, "No cluster leader", http.StatusInternalServerError)
		case 2:
			http.Error(w, "Your IP is issuing too many concurrent connections", http.StatusTooManyRequests)
		case 3:
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	if v, err := c.Get(t.Context(), "k"); v != nil || err != nil || calls.Load() != 4 {
		t.Errorf("got %v, %v after %d calls; want nothing, after four", v, err, calls.Load())
	}
}

// A server, or what stands before it, that gives no index must not be asked in a busy loop.
func TestAWatchWithoutAnIndexIsPaced(t *testing.T) {
	var asked atomic.Int64
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, "[]")
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for range c.Events(ctx, "") {
	}
	if n := asked.Load(); n < 33 || n > 32+20+2 {
		t.Errorf("asked %d times in a second, want the burst of 32 and 20 more", n)
	}
}

// Reads are consistent unless something else was asked for, those of a watch too.
func TestReadsAreConsistentUnlessStaleOnesAreAllowed(t *testing.T) {
	for want, opts := range map[string][]consulkv.Option{"consistent": nil, "stale": {consulkv.Stale()}} {
		var asked atomic.Int64
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			if q := r.URL.Query(); q.Has("consistent") == q.Has("stale") || !q.Has(want) {
				t.Errorf("asked %s, want %s", r.URL, want)
			}
			fmt.Fprint(w, "[]")
		}, opts...)
		_, _ = c.Get(t.Context(), "k")
		_, _ = c.List(t.Context(), "")
		for range c.Events(t.Context(), "") {
			break
		}
		if n := asked.Load(); n != 3 {
			t.Errorf("%d questions, want three", n)
		}
	}
}

// After trouble, and after an index that went back, a watch asks for the state and not for news.
func TestAWatchAsksForTheStateAfterTrouble(t *testing.T) {
	asked := make(chan string, 16)
	var calls atomic.Int64
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Query().Get("index")
		switch calls.Add(1) {
		case 1, 3:
			w.Header().Set("X-Consul-Index", "40")
		case 2:
			http.Error(w, "No cluster leader", http.StatusInternalServerError)
			return
		case 4, 5:
			w.Header().Set("X-Consul-Index", "7")
		default:
			<-r.Context().Done()
		}
		fmt.Fprint(w, "[]")
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range c.Events(ctx, "") {
		}
	}()
	for i, want := range []string{"", "40", "", "40", "", "7"} {
		if got := <-asked; got != want {
			t.Errorf("question %d has index %q, want %q", i+1, got, want)
		}
	}
	cancel()
	<-ended
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	asked := make(chan struct{}, 8)
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	ended := make(chan error, 2)
	go func() {
		_, err := c.Get(context.Background(), "k")
		ended <- err
	}()
	go func() {
		for _, err := range c.Events(context.Background(), "") {
			ended <- err
		}
	}()
	<-asked
	<-asked
	c.Close()
	for range 2 {
		if err := <-ended; !errors.Is(err, kv.ErrClosed) {
			t.Errorf("ended with %v, want ErrClosed", err)
		}
	}
	if _, err := c.Put(t.Context(), "k", "v"); !errors.Is(err, kv.ErrClosed) {
		t.Errorf("Put after Close = %v, want ErrClosed", err)
	}
}
