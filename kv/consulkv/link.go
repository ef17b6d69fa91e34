package consulkv

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/starlingkv/starling/internal/retry"
	"github.com/starlingkv/starling/kv"
)

// waits are those before a call is tried again.
var waits = retry.Backoff{First: 10 * time.Millisecond, Last: time.Second}

const (
	// dialWithin bounds one attempt to connect.
	dialWithin = 5 * time.Second
	// maxAnswer bounds what is read of one answer: Consul has no pages, so a list is one answer.
	maxAnswer = 256 << 20
)

// store is the server. It implements kv.Backend.
type store struct {
	config
	*retry.Loop
	api    *api.Client
	http   *http.Client
	end    context.CancelCauseFunc
	kinds  kinds
	expiry *expiry

	leftOut atomic.Uint64 // rows that are nothing here
	logOnce sync.Once     // of these the first is logged
}

// newHTTP returns the HTTP client of one store. HTTP/2 is left out: there a connection that has died silently would be
// every watch's.
func newHTTP(t *tls.Config) *http.Client {
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialWithin}).DialContext,
		TLSClientConfig:       t.Clone(),
		TLSHandshakeTimeout:   dialWithin,
		TLSNextProto:          map[string]func(string, *tls.Conn) http.RoundTripper{},
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
	return &http.Client{Transport: bounded{transport}}
}

// bounded is a transport whose answers end.
type bounded struct{ *http.Transport }

// RoundTrip is part of http.RoundTripper.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.Transport.RoundTrip(req)
	if err == nil {
		resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxAnswer}
	}
	return resp, err
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

var errLong = fmt.Errorf("an answer of more than %d bytes: choose a longer prefix", maxAnswer)

// Read is part of io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errLong
	}
	return n, err
}

func (s *store) close() {
	s.end(kv.ErrClosed)
	s.expiry.close()
	s.http.CloseIdleConnections()
}

// reason is what matters of an error of Consul's client.
func reason(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err // the rest names a URL that the caller knows
	}
	if said, ok := saidOf(err); ok {
		return fmt.Errorf("status %d: %s", said.Code, firstLine(said.Body))
	}
	return err
}

func saidOf(err error) (api.StatusError, bool) {
	var said api.StatusError
	return said, errors.As(err, &said)
}

// firstLine shortens what a server said.
func firstLine(text string) string {
	const most = 300
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	return text[:min(len(text), most)]
}

// final returns the error that another try would not change, nil if one might.
func (s *store) final(err error) error {
	for _, own := range []error{kv.ErrConflict, kv.ErrType, kv.ErrTooLarge, kv.ErrClosed, kv.ErrUnsupported, kv.ErrUnknown, errLong} {
		if errors.Is(err, own) {
			return err
		}
	}
	var no *refusal
	if errors.As(err, &no) {
		return err
	}
	if said, ok := saidOf(err); ok {
		switch {
		case said.Code == http.StatusRequestEntityTooLarge:
			return fmt.Errorf("%w: %s: %w", kv.ErrTooLarge, s.Where, reason(err))
		case said.Code == http.StatusTooManyRequests, said.Code >= 500 && !strings.Contains(said.Body, "Invalid Session"):
			return nil
		}
		return fmt.Errorf("%s: %w", s.Where, reason(err))
	}
	var odd *json.SyntaxError
	var oddType *json.UnmarshalTypeError
	if errors.As(err, &odd) || errors.As(err, &oddType) {
		return fmt.Errorf("%s: this is no answer of a Consul server: %w", s.Where, err)
	}
	return nil
}

// unsent reports whether a call that failed has certainly changed nothing.
func unsent(err error) bool {
	var of *net.OpError
	if errors.As(err, &of) && of.Op == "dial" {
		return true
	}
	said, ok := saidOf(err)
	return ok && said.Code < 500
}

// query is how this client reads.
func (s *store) query(ctx context.Context) *api.QueryOptions {
	q := &api.QueryOptions{RequireConsistent: s.reads == consistent, AllowStale: s.reads == stale}
	return q.WithContext(ctx)
}

func write(ctx context.Context) *api.WriteOptions { return (&api.WriteOptions{}).WithContext(ctx) }

// leave counts a row that others wrote and that is nothing here, and logs the first.
func (s *store) leave(path string) {
	s.leftOut.Add(1)
	s.logOnce.Do(func() {
		s.log.Warn("row of Consul left out, as it is no key here; more of its kind are only counted", "path", path)
	})
}
