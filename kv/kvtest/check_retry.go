package kvtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/starlingkv/starling/kv"
)

var casRetryChecks = []check{
	{name: "CASAttempts", sentence: "A race lost CASAttempts = 10 times in all is ErrConflict.", run: casAttempts},
	{name: "CASBackoff", sentence: "Between two tries there is a jittered back-off that doubles from 1 to 50 ms.", run: casBackoff},
	{name: "CASBackoffCtx", sentence: "The back-off ends with ctx.", run: casBackoffCtx},
	{name: "CASFuncRetry", sentence: "If f fails and retry is true, it counts as a lost race.", run: casFuncRetry},
	{name: "CASFuncRetryLimit", sentence: "At the limit the last error of f is returned.", run: casFuncRetryLimit},
	{name: "CASNoChange", sentence: "A merge that reports no change for a changed out is tried again after back-off, then it is ErrNoChange.", needs: hookUnmoved, run: casNoChange},
}

// loseAlways runs a CAS that loses every race, and returns when f was called and its error.
func (e *env) loseAlways(key string) ([]time.Time, error) {
	e.Helper()
	second := e.store.Client(docs)
	var calls []time.Time
	err := e.c.CAS(e.ctx(), key, func(any) (any, bool, error) {
		calls = append(calls, time.Now())
		e.putBy(second, key, fmt.Sprintf("rival %d", len(calls)))
		return &doc{Text: "mine"}, true, nil
	})
	return calls, err
}

func casAttempts(e *env) {
	calls, err := e.loseAlways("k")
	if !errors.Is(err, kv.ErrConflict) {
		e.Fatalf("CAS that lost every race = %v, want ErrConflict", err)
	}
	e.wantError(err, "cas", "k")
	if len(calls) != kv.CASAttempts {
		e.Fatalf("f ran %d times, want %d", len(calls), kv.CASAttempts)
	}
	e.want("k", fmt.Sprintf("rival %d", kv.CASAttempts))
}

func casBackoff(e *env) {
	var runs [2][]time.Duration
	for i := range runs {
		calls, _ := e.loseAlways(fmt.Sprint("k", i))
		for j := range len(calls) - 1 {
			runs[i] = append(runs[i], calls[j+1].Sub(calls[j]))
		}
		gaps := runs[i]
		if len(gaps) < kv.CASAttempts-1 {
			e.Fatalf("%d tries, want %d", len(gaps)+1, kv.CASAttempts)
		}
		// What the client adds to the back-off is its own time, and that of a busy machine.
		const most = 9*50*time.Millisecond + time.Second
		if total := calls[len(calls)-1].Sub(calls[0]); total > most {
			e.Fatalf("ten tries took %v, with waits %v: more than waits of at most 50 ms explain", total, gaps)
		}
		if slices.Min(gaps) < 500*time.Microsecond {
			e.Fatalf("waits %v: one is shorter than a jittered millisecond", gaps)
		}
		if first, last := sum(gaps[:3]), sum(gaps[4:]); last <= first {
			e.Fatalf("waits %v do not grow", gaps)
		}
	}
	if slices.Equal(runs[0], runs[1]) {
		e.Fatalf("two runs waited exactly the same, %v: no jitter", runs[0])
	}
}

func sum(ds []time.Duration) (total time.Duration) {
	for _, d := range ds {
		total += d
	}
	return total
}

func casBackoffCtx(e *env) {
	cause := errors.New("the caller left")
	// The wait before the eighth try is 25 ms at least. Who waits it out does so every time; a busy machine does not.
	const leaveAt, shortest, rounds = 7, 25 * time.Millisecond, 5
	var took []time.Duration
	for range rounds {
		ctx, cancel := context.WithCancelCause(e.ctx())
		calls := 0
		var left time.Time
		var err error
		e.do("a CAS whose ctx ended in f", func() {
			err = e.c.CAS(ctx, "k", func(any) (any, bool, error) {
				if calls++; calls == leaveAt {
					left = time.Now()
					cancel(cause)
				}
				return nil, true, errors.New("again")
			})
		})
		cancel(nil)
		if !errors.Is(err, cause) {
			e.Fatalf("CAS = %v, want an error that wraps the cause of ctx", err)
		}
		if calls != leaveAt {
			e.Fatalf("f ran %d times, want %d: ctx had ended", calls, leaveAt)
		}
		if took = append(took, time.Since(left)); took[len(took)-1] < shortest {
			return
		}
	}
	e.Fatalf("CAS returned %v after the end of ctx: it waited the back-off out", took)
}

func casFuncRetry(e *env) {
	e.put("k", "one")
	calls := 0
	err := e.c.CAS(e.ctx(), "k", func(in any) (any, bool, error) {
		if calls++; calls < 4 {
			return nil, true, errors.New("not yet")
		}
		return &doc{Text: e.doc(in).Text + " and two"}, true, nil
	})
	if err != nil {
		e.Fatalf("CAS whose f failed three times with retry: %v", err)
	}
	if e.want("k", "one and two"); calls != 4 {
		e.Fatalf("f ran %d times, want 4", calls)
	}
}

func casFuncRetryLimit(e *env) {
	var given []error
	err := e.c.CAS(e.ctx(), "k", func(any) (any, bool, error) {
		given = append(given, fmt.Errorf("failure %d of f", len(given)+1))
		return &doc{Text: "written in spite of the error"}, true, given[len(given)-1]
	})
	if len(given) != kv.CASAttempts {
		e.Fatalf("f ran %d times, want %d", len(given), kv.CASAttempts)
	}
	if !errors.Is(err, given[len(given)-1]) {
		e.Fatalf("CAS = %v, want an error that wraps the last error of f", err)
	}
	e.wantError(err, "cas", "k")
	e.wantAbsent("k")
}

func casNoChange(e *env) {
	c := e.suite.Unmoved(e.TB, docs)
	var calls []time.Time
	err := c.CAS(e.ctx(), "k", func(any) (any, bool, error) {
		calls = append(calls, time.Now())
		return &doc{Text: fmt.Sprint("change ", len(calls))}, true, nil
	})
	if !errors.Is(err, kv.ErrNoChange) {
		e.Fatalf("CAS of a kind that reports no change = %v, want ErrNoChange", err)
	}
	e.wantError(err, "cas", "k")
	if len(calls) != kv.CASAttempts {
		e.Fatalf("f ran %d times, want %d", len(calls), kv.CASAttempts)
	}
	if waited := calls[len(calls)-1].Sub(calls[0]); waited < 5*time.Millisecond {
		e.Fatalf("ten tries within %v: no back-off", waited)
	}
}
