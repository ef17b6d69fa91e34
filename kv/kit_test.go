package kv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling/kv"
)

func TestRetryEndsAsTheTriesDo(t *testing.T) {
	own, other := errors.New("own"), errors.New("other")
	type try struct {
		how kv.Outcome
		err error
	}
	for name, tt := range map[string]struct {
		tries []try // the last one again and again
		want  error
		stats kv.CASStats
	}{
		"written":            {[]try{{kv.CASWritten, nil}}, nil, kv.CASStats{Attempts: 1, Successes: 1}},
		"kept":               {[]try{{kv.CASKept, nil}}, nil, kv.CASStats{Attempts: 1}},
		"failed":             {[]try{{kv.CASFailed, own}}, own, kv.CASStats{Attempts: 1, Failures: 1}},
		"lost for ever":      {[]try{{kv.CASLost, nil}}, kv.ErrConflict, kv.CASStats{Attempts: 10, Failures: 1}},
		"no change for ever": {[]try{{kv.CASNoChange, nil}}, kv.ErrNoChange, kv.CASStats{Attempts: 10, Failures: 1}},
		"last error of f":    {[]try{{kv.CASLost, other}, {kv.CASLost, nil}, {kv.CASLost, own}}, own, kv.CASStats{Attempts: 10, Failures: 1}},
		"lost after f":       {[]try{{kv.CASLost, own}, {kv.CASLost, nil}}, kv.ErrConflict, kv.CASStats{Attempts: 10, Failures: 1}},
		"lost, then written": {[]try{{kv.CASLost, nil}, {kv.CASNoChange, nil}, {kv.CASWritten, nil}}, nil, kv.CASStats{Attempts: 3, Successes: 1}},
		"lost, then failed":  {[]try{{kv.CASLost, nil}, {kv.CASFailed, own}}, own, kv.CASStats{Attempts: 2, Failures: 1}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var k kv.Kit
			n := 0
			err := k.Retry(t.Context(), "k", func() (kv.Outcome, error) {
				now := tt.tries[min(n, len(tt.tries)-1)]
				n++
				return now.how, now.err
			})
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("%s: got %v, want %v", name, err, tt.want)
			}
			if e, ok := err.(*kv.Error); err != nil && (!ok || e.Op != "cas" || e.Key != "k") {
				t.Errorf("%s: got %#v, want a *kv.Error of cas on k", name, err)
			}
			if got := k.Stats().CAS; got != tt.stats {
				t.Errorf("%s: got %+v, want %+v", name, got, tt.stats)
			}
		})
	}
}

func TestBackoffDoublesFrom1To50Milliseconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tops := []time.Duration{1, 2, 4, 8, 16, 32, 50, 50, 50}
		seen := map[time.Duration]bool{}
		for range 50 {
			var k kv.Kit
			var at []time.Time
			_ = k.Retry(t.Context(), "k", func() (kv.Outcome, error) {
				at = append(at, time.Now())
				return kv.CASLost, nil
			})
			if len(at) != kv.CASAttempts {
				t.Fatalf("got %d tries, want %d", len(at), kv.CASAttempts)
			}
			for i, top := range tops {
				top *= time.Millisecond
				if d := at[i+1].Sub(at[i]); d < top/2 || d > top {
					t.Errorf("pause %d took %v, want %v to %v", i+1, d, top/2, top)
				}
			}
			seen[at[9].Sub(at[0])] = true
		}
		if len(seen) < 10 {
			t.Errorf("50 races took only %d different times: no jitter", len(seen))
		}
	})
}

func TestBackoffEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("no more")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Millisecond, cause)
		defer cancel()
		start := time.Now()
		var k kv.Kit
		err := k.Retry(ctx, "k", func() (kv.Outcome, error) {
			if ctx.Err() != nil {
				t.Error("one more try after the context ended")
			}
			return kv.CASLost, nil
		})
		if !errors.Is(err, cause) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the cause and DeadlineExceeded", err)
		}
		if took := time.Since(start); took != 5*time.Millisecond {
			t.Errorf("took %v, want 5ms", took)
		}
		tries := 0
		_ = k.Retry(ctx, "k", func() (kv.Outcome, error) { tries++; return kv.CASWritten, nil })
		if tries != 0 {
			t.Errorf("%d tries with a context that had ended", tries)
		}
	})
}

