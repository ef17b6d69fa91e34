package natskv

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/starlingkv/starling/internal/retry"
	"github.com/starlingkv/starling/kv"
)

// waits are those before a call is tried again.
var waits = retry.Backoff{First: 10 * time.Millisecond, Last: 250 * time.Millisecond}

// answerWithin is how long one request waits for its answer.
const answerWithin = 3 * time.Second

// Codes of errors of JetStream, by which it names them for ever.
const (
	codeNoPeers        = 10005 // for a new bucket, now
	codeNoConsumer     = 10014 // a reader that went with the server it was on
	codeNoMessage      = 10037
	codeTooLarge       = 10054
	codeStreamNotFound = 10059
	codeWrongSequence  = 10071
	codeInProcess      = 10158 // another message of this id is on its way
	codeWrongSequence2 = 10164 // the same, where the present one is not told
	codeUnavailable    = 503   // the HTTP-like code of what passes
)

// try calls f until it gets an answer.
func (s *store) try(ctx context.Context, f func(ctx context.Context, b *bucket) error) error {
	return s.Do(ctx, func(ctx context.Context) error { return s.attempt(ctx, f) })
}

// attempt calls f once, with a context that ends with the store too.
func (s *store) attempt(ctx context.Context, f func(context.Context, *bucket) error) error {
	if !s.conn.IsConnected() {
		return nats.ErrDisconnected
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	unhook := context.AfterFunc(s.Life, cancel)
	defer unhook()
	b, err := s.open(ctx)
	if err == nil {
		err = f(ctx, b)
	}
	if isCode(err, codeStreamNotFound) || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) {
		s.forget() // somebody removed the bucket, or it has no leader
	}
	return err
}

// request bounds one request: by a time, and by the connection, with which its answer is lost.
func (s *store) request(ctx context.Context, within time.Duration) (context.Context, context.CancelFunc) {
	line := s.lineNow()
	ctx, cancel := context.WithTimeout(ctx, within)
	unhook := context.AfterFunc(line, cancel)
	return ctx, func() {
		unhook()
		cancel()
	}
}

// over returns why calls are over, nil while they are not.
func (s *store) over(ctx context.Context) error {
	if s.Life.Err() != nil {
		return kv.ErrClosed
	}
	return kv.Ended(ctx)
}

// final returns the error that another try would not change, nil if one might. It names the servers in what one of them
// said, and leaves alone what callers decide on.
func (s *store) final(err error) error {
	var api *jetstream.APIError
	if errors.As(err, &api) && (api.Code == codeUnavailable || isCode(api, codeStreamNotFound, codeInProcess, codeNoConsumer, codeNoPeers)) {
		return nil
	}
	if api != nil || errors.Is(err, errUnfit) {
		return fmt.Errorf("%s: %w", s.Where, s.because(err))
	}
	for _, sentinel := range []error{kv.ErrConflict, kv.ErrType, kv.ErrTooLarge, kv.ErrUnsupported, kv.ErrUnknown} {
		if errors.Is(err, sentinel) {
			return err
		}
	}
	return nil
}

func isCode(err error, codes ...jetstream.ErrorCode) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, code := range codes {
		if api.ErrorCode == code {
			return true
		}
	}
	return false
}
