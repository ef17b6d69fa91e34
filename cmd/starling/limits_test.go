package main

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling"
)

// pipes is a listener in the bubble of a test.
type pipes chan net.Conn

// Accept is part of net.Listener.
func (p pipes) Accept() (net.Conn, error) {
	if c, open := <-p; open {
		return c, nil
	}
	return nil, net.ErrClosed
}

// Close is part of net.Listener.
func (p pipes) Close() error {
	close(p)
	return nil
}

// Addr is part of net.Listener.
func (pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestServerEndsIdleConnections sends half a head, and then nothing after an answer: each connection ends when its time
// is over.
func TestServerEndsIdleConnections(t *testing.T) {
	for _, c := range []struct {
		what, sent string
		want       time.Duration
	}{
		{"half a head", "GET /livez HTTP/1.1\r\nHost: n1\r\n", 10 * time.Second},
		{"nothing", "", 10 * time.Second},
		{"silence after an answer", "GET /livez HTTP/1.1\r\nHost: n1\r\n\r\n", 2 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			at := make(pipes)
			srv := serverOf(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
			go func() { _ = srv.Serve(at) }()
			defer srv.Close()
			near, far := net.Pipe()
			defer near.Close()
			at <- far
			began := time.Now()
			if _, err := io.WriteString(near, c.sent); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, near); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took != c.want {
				t.Errorf("after %s the connection ended in %v, want %v", c.what, took, c.want)
			}
		})
	}
}

// TestServerBoundsTheHead sends heads of the largest size, and one byte more.
func TestServerBoundsTheHead(t *testing.T) {
	n := open(t, starling.Options{Name: "n1"})
	for _, c := range []struct{ size, status int }{
		{16 << 10, http.StatusOK},
		{16<<10 + 1, http.StatusRequestHeaderFieldsTooLarge},
		{1 << 20, http.StatusRequestHeaderFieldsTooLarge},
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		head := "GET /livez HTTP/1.1\r\nHost: n1\r\nFiller: "
		head += strings.Repeat("x", c.size-len(head)-4) + "\r\n\r\n"
		go func() { _, _ = io.WriteString(conn, head) }() // the server need not read all of it
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != c.status {
			t.Errorf("a head of %d bytes: got %v, %v, want %d", len(head), resp, err, c.status)
		}
	}
}
