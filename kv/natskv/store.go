package natskv

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/starlingkv/starling/internal/retry"
	"github.com/starlingkv/starling/kv"
)

// store is a bucket on a connection. It implements kv.Backend.
type store struct {
	config
	*retry.Loop
	conn *nats.Conn
	js   jetstream.JetStream
	end  context.CancelCauseFunc

	mu    sync.Mutex // guards what follows
	known *bucket    // nil until it was looked up
	why   error      // why there is no connection, nil while there is one
	line  context.Context
	cut   context.CancelFunc // ends line: the connection broke, and messages may have been lost
	odd   map[string]bool    // names that are no keys and were logged
}

// maxOdd bounds the memory for names that are no keys; past it the log may tell one twice.
const maxOdd = 1024

func newStore(servers string, c config) (*store, error) {
	s := &store{config: c, odd: make(map[string]bool)}
	life, end := context.WithCancelCause(context.Background())
	s.end = end
	s.Loop = &retry.Loop{
		Where: "nats " + hosts(servers), Life: life, Patience: c.patience, Waits: waits, Final: s.final, Reason: s.because,
	}
	s.line, s.cut = context.WithCancel(life)
	conn, err := nats.Connect(servers, append([]nats.Option{nats.Name("starling")}, append(c.connect, s.options()...)...)...)
	if err != nil {
		s.end(err)
		return nil, fmt.Errorf("%s: %w", s.Where, err)
	}
	s.conn = conn
	if s.js, err = jetstream.New(conn); err != nil {
		s.close()
		return nil, fmt.Errorf("%s: %w", s.Where, err)
	}
	return s, nil
}

// options are those of the connection that are the client's own. What was not sent while there was no connection is not
// kept for later: its caller tries again, or has gone.
func (s *store) options() []nats.Option {
	return []nats.Option{
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectBufSize(-1),
		nats.CustomReconnectDelay(reconnects.After),
		nats.ConnectHandler(func(*nats.Conn) { s.connected() }),
		nats.ReconnectHandler(func(*nats.Conn) { s.connected() }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { s.disconnected(err) }),
		nats.ReconnectErrHandler(func(conn *nats.Conn, err error) { s.failed(conn, err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			s.log.Warn("nats error", "servers", s.Where, "err", err)
		}),
	}
}

// reconnects are the waits after all servers were tried.
var reconnects = retry.Backoff{First: 50 * time.Millisecond, Last: 2 * time.Second}

// hosts returns the addresses without user names, passwords and tokens.
func hosts(servers string) string {
	var out []string
	for server := range strings.SplitSeq(servers, ",") {
		server = strings.TrimSpace(server)
		if u, err := url.Parse(server); err == nil && u.Host != "" {
			server = u.Host
		} else if i := strings.LastIndexByte(server, '@'); i >= 0 {
			server = server[i+1:]
		}
		out = append(out, server)
	}
	return strings.Join(out, ",")
}

func (s *store) connected() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.why = nil
}

func (s *store) disconnected(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut()
	s.line, s.cut = context.WithCancel(s.Life)
	if err == nil {
		err = nats.ErrDisconnected
	}
	s.why = err
	s.known = nil // while we were away it may have been removed and made anew
}

func (s *store) failed(conn *nats.Conn, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && !conn.IsConnected() {
		s.why = err
	}
}

func (s *store) close() {
	s.end(kv.ErrClosed)
	s.conn.Close()
}

// because adds to err why there is no connection, if there is none.
func (s *store) because(err error) error {
	s.mu.Lock()
	why := s.why
	s.mu.Unlock()
	if why == nil {
		why = s.conn.LastError() // of what was asked, as a missing permission
	}
	if why != nil && !errors.Is(err, why) {
		err = fmt.Errorf("%w (%w)", err, why)
	}
	return err
}

// bucket is what is known of the bucket. It never changes.
type bucket struct {
	stream   string
	prefix   string // of the subjects
	identity string // begins every version: a bucket of the same name made anew counts from one again
	ttl      bool
	markers  time.Duration // how long a delete is remembered; zero: for ever
	limit    int           // bytes of the largest value
	window   time.Duration // for how long the server knows a write again
}