// told runs both watches over the events.
func told(k *kv.Kit, events iter.Seq2[kv.Event, error]) {
	k.TellKey("k", events, func(any) bool { return true })
	k.TellPrefix("", events, func(string, any) bool { return true })
}

func TestWatchesAreToldFromEvents(t *testing.T) {
	put := func(key, v string) step {
		return step{kv.Event{Kind: kv.Put, Entry: kv.Entry{Key: key, Value: v, Version: v}}, nil}
	}
	bad := func(key, v string) step {
		return step{kv.Event{Kind: kv.Put, Entry: kv.Entry{Key: key, Value: kv.Raw(v), Version: v}}, kv.ErrDecode}
	}
	gone := func(key string) step { return step{kv.Event{Kind: kv.Delete, Entry: kv.Entry{Key: key}}, nil} }
	synced, reset := step{kv.Event{Kind: kv.Synced}, nil}, step{kv.Event{Kind: kv.Reset}, nil}
	end := step{kv.Event{}, kv.ErrClosed}
	for name, tt := range map[string]struct {
		events          []step
		byKey, byPrefix string
		undecodable     uint64
	}{
		"absent":                     {[]step{synced, end}, "", "", 0},
		"present, changed, deleted":  {[]step{put("k", "1"), synced, put("k", "2"), gone("k"), end}, "1 2 <nil>", "k=1 k=2", 0},
		"other keys":                 {[]step{put("ka", "1"), synced, gone("ka"), put("kb", "2"), end}, "", "ka=1 kb=2", 0},
		"f ends it":                  {[]step{put("k", "1"), put("k", "stop"), put("k", "2"), end}, "1 stop", "k=1 k=stop", 0},
		"an error ends it":           {[]step{put("k", "1"), end, put("k", "2")}, "1", "k=1", 0},
		"undecodable":                {[]step{bad("k", "1"), synced, bad("k", "2"), put("k", "3"), end}, "3", "k=3", 2},
		"undecodable, deleted":       {[]step{bad("k", "1"), synced, gone("k"), end}, "<nil>", "", 1},
		"undecodable twice":          {[]step{bad("k", "1"), synced, reset, bad("k", "1"), synced, end}, "", "", 1},
		"reset, the same":            {[]step{put("k", "1"), synced, reset, put("k", "1"), synced, put("k", "2"), end}, "1 2", "k=1 k=1 k=2", 0},
		"reset, another":             {[]step{put("k", "1"), synced, reset, put("k", "2"), synced, end}, "1 2", "k=1 k=2", 0},
		"reset, gone":                {[]step{put("k", "1"), synced, reset, synced, put("k", "1"), end}, "1 <nil> 1", "k=1 k=1", 0},
		"reset, never there":         {[]step{synced, reset, synced, end}, "", "", 0},
		"reset, undecodable, gone":   {[]step{bad("k", "1"), synced, reset, synced, end}, "<nil>", "", 1},
		"reset in a reset":           {[]step{put("k", "1"), synced, reset, reset, put("k", "1"), synced, end}, "1", "k=1 k=1", 0},
		"the same version not reset": {[]step{put("k", "1"), synced, gone("k"), put("k", "1"), end}, "1 <nil> 1", "k=1 k=1", 0},
	} {
		var log bytes.Buffer
		k := kv.Kit{Log: slog.New(slog.NewTextHandler(&log, nil))}
		var byKey, byPrefix []string
		k.TellKey("k", steps(tt.events), func(v any) bool {
			byKey = append(byKey, fmt.Sprint(v))
			return v != "stop"
		})
		if got := k.Stats().DecodeErrors; got != tt.undecodable || strings.Count(log.String(), "\n") != int(got) {
			t.Errorf("%s: counted %d decode errors, want %d; logged %q", name, got, tt.undecodable, log.String())
		}
		var other kv.Kit
		other.TellPrefix("", steps(tt.events), func(key string, v any) bool {
			byPrefix = append(byPrefix, fmt.Sprint(key, "=", v))
			return v != "stop"
		})
		if got := other.Stats().DecodeErrors; got != tt.undecodable {
			t.Errorf("%s: the prefix watch counted %d decode errors, want %d", name, got, tt.undecodable)
		}
		if k, p := strings.Join(byKey, " "), strings.Join(byPrefix, " "); k != tt.byKey || p != tt.byPrefix {
			t.Errorf("%s: got %q and %q, want %q and %q", name, k, p, tt.byKey, tt.byPrefix)
		}
	}
}

