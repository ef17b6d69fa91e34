package kvtest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// recorder is a testing.TB that keeps failures to itself, so that a check may fail without its test failing.
type recorder struct {
	testing.TB
	ctx context.Context

	mu       sync.Mutex // guards what follows
	failures []string
	cleanups []func()
}

func (r *recorder) fail(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, text)
}

func (r *recorder) failed() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failures
}

func (r *recorder) Helper()                           {}
func (r *recorder) Context() context.Context          { return r.ctx }
func (r *recorder) Error(args ...any)                 { r.fail(fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, args ...any) { r.fail(fmt.Sprintf(format, args...)) }
func (r *recorder) Fail()                             { r.fail("failed") }
func (r *recorder) Failed() bool                      { return len(r.failed()) > 0 }

func (r *recorder) FailNow() {
	r.Fail()
	runtime.Goexit()
}

func (r *recorder) Fatal(args ...any) {
	r.Error(args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

// run calls f, which may stop early, on a goroutine of its own; then what it wants cleaned up.
func (r *recorder) run(f func(testing.TB)) {
	ctx, cancel := context.WithCancel(context.Background())
	r.ctx = ctx
	r.alone(func() { f(r) })
	cancel()
	for last := r.pop(); last != nil; last = r.pop() {
		r.alone(last)
	}
}

func (r *recorder) pop() func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.cleanups) == 0 {
		return nil
	}
	last := r.cleanups[len(r.cleanups)-1]
	r.cleanups = r.cleanups[:len(r.cleanups)-1]
	return last
}

func (r *recorder) alone(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				r.fail(fmt.Sprint("panic: ", p))
			}
		}()
		f()
	}()
	<-done
}

// record runs one check of the suite and returns its failures.
func record(t *testing.T, s Suite, c check) (failures []string) {
	t.Helper()
	run := func(t *testing.T) {
		r := &recorder{TB: t}
		r.run(func(t testing.TB) { s.check(t, c) })
		failures = r.failed()
	}
	if c.clock == realClock {
		run(t)
	} else {
		synctest.Test(t, run)
	}
	return failures
}

func TestRecorderKeepsFailures(t *testing.T) {
	var order []string
	r := &recorder{TB: t}
	r.run(func(t testing.TB) {
		t.Cleanup(func() { order = append(order, "first") })
		t.Cleanup(func() { order = append(order, "second") })
		t.Errorf("one %d", 1)
		t.Fatal("two")
		t.Error("not reached")
	})
	r.run(func(testing.TB) { panic("three") })
	if got := strings.Join(r.failed(), ", "); got != "one 1, two, panic: three" {
		t.Errorf("recorded %q", got)
	}
	if got := strings.Join(order, ", "); got != "second, first" {
		t.Errorf("cleaned up in the order %q", got)
	}
}
