package natskv

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/starlingkv/starling/kv"
)

const (
	// patience is how long a call tries whose context has no deadline.
	patience = 10 * time.Second
	// answerWithin is how long one request waits for its answer.
	answerWithin = 3 * time.Second
)

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

// try calls f until it succeeds, fails for good, or the time of the call is over: that of ctx, else patience.
func (s *store) try(ctx context.Context, f func(ctx context.Context, b *bucket) error) error {
	if err := s.over(ctx); err != nil {
		return err
	}
	_, bounded := ctx.Deadline()
	began := time.Now()
	for n := 1; ; n++ {
		err := s.attempt(ctx, f)
		if err == nil || final(err) {
			return s.named(err)
		}
		s.pause(ctx, n)
		if end := s.over(ctx); end != nil {
			return s.ended(end, err)
		}
		if !bounded && time.Since(began) > patience {
			return fmt.Errorf("%w: %w", kv.ErrUnreachable, s.unreachable(fmt.Errorf("no answer within %v: %w", patience, err)))
		}
	}
}

// attempt calls f once, with a context that ends with the store too.
func (s *store) attempt(ctx context.Context, f func(context.Context, *bucket) error) error {
	if !s.conn.IsConnected() {
		return nats.ErrDisconnected
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	unhook := context.AfterFunc(s.life, cancel)
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
	if s.life.Err() != nil {
		return kv.ErrClosed
	}
	return kv.Ended(ctx)
}

// ended is the end of a call, with the trouble that it had.
func (s *store) ended(end, err error) error {
	if errors.Is(end, kv.ErrClosed) {
		return end
	}
	if errors.Is(end, context.Canceled) {
		return fmt.Errorf("%w: %w", end, s.unreachable(err)) // nobody says that it would not have answered
	}
	return fmt.Errorf("%w: %w: %w", kv.ErrUnreachable, end, s.unreachable(err))
}

// named adds the servers to what one of them said, and leaves alone what callers decide on.
func (s *store) named(err error) error {
	var api *jetstream.APIError
	if errors.As(err, &api) || errors.Is(err, errUnfit) {
		return s.unreachable(err)
	}
	return err
}

// pause waits before the try after the nth.
func (s *store) pause(ctx context.Context, n int) {
	t := time.NewTimer(jittered(n, 10*time.Millisecond, 250*time.Millisecond))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-s.life.Done():
	}
}

// final reports whether the same request would be refused again.
func final(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.Code != codeUnavailable && !isCode(api, codeStreamNotFound, codeInProcess, codeNoConsumer, codeNoPeers)
	}
	for _, sentinel := range []error{kv.ErrConflict, kv.ErrType, kv.ErrTooLarge, kv.ErrUnsupported, errUnfit, kv.ErrUnknown} {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return false
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
