package etcdkv

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/starlingkv/starling/internal/retry"
	"github.com/starlingkv/starling/kv"
)

// waits are those before a call is tried again.
var waits = retry.Backoff{First: 10 * time.Millisecond, Last: 500 * time.Millisecond}

const (
	// dialWithin bounds one attempt to connect, and one to log in.
	dialWithin = 3 * time.Second
	// A member that is silent for quiet is asked whether it lives, and given up without an answer.
	quiet       = 10 * time.Second
	quietAnswer = 3 * time.Second
)

// store is the cluster. It implements kv.Backend.
type store struct {
	config
	*retry.Loop
	end context.CancelCauseFunc

	dialing  chan struct{} // of 1: who holds its place may dial, or close
	link     atomic.Pointer[clientv3.Client]
	cluster  atomic.Uint64 // its id, 0 until an answer told it
	revision atomic.Int64  // the greatest that an answer told, since the cluster was restored
	leftOut  atomic.Uint64 // rows that are nothing here
	logOnce  sync.Once     // of these the first is logged
}

// connection returns the connection, made at the first call: with authentication etcd's client wants an answer for that.
func (s *store) connection(ctx context.Context) (*clientv3.Client, error) {
	if c := s.link.Load(); c != nil {
		return c, nil
	}
	select {
	case s.dialing <- struct{}{}:
		defer func() { <-s.dialing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c := s.link.Load(); c != nil {
		return c, nil
	}
	if s.Life.Err() != nil {
		return nil, kv.ErrClosed
	}
	c, err := clientv3.New(clientv3.Config{
		Endpoints: s.endpoints, TLS: s.tls, Username: s.user, Password: s.password,
		Context:              s.Life,
		DialTimeout:          dialWithin,
		DialKeepAliveTime:    quiet,
		DialKeepAliveTimeout: quietAnswer,
		MaxCallSendMsgSize:   s.maxRequest + overhead, // what is too large the members say, by name
		MaxUnaryRetries:      3,                       // as it also renews tokens there; the rest is in attempt
		Logger:               zap.NewNop(),
		DialOptions: []grpc.DialOption{
			grpc.WithChainUnaryInterceptor(impatient),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: waits.First, Multiplier: 2, Jitter: 0.5, MaxDelay: waits.Last},
				MinConnectTimeout: dialWithin,
			}),
		},
	})
	if err == nil {
		s.link.Store(c)
	}
	return c, err
}

// impatient makes a call say why there is no connection, where etcd's client would wait without a word.
func impatient(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return invoke(ctx, method, req, reply, cc, append(opts, grpc.WaitForReady(false))...)
}

func (s *store) close() error {
	s.end(kv.ErrClosed)
	s.dialing <- struct{}{}
	defer func() { <-s.dialing }()
	if c := s.link.Load(); c != nil {
		_ = c.Close() // it says that its context has ended
	}
	return nil
}

// attempt calls f until it gets an answer. The error of f is that of etcd's client, or one of this module.
func (s *store) attempt(ctx context.Context, f func(context.Context, *clientv3.Client) error) error {
	return s.Do(ctx, func(ctx context.Context) error {
		c, err := s.connection(ctx)
		if err != nil {
			return err
		}
		return f(clientv3.WithRequireLeader(ctx), c)
	})
}

// reason is what matters of an error of gRPC.
func reason(err error) error {
	var etcd rpctypes.EtcdError
	if errors.As(err, &etcd) {
		return err
	}
	if st, ok := status.FromError(err); ok {
		return errors.New(st.Message())
	}
	return err
}

// final returns the error that another try would not change, nil if one might.
func (s *store) final(err error) error {
	for _, own := range []error{kv.ErrConflict, kv.ErrType, kv.ErrTooLarge, kv.ErrClosed, kv.ErrUnknown, rpctypes.ErrCompacted} {
		if errors.Is(err, own) {
			return err
		}
	}
	err = rpctypes.Error(err)
	var etcd rpctypes.EtcdError
	if errors.As(err, &etcd) {
		switch {
		case errors.Is(err, rpctypes.ErrRequestTooLarge):
			return fmt.Errorf("%w: %s: %w", kv.ErrTooLarge, s.Where, err)
		case passing[etcd.Code()], errors.Is(err, rpctypes.ErrTooManyRequests), errors.Is(err, rpctypes.ErrAuthOldRevision):
			return nil
		}
		return fmt.Errorf("%s: %w", s.Where, err)
	}
	code := status.Code(err)
	switch {
	case code == codes.ResourceExhausted:
		return fmt.Errorf("%w: %s: %w", kv.ErrTooLarge, s.Where, reason(err))
	case passing[code]:
		return nil
	}
	return fmt.Errorf("%s: %w", s.Where, reason(err))
}

// passing are the codes of what may be over at the next try. Unknown is how a member tells what has no code of its own,
// as a proposal that raft dropped.
var passing = map[codes.Code]bool{
	codes.Unavailable: true, codes.Internal: true, codes.Aborted: true, codes.Unknown: true,
	codes.Canceled: true, codes.DeadlineExceeded: true,
}

// unsent reports whether a call that failed has certainly changed nothing.
func unsent(err error) bool {
	if errors.Is(rpctypes.Error(err), rpctypes.ErrNoLeader) || errors.Is(rpctypes.Error(err), rpctypes.ErrTooManyRequests) {
		return true
	}
	text := reason(err).Error()
	return strings.Contains(text, "Error while dialing") || strings.Contains(text, "authentication handshake failed")
}

// met notes the cluster that answered.
func (s *store) met(cluster uint64) assembler {
	s.cluster.Store(cluster)
	return assembler{store: s, cluster: cluster}
}

// leave counts a row that others wrote and that is nothing here, and logs the first.
func (s *store) leave(key string, why error) {
	s.leftOut.Add(1)
	s.logOnce.Do(func() {
		s.log.Warn("row of etcd left out; more of its kind are only counted", "key", key, "err", why)
	})
}
