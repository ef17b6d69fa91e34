package httpkv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/httpkv"
	"github.com/starlingkv/starling/web"
)

// next returns the next event, which must come without an error.
func next(t *testing.T, pull func() (kv.Event, error, bool)) kv.Event {
	t.Helper()
	ev, err, ok := pull()
	if err != nil || !ok {
		t.Fatalf("the watch ended: %v", err)
	}
	return ev
}

func want(t *testing.T, pull func() (kv.Event, error, bool), kind kv.EventKind, key string) {
	t.Helper()
	if ev := next(t, pull); ev.Kind != kind || ev.Key != key {
		t.Fatalf("got %v %q, want %v %q", ev.Kind, ev.Key, kind, key)
	}
}

// within returns a context that ends long after everything should have happened.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// counting counts the bytes of the answers that are watches.
type counting struct {
	http.Handler
	bytes atomic.Int64
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1/watch" {
		w = countingWriter{w, &c.bytes}
	}
	c.Handler.ServeHTTP(w, r)
}

type countingWriter struct {
	http.ResponseWriter
	bytes *atomic.Int64
}

func (w countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w countingWriter) Write(b []byte) (int, error) {
	w.bytes.Add(int64(len(b)))
	return w.ResponseWriter.Write(b)
}

// TestAWatchOfOneKeyIsSentThatOnly counts what crosses the wire for one key among 10,000 that begin with it.
func TestAWatchOfOneKeyIsSentThatOnly(t *testing.T) {
	mem, srv := serve(t)
	c := &counting{Handler: srv.Config.Handler}
	front := httptest.NewServer(c)
	t.Cleanup(front.Close)
	put := func(key, text string) {
		if _, err := mem.Put(t.Context(), key, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	siblings := func(text string) {
		for i := range 10_000 {
			put(fmt.Sprint("key", i), text)
		}
	}
	put("key", "one")
	siblings("before")
	told := 0
	open(t, front.URL, kv.Bytes).WatchKey(within(t), "key", func(any) bool {
		if told++; told == 1 {
			siblings("after")
			put("key", "two")
		}
		return told < 2
	})
	if n := c.bytes.Load(); told != 2 || n > 2000 {
		t.Errorf("a watch of one key was told %d values in %d bytes, want two values in less than 2000", told, n)
	}
}

// TestWatchAcrossABrokenStream cuts the connection and changes the state meanwhile: the watch goes on where it was.
func TestWatchAcrossABrokenStream(t *testing.T) {
	mem, srv := serve(t)
	ctx := within(t)
	for _, key := range []string{"kept", "gone"} {
		if _, err := mem.Put(ctx, key, []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	pull, stop := iter.Pull2(open(t, srv.URL, kv.Bytes).Events(ctx, ""))
	defer stop()
	want(t, pull, kv.Put, "gone")
	want(t, pull, kv.Put, "kept")
	want(t, pull, kv.Synced, "")

	for range 3 {
		srv.CloseClientConnections()
		if err := mem.Delete(ctx, "gone"); err != nil {
			t.Fatal(err)
		}
		want(t, pull, kv.Delete, "gone")
		if _, err := mem.Put(ctx, "gone", []byte("v")); err != nil {
			t.Fatal(err)
		}
		want(t, pull, kv.Put, "gone")
	}
}

// TestWatchAcrossARestart has another process answer in the place of the first: the state is told anew.
func TestWatchAcrossARestart(t *testing.T) {
	mem, srv := serve(t)
	ctx := within(t)
	for _, key := range []string{"kept", "gone"} {
		if _, err := mem.Put(ctx, key, []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	var now atomic.Pointer[web.Handler]
	now.Store(srv.Config.Handler.(*web.Handler))
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { now.Load().ServeHTTP(w, r) }))
	defer front.Close()
	pull, stop := iter.Pull2(open(t, front.URL, kv.Bytes).Events(ctx, ""))
	defer stop()
	want(t, pull, kv.Put, "gone")
	want(t, pull, kv.Put, "kept")
	want(t, pull, kv.Synced, "")

	if err := mem.Delete(ctx, "gone"); err != nil {
		t.Fatal(err)
	}
	want(t, pull, kv.Delete, "gone")
	_, other := serve(t)
	now.Store(other.Config.Handler.(*web.Handler))
	front.CloseClientConnections()
	want(t, pull, kv.Reset, "")
	want(t, pull, kv.Synced, "")
	if _, err := open(t, front.URL, kv.Bytes).Put(ctx, "new", []byte("v")); err != nil {
		t.Fatal(err)
	}
	want(t, pull, kv.Put, "new")
}

func TestWatchBeforeTheServerRuns(t *testing.T) {
	mem, srv := serve(t)
	refuse := 2
	before := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse--; refuse >= 0 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		srv.Config.Handler.ServeHTTP(w, r)
	}))
	defer before.Close()
	defer mem.Close()
	pull, stop := iter.Pull2(open(t, before.URL, kv.Bytes).Events(within(t), ""))
	defer stop()
	want(t, pull, kv.Synced, "") // nothing was told before, so nothing is reset
}

func TestWatchThatIsRefusedEnds(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	for _, err := range open(t, srv.URL, kv.Bytes).Events(within(t), "") {
		var p *httpkv.Problem
		if !errors.As(err, &p) || p.Status != http.StatusNotFound {
			t.Fatalf("got %v, want the refusal", err)
		}
		return
	}
	t.Fatal("the watch ended without an error")
}

func TestUnreachable(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	c := open(t, srv.URL, kv.Bytes)
	_, err := c.Get(t.Context(), "k")
	var of *kv.Error
	if !errors.Is(err, kv.ErrUnreachable) || !errors.As(err, &of) || of.Key != "k" {
		t.Errorf("Get: got %v, want ErrUnreachable with the key", err)
	}
	if err := kv.Require(c, kv.Expiry); !errors.Is(err, kv.ErrUnsupported) {
		t.Errorf("Require: got %v, want ErrUnsupported: nobody promised", err)
	}
	c.Close()
	if _, err := c.Get(t.Context(), "k"); !errors.Is(err, kv.ErrClosed) || errors.Is(err, kv.ErrUnreachable) {
		t.Errorf("closed: got %v, want ErrClosed", err)
	}
}

// TestEndlessProblem asks a server whose refusal never ends: the client reads a bounded part of it.
func TestEndlessProblem(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusBadRequest)
		for err := error(nil); err == nil; {
			_, err = w.Write(bytes.Repeat([]byte(" "), 64<<10))
		}
	}))
	defer srv.Close()
	_, err := open(t, srv.URL, kv.Bytes).Get(t.Context(), "k")
	if of := new(httpkv.Problem); !errors.As(err, &of) || of.Status != http.StatusBadRequest {
		t.Errorf("got %v, want a problem of 400", err)
	}
}

