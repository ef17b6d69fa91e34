package retry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling/kv"
)

var (
	errAway  = errors.New("nobody there")
	errNever = errors.New("never")
)

func loop(life context.Context) *Loop {
	return &Loop{
		Where: "lab 127.0.0.1:1", Life: life, Patience: 10 * time.Second, Waits: Backoff{10 * time.Millisecond, time.Second},
		Final: func(err error) error {
			if errors.Is(err, errNever) {
				return fmt.Errorf("final: %w", err)
			}
			return nil
		},
		Reason: func(err error) error { return fmt.Errorf("because %w", err) },
	}
}

// failing fails n times.
func failing(n int, err error) (try func(context.Context) error, tries *int) {
	tries = new(int)
	return func(context.Context) error {
		if *tries++; *tries <= n {
			return err
		}
		return nil
	}, tries
}

func TestDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := loop(t.Context())
		try, tries := failing(7, errAway)
		if err := l.Do(t.Context(), try); err != nil || *tries != 8 {
			t.Errorf("%d tries, %v; want the eighth to succeed", *tries, err)
		}
		try, tries = failing(7, errNever)
		if err := l.Do(t.Context(), try); err == nil || err.Error() != "final: never" || *tries != 1 {
			t.Errorf("%d tries, %v; want the one that is final", *tries, err)
		}
	})
}

func TestWhenTheTimeIsOver(t *testing.T) {
	cause := errors.New("the caller left")
	for name, c := range map[string]struct {
		limit func(context.Context) (context.Context, context.CancelFunc)
		try   func(context.Context) error
		took  time.Duration
		want  []error
		text  string
	}{
		"a deadline": {
			limit: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 3*time.Second)
			},
			try:  func(context.Context) error { return errAway },
			took: 3 * time.Second, want: []error{kv.ErrUnreachable, context.DeadlineExceeded, errAway},
			text: "lab 127.0.0.1:1: because nobody there",
		},
		"no deadline": {
			limit: context.WithCancel,
			try:   func(context.Context) error { return errAway },
			took:  10 * time.Second, want: []error{kv.ErrUnreachable, context.DeadlineExceeded, errAway},
			text: "after 10s",
		},
		"silence": {
			limit: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 3*time.Second)
			},
			try: func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			},
			took: 3 * time.Second, want: []error{kv.ErrUnreachable, context.DeadlineExceeded},
			text: "it is silent",
		},
		"the caller leaves": {
			limit: func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancelCause(ctx)
				time.AfterFunc(time.Second, func() { cancel(cause) })
				return ctx, func() { cancel(nil) }
			},
			try: func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			},
			took: time.Second, want: []error{context.Canceled, cause},
			text: "the caller left",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := c.limit(t.Context())
				defer cancel()
				began := time.Now()
				err := loop(t.Context()).Do(ctx, c.try)
				if took := time.Since(began); took != c.took {
					t.Errorf("it took %v, want %v", took, c.took)
				}
				for _, want := range c.want {
					if !errors.Is(err, want) {
						t.Errorf("got %v, want %v in it", err, want)
					}
				}
				if err == nil || !strings.Contains(err.Error(), c.text) {
					t.Errorf("got %v, want %q", err, c.text)
				}
				if errors.Is(err, kv.ErrUnreachable) != (len(c.want) > 0 && c.want[0] == kv.ErrUnreachable) {
					t.Errorf("got %v: whether the store cannot be reached", err)
				}
			})
		})
	}
}

func TestWhenTheClientIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		life, end := context.WithCancelCause(t.Context())
		l := loop(life)
		time.AfterFunc(time.Second, func() { end(kv.ErrClosed) })
		began := time.Now()
		if err := l.Do(t.Context(), func(context.Context) error { return errAway }); err != kv.ErrClosed || time.Since(began) != time.Second {
			t.Errorf("in the middle of a wait: %v after %v, want ErrClosed at once", err, time.Since(began))
		}
		called := false
		if err := l.Do(t.Context(), func(context.Context) error { called = true; return nil }); err != kv.ErrClosed || called {
			t.Errorf("afterwards: %v, tried: %v", err, called)
		}
	})
}

func TestBackoff(t *testing.T) {
	b := Backoff{10 * time.Millisecond, time.Second}
	for n, whole := range map[int]time.Duration{
		0: 10 * time.Millisecond, 1: 10 * time.Millisecond, 2: 20 * time.Millisecond, 4: 80 * time.Millisecond,
		7: 640 * time.Millisecond, 8: time.Second, 100: time.Second, 1 << 40: time.Second,
	} {
		seen := make(map[time.Duration]bool)
		for range 100 {
			d := b.After(n)
			if d < whole/2 || d > whole {
				t.Fatalf("after %d tries: %v, want %v to %v", n, d, whole/2, whole)
			}
			seen[d] = true
		}
		if len(seen) < 10 {
			t.Errorf("after %d tries: only %d different waits of 100", n, len(seen))
		}
	}
}
