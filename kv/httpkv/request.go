package httpkv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/starlingkv/starling/kv"
)

const (
	// learnWithin bounds the one request that has no context of a caller.
	learnWithin = 2 * time.Second
	// maxPage bounds what is read of a JSON answer: a page of the server, whose values may be escaped byte by byte.
	maxPage = 256 << 20
)

// call is one request to be sent.
type call struct {
	method string
	path   string
	query  url.Values
	header http.Header
	body   []byte
}

// send sends the call and returns the answer if it is a success; whoever gets it closes its body. Reading it ends with ctx
// and with the client.
func (s *server) send(ctx context.Context, c call) (*http.Response, error) {
	if s.life.Err() != nil {
		return nil, kv.ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(s.life, cancel)
	release := func() {
		unhook()
		cancel()
	}
	resp, err := s.attempt(ctx, c)
	if err != nil {
		release()
		return nil, err
	}
	resp.Body = &body{ReadCloser: resp.Body, release: release}
	return resp, nil
}

func (s *server) attempt(ctx context.Context, c call) (*http.Response, error) {
	target := s.base + c.path
	if len(c.query) > 0 {
		target += "?" + c.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, c.method, target, bytes.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, broken(err)
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		return nil, problemOf(resp)
	}
	return resp, nil
}

// body is the body of an answer, with what its request holds on to.
type body struct {
	io.ReadCloser
	release func()
}

// Close is part of io.Closer.
func (b *body) Close() error {
	defer b.release()
	return b.ReadCloser.Close()
}

// exchange sends the call and reads the whole answer, at most limit bytes of it.
func (s *server) exchange(ctx context.Context, c call, limit int64) (http.Header, []byte, error) {
	var told exchange
	resp, err := s.send(told.listen(ctx), c)
	if err != nil {
		return nil, nil, told.outcome(c, s.outcome(ctx, err))
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return nil, nil, told.outcome(c, s.outcome(ctx, broken(err)))
	case int64(len(b)) > limit:
		return nil, nil, fmt.Errorf("the answer of the server is longer than %d bytes", limit)
	}
	return resp.Header, b, nil
}

// exchange is what is known of a request that has no answer.
type exchange struct {
	sent  atomic.Bool // there was a connection for it: it may have arrived
	waits atomic.Bool // the server has said that a write waits for a node that starts
}

// listen returns a ctx for the request that hears of it.
func (x *exchange) listen(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { x.sent.Store(true) },
		Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
			if code == http.StatusProcessing {
				x.waits.Store(true)
			}
			return nil
		},
	})
}

// outcome is the error of a request that ended with err: if it waited for a node that starts, it says so, and a write that
// the server may have got without an answer of its own is one of which nobody knows whether it happened.
func (x *exchange) outcome(c call, err error) error {
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	var p *Problem
	switch {
	case x.waits.Load() && ended:
		return fmt.Errorf("%w: %w", kv.ErrNotReady, err)
	case c.method != http.MethodGet && x.sent.Load() && !errors.As(err, &p) && (ended || errors.Is(err, kv.ErrUnreachable)):
		return fmt.Errorf("%w: %w", kv.ErrUnknown, err)
	}
	return err
}

// broken says why no answer came.
func broken(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err // the rest names a URL that the caller knows
	}
	return fmt.Errorf("%w: %w", kv.ErrUnreachable, err)
}

// outcome prefers the end of the client, or of the caller's ctx, to whatever that broke.
func (s *server) outcome(ctx context.Context, err error) error {
	if err == nil || !errors.Is(err, kv.ErrUnreachable) {
		return err
	}
	if s.life.Err() != nil {
		return kv.ErrClosed
	}
	if ended := kv.Ended(ctx); ended != nil {
		return ended
	}
	return err
}

// json sends a request to a route, whose path is percent-encoded, and reads the answer into v.
func (s *server) json(ctx context.Context, method, path string, v any) error {
	path, query, _ := strings.Cut(path, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return err
	}
	_, body, err := s.exchange(ctx, call{method: method, path: path, query: values}, maxPage)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("the answer to %s is not what a starling server says: %w", path, err)
	}
	return nil
}

// learn returns what the server's store promises, asking once.
func (s *server) learn(ctx context.Context) (kv.Capabilities, error) {
	s.mu.Lock()
	known := s.can
	s.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, learnWithin)
	defer cancel()
	var status struct {
		Capabilities struct {
			LinearizableCAS bool    `json:"linearizable_cas"`
			OrderedWatch    bool    `json:"ordered_watch"`
			TTL             bool    `json:"ttl"`
			TTLSlackSeconds float64 `json:"ttl_slack_seconds"`
			Persistent      bool    `json:"persistent"`
			MaxValue        int     `json:"max_value"`
			MediaTypes      bool    `json:"media_types"`
		} `json:"capabilities"`
	}
	if err := s.json(ctx, http.MethodGet, "/v1/status", &status); err != nil {
		return kv.Capabilities{}, err
	}
	c := status.Capabilities
	can := kv.Capabilities{
		LinearizableCAS: c.LinearizableCAS,
		OrderedWatch:    c.OrderedWatch,
		TTL:             c.TTL,
		TTLSlack:        time.Duration(c.TTLSlackSeconds * float64(time.Second)),
		Persistent:      c.Persistent,
		MaxValue:        c.MaxValue,
		Media:           c.MediaTypes,
	}
	s.mu.Lock()
	s.can = &can
	s.mu.Unlock()
	return can, nil
}