// TestClosedClient closes the client of a server that runs: nothing more is done by it, not even now and then.
func TestClosedClient(t *testing.T) {
	mem, srv := serve(t)
	c := open(t, srv.URL, kv.Bytes)
	c.Close()
	for range 200 {
		if _, err := c.Put(t.Context(), "k", []byte("v")); !errors.Is(err, kv.ErrClosed) {
			t.Fatalf("Put: got %v, want ErrClosed", err)
		}
	}
	if v, err := mem.Get(t.Context(), "k"); v != nil || err != nil {
		t.Errorf("a closed client wrote %s, %v", v, err)
	}
}

func TestCauseOfAnEndedCall(t *testing.T) {
	held := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-held }))
	defer srv.Close()
	defer close(held)
	c := open(t, srv.URL, kv.Bytes)
	cause := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, cause)
	defer cancel()
	if _, err := c.Get(ctx, "k"); !errors.Is(err, cause) || errors.Is(err, kv.ErrUnreachable) {
		t.Errorf("got %v, want the cause", err)
	}
}

func TestCapabilities(t *testing.T) {
	mem, srv := serve(t)
	if got, want := open(t, srv.URL, kv.Bytes).Capabilities(), mem.Capabilities(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := kv.Require(open(t, srv.URL, kv.Bytes), kv.LinearizableCAS, kv.Expiry); err != nil {
		t.Error(err)
	}
}

func TestEntriesOverSeveralPages(t *testing.T) {
	mem, srv := serve(t)
	const keys = 1203
	for i := range keys {
		if _, err := mem.Put(t.Context(), fmt.Sprintf("p/%04d", i), []byte{0xff, byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	i := 0
	for e, err := range open(t, srv.URL, kv.Bytes).Entries(t.Context(), "p/", "") {
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("p/%04d", i); e.Key != want || string(e.Value.([]byte)) != string([]byte{0xff, byte(i)}) {
			t.Fatalf("got %q = %v, want %s", e.Key, e.Value, want)
		}
		i++
	}
	if i != keys {
		t.Errorf("got %d entries, want %d", i, keys)
	}
}

func TestAddresses(t *testing.T) {
	for _, bad := range []string{"", "127.0.0.1:7070", "ftp://h", "http://", "http://h/?q", "http://h/#f", ":"} {
		if _, err := httpkv.New(bad, kv.Bytes); err == nil {
			t.Errorf("%q is taken for an address", bad)
		}
	}
	mem, srv := serve(t)
	prefixed := httptest.NewServer(http.StripPrefix("/at", srv.Config.Handler))
	defer prefixed.Close()
	c := open(t, prefixed.URL+"/at/", kv.Bytes)
	for _, key := range []string{"/a//b", "..", ".", "a/../b", "grün %2F?#+ ;", strings.Repeat("/", kv.MaxKey)} {
		if _, err := c.Put(t.Context(), key, []byte(key)); err != nil {
			t.Fatalf("%q: %v", key, err)
		}
		if v, err := mem.Get(t.Context(), key); err != nil || v == nil || string(v.([]byte)) != key {
			t.Errorf("%q was stored as %v, %v", key, v, err)
		}
	}
}
