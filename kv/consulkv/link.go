package consulkv

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/starlingkv/starling/kv"
)

const (
	// The wait before a call is tried again doubles from the first to the last.
	firstWait = 10 * time.Millisecond
	lastWait  = time.Second
	// dialWithin bounds one attempt to connect.
	dialWithin = 5 * time.Second
	// maxAnswer bounds what is read of one answer: Consul has no pages, so a list is one answer.
	maxAnswer = 256 << 20
)

// store is the server. It implements kv.Backend.
type store struct {
	config
	api    *api.Client
	http   *http.Client
	life   context.Context // ends with close
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

// bound returns a context that ends with ctx, with the client, and, if ctx has no deadline, when patience does.
func (s *store) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	cancel := context.CancelFunc(func() {})
	if _, limited := ctx.Deadline(); !limited {
		ctx, cancel = context.WithTimeout(ctx, s.patience)
	}
	ctx, end := context.WithCancel(ctx)
	unhook := context.AfterFunc(s.life, end)
	return ctx, func() {
		unhook()
		end()
		cancel()
	}
}

// attempt calls f until it gets an answer. The error of f is that of Consul's client, or one of this module.
func (s *store) attempt(caller context.Context, f func(context.Context) error) error {
	ctx, cancel := s.bound(caller)
	defer cancel()
	var last error
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		if s.life.Err() != nil {
			return kv.ErrClosed
		}
		err := f(ctx)
		switch {
		case err == nil:
			return nil
		case s.life.Err() != nil:
			return kv.ErrClosed
		case ctx.Err() != nil:
			return s.gaveUp(caller, ctx, last)
		}
		if final := s.final(err); final != nil {
			return final
		}
		last = err
		if !pause(ctx, wait) && s.life.Err() == nil {
			return s.gaveUp(caller, ctx, last)
		}
	}
}

// gaveUp says why a call ended without an answer: the end of its ctx, and what went wrong until then.
func (s *store) gaveUp(caller, bounded context.Context, last error) error {
	ended := kv.Ended(caller)
	switch {
	case ended == nil:
		ended = fmt.Errorf("%w after %v", kv.Ended(bounded), s.patience)
	case last == nil && errors.Is(ended, context.Canceled):
		return ended // nothing went wrong: nobody wanted the answer any more
	}
	if last == nil {
		last = errors.New("it is silent")
	}
	return fmt.Errorf("%w: %s: %w: %w", kv.ErrUnreachable, s.where(), reason(last), ended)
}

// where names the server.
func (s *store) where() string { return "consul " + s.address }

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
			return fmt.Errorf("%w: %s: %w", kv.ErrTooLarge, s.where(), reason(err))
		case said.Code == http.StatusTooManyRequests, said.Code >= 500 && !strings.Contains(said.Body, "Invalid Session"):
			return nil
		}
		return fmt.Errorf("%s: %w", s.where(), reason(err))
	}
	var odd *json.SyntaxError
	var oddType *json.UnmarshalTypeError
	if errors.As(err, &odd) || errors.As(err, &oddType) {
		return fmt.Errorf("%s: this is no answer of a Consul server: %w", s.where(), err)
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

// pause waits, and reports whether ctx still lives. A random half is taken away, so that the clients of a server that
// restarts do not come all at once.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d/2 + rand.N(d/2+1))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
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