// reserve is what the headers of a message may take of the server's limit.
const reserve = 1024

// open returns the bucket, which it looks up or makes if it is not known yet.
func (s *store) open(ctx context.Context) (*bucket, error) {
	s.mu.Lock()
	b := s.known
	s.mu.Unlock()
	if b != nil {
		return b, nil
	}
	info, err := s.lookUp(ctx)
	if err != nil {
		return nil, err
	}
	if b, err = s.admit(info); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = b
	return b, nil
}

// forget makes the next call look the bucket up.
func (s *store) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = nil
}

func (s *store) lookUp(ctx context.Context) (*jetstream.StreamInfo, error) {
	ctx, cancel := s.request(ctx, answerWithin)
	defer cancel()
	stream, err := s.js.Stream(ctx, "KV_"+s.bucket)
	if err == nil {
		return stream.CachedInfo(), nil
	}
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, err
	}
	config := jetstream.KeyValueConfig{
		Bucket: s.bucket, Replicas: s.replicas, History: 1, LimitMarkerTTL: markerTTL,
	}
	_, err = s.js.CreateKeyValue(ctx, config)
	if errors.Is(err, jetstream.ErrLimitMarkerTTLNotSupported) {
		config.LimitMarkerTTL = 0
		_, err = s.js.CreateKeyValue(ctx, config)
	}
	if err != nil && !errors.Is(err, jetstream.ErrBucketExists) {
		return nil, err
	}
	if stream, err = s.js.Stream(ctx, "KV_"+s.bucket); err != nil {
		return nil, err
	}
	return stream.CachedInfo(), nil
}

// errUnfit is a bucket that does not keep what the contract asks for.
var errUnfit = errors.New("the bucket does not keep values")

func (s *store) admit(info *jetstream.StreamInfo) (*bucket, error) {
	c := info.Config
	switch {
	case c.MaxAge > 0:
		return nil, fmt.Errorf("%w: %q drops them after %v; make it without a TTL", errUnfit, s.bucket, c.MaxAge)
	case c.Mirror != nil || c.Discard != jetstream.DiscardNew && (c.MaxBytes > 0 || c.MaxMsgs > 0):
		return nil, fmt.Errorf("%w: %q is a mirror or drops old ones when it is full", errUnfit, s.bucket)
	}
	limit := int(s.conn.MaxPayload())
	if c.MaxMsgSize > 0 {
		limit = min(limit, int(c.MaxMsgSize))
	}
	return &bucket{
		stream:   c.Name,
		prefix:   "$KV." + s.bucket + ".",
		identity: fmt.Sprintf("%x", info.Created.UnixNano()),
		ttl:      c.AllowMsgTTL && c.MaxMsgsPerSubject == 1,
		markers:  c.SubjectDeleteMarkerTTL,
		limit:    min(kv.MaxValue, max(0, limit-reserve)),
		window:   c.Duplicates,
	}, nil
}

// slack is how late an expiry may be: a TTL is kept in whole seconds, and the server looks every second.
const slack = 3 * time.Second

// Capabilities is part of kv.Backend. What is not known yet is left to the server to refuse.
func (s *store) Capabilities() kv.Capabilities {
	s.mu.Lock()
	b := s.known
	s.mu.Unlock()
	can := kv.Capabilities{
		LinearizableCAS: true, OrderedWatch: true, Persistent: true, Media: true,
		TTL: true, TTLSlack: slack, MaxValue: kv.MaxValue,
	}
	if b != nil {
		can.TTL, can.MaxValue = b.ttl, b.limit
	}
	if !can.TTL {
		can.TTLSlack = 0
	}
	return can
}

// learn asks for what the bucket can do, once it is known.
func (s *store) learn() kv.Capabilities {
	if err := s.try(s.Life, func(context.Context, *bucket) error { return nil }); err != nil {
		return kv.Capabilities{}
	}
	return s.Capabilities()
}