func TestTwoWatchesCountAVersionOnce(t *testing.T) {
	var k kv.Kit
	bad := []step{{kv.Event{Kind: kv.Put, Entry: kv.Entry{Key: "k", Version: "1"}}, kv.ErrDecode}}
	told(&k, steps(bad))
	if got := k.Stats().DecodeErrors; got != 1 {
		t.Errorf("counted %d, want 1", got)
	}
}

func TestAWatchThatBreaksIsLogged(t *testing.T) {
	var log bytes.Buffer
	k := kv.Kit{Log: slog.New(slog.NewTextHandler(&log, nil))}
	broke := &kv.Error{Op: "watch", Key: "k", Err: errors.New("the server is gone")}
	for _, quiet := range []error{kv.ErrClosed, context.Canceled, context.DeadlineExceeded} {
		told(&k, steps([]step{{kv.Event{}, quiet}}))
	}
	if log.Len() != 0 {
		t.Errorf("logged %q for an end that was asked for", log.String())
	}
	told(&k, steps([]step{{kv.Event{}, broke}}))
	if got := strings.Count(log.String(), "the server is gone"); got != 2 {
		t.Errorf("logged %q, want the reason of both watches", log.String())
	}
}

func TestWatchingCountsWhileItRuns(t *testing.T) {
	var k kv.Kit
	events := k.Watching(steps([]step{{kv.Event{Kind: kv.Synced}, nil}}))
	if got := k.Stats().Watchers; got != 0 {
		t.Errorf("%d watchers before the range", got)
	}
	for range events {
		if got := k.Stats().Watchers; got != 1 {
			t.Errorf("%d watchers in the range", got)
		}
	}
	func() {
		defer func() { _ = recover() }()
		for range events {
			panic("in the loop body")
		}
	}()
	if got := k.Stats().Watchers; got != 0 {
		t.Errorf("%d watchers after the range", got)
	}
}

// step is one pair of a sequence of events.
type step struct {
	ev  kv.Event
	err error
}

func steps(all []step) iter.Seq2[kv.Event, error] {
	return func(yield func(kv.Event, error) bool) {
		for s := range slices.Values(all) {
			if !yield(s.ev, s.err) {
				return
			}
		}
	}
}

// TestBadKeysAreRememberedWithinABound: of 4,096 keys that do not decode each
// version is counted once, however often it is told. More are not remembered.
func TestBadKeysAreRememberedWithinABound(t *testing.T) {
	for _, tt := range []struct {
		keys int
		want uint64 // counted of what is told twice
	}{
		{4096, 4096},
		{2 * 4096, 4 * 4096},
	} {
		var all []step
		for i := range tt.keys {
			ev := kv.Event{Kind: kv.Put, Entry: kv.Entry{Key: fmt.Sprint(i), Version: "1"}}
			all = append(all, step{ev, kv.ErrDecode})
		}
		var k kv.Kit
		for range 2 {
			k.TellPrefix("", steps(all), func(string, any) bool { return true })
		}
		if got := k.Stats().DecodeErrors; got != tt.want {
			t.Errorf("of %d keys, told twice, counted %d, want %d", tt.keys, got, tt.want)
		}
	}
}
