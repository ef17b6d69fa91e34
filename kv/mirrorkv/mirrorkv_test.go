package mirrorkv_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/kv/mirrorkv"
)

// errAway is what a store that is away returns.
var errAway = errors.New("connection refused")

// fickle is a store that can be away. Its reads are answered all the same if only writes fail.
type fickle struct {
	*memkv.Client
	away atomic.Bool
}

func (f *fickle) Put(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
	if f.away.Load() {
		return "", kv.Wrap("put", key, errAway)
	}
	return f.Client.Put(ctx, key, v, opts...)
}

func (f *fickle) Remove(ctx context.Context, key string, opts ...kv.RemoveOption) error {
	if f.away.Load() {
		return kv.Wrap("remove", key, errAway)
	}
	return f.Client.Remove(ctx, key, opts...)
}

func store(t *testing.T) *fickle {
	c := memkv.New(kv.String)
	t.Cleanup(func() { c.Close() })
	return &fickle{Client: c}
}

func mirror(t *testing.T, primary, secondary kv.Client, opts ...mirrorkv.Option) *mirrorkv.Client {
	t.Helper()
	m, err := mirrorkv.New(kv.String, primary, secondary, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func put(t *testing.T, c kv.Versioned, key, value string, opts ...kv.PutOption) {
	t.Helper()
	if _, err := c.Put(t.Context(), key, value, opts...); err != nil {
		t.Fatal(err)
	}
}

// wantSame fails unless both stores hold the same, and returns how much that is.
func wantSame(t *testing.T, from, to kv.Client) int {
	t.Helper()
	for d, err := range mirrorkv.Compare(t.Context(), kv.String, from, to, kv.Selection{}) {
		t.Errorf("%q: %v, %v", d.Key, d.Kind, err)
	}
	keys, err := from.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return len(keys)
}

func TestEveryWriteGoesToBoth(t *testing.T) {
	a, b := store(t), store(t)
	m := mirror(t, a, b)
	put(t, m, "put", "1")
	put(t, m, "gone", "1")
	put(t, m, "removed", "1")
	if err := m.CAS(t.Context(), "cas", func(any) (any, bool, error) { return "1", true, nil }); err != nil {
		t.Fatal(err)
	}
	if err := m.Delete(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	if err := m.Remove(t.Context(), "removed"); err != nil {
		t.Fatal(err)
	}
	if n := wantSame(t, a, b); n != 2 {
		t.Errorf("the stores hold %d keys, want put and cas", n)
	}
	if got := m.Outcomes(); got != (mirrorkv.Outcomes{Mirrored: 6}) {
		t.Errorf("outcomes of six writes: %+v", got)
	}
}

func TestASecondaryThatIsAwayIsCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := store(t), store(t)
		m := mirror(t, a, b)
		put(t, m, "old", "1")
		b.away.Store(true)
		put(t, m, "first", "1")
		put(t, m, "second", "1")
		if err := m.Delete(t.Context(), "old"); err != nil {
			t.Fatal(err)
		}
		got := m.Outcomes()
		if got.Failed != 1 || got.Late != 2 || got.Behind != 3 {
			t.Errorf("one write failed and two did not try: %+v", got)
		}
		time.Sleep(time.Minute) // in the bubble: the background tries and tries
		if got := m.Outcomes(); got.Behind != 3 || got.Caught != 0 {
			t.Errorf("nothing can be caught while the secondary is away: %+v", got)
		}
		b.away.Store(false)
		time.Sleep(6 * time.Second) // more than the longest pause
		if got := m.Outcomes(); got.Behind != 0 || got.Caught != 3 {
			t.Errorf("all three should have been caught: %+v", got)
		}
		wantSame(t, a, b)
		put(t, m, "later", "1")
		if got := m.Outcomes(); got.Mirrored != 2 {
			t.Errorf("a write waits for the secondary again once none is behind: %+v", got)
		}
		m.Close()
	})
}

func TestCloseTellsWhatIsBehind(t *testing.T) {
	a, b := store(t), store(t)
	m := mirror(t, a, b)
	b.away.Store(true)
	put(t, m, "k", "1")
	if err := m.Close(); err == nil || !strings.Contains(err.Error(), "1 key behind") {
		t.Errorf("Close with a key behind returned %v", err)
	}
}

// TestWritersOfTwoMirrors lets many write the same keys through two mirrors of the same two stores, as two processes do.
func TestWritersOfTwoMirrors(t *testing.T) {
	a, b := store(t), store(t)
	mirrors := []*mirrorkv.Client{mirror(t, a, b), mirror(t, a, b)}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			m := mirrors[w%2]
			for i := range 200 {
				key := fmt.Sprintf("k%d", i%5)
				if i%7 == 6 {
					if err := m.Delete(t.Context(), key); err != nil {
						t.Error(err)
					}
					continue
				}
				if _, err := m.Put(t.Context(), key, fmt.Sprintf("%d-%d", w, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, m := range mirrors {
		if err := m.Flush(t.Context()); err != nil {
			t.Error(err)
		}
	}
	wantSame(t, a, b)
}

// TestSwitchUnderLoad counts with CAS while the primary is switched again and again.
func TestSwitchUnderLoad(t *testing.T) {
	a, b := store(t), store(t)
	m := mirror(t, a, b)
	const writers, each = 4, 100
	last := make(chan string, 1)
	resets := 0
	go func() {
		v := ""
		for ev, err := range m.Events(t.Context(), "") {
			if err != nil {
				break
			}
			if ev.Kind == kv.Reset {
				resets++
			}
			if ev.Kind == kv.Put {
				v = ev.Value.(string)
			}
			if len(v) == writers*each && ev.Kind == kv.Synced || len(v) == writers*each && resets > 0 {
				break
			}
		}
		last <- v
	}()
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				for {
					err := m.CAS(t.Context(), "count", func(in any) (any, bool, error) {
						s, _ := in.(string)
						return s + "x", true, nil
					})
					if err == nil {
						break
					}
					if !errors.Is(err, kv.ErrConflict) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	go func() { wg.Wait(); close(done) }()
	switches := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			if err := m.Switch(t.Context()); err != nil {
				t.Fatal(err)
			}
			switches++
		}
	}
	if err := m.Switch(t.Context()); err != nil {
		t.Fatal(err)
	}
	v, err := m.Get(t.Context(), "count")
	if s, _ := v.(string); err != nil || len(s) != writers*each {
		t.Errorf("after %d switches %d of %d increments are there: %v", switches, len(s), writers*each, err)
	}
	wantSame(t, a, b)
	select {
	case s := <-last:
		if len(s) != writers*each {
			t.Errorf("the watch ended with %d increments, want %d", len(s), writers*each)
		}
	case <-time.After(5 * time.Second):
		t.Error("the watch was not told the last value")
	}
}

func TestSwitchWaitsForTheSecondary(t *testing.T) {
	a, b := store(t), store(t)
	m := mirror(t, a, b)
	b.away.Store(true)
	put(t, m, "k", "new")
	if err := m.Switch(t.Context()); !errors.Is(err, errAway) {
		t.Errorf("Switch with a key behind returned %v", err)
	}
	if v, _ := m.Get(t.Context(), "k"); v != "new" {
		t.Errorf("the primary was switched all the same: read %v", v)
	}
	b.away.Store(false)
	if err := m.Switch(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, b, "only b", "1")
	if v, err := m.Get(t.Context(), "only b"); v != "1" {
		t.Errorf("after the switch reads do not come from the secondary: %v, %v", v, err)
	}
	if v, err := m.Get(t.Context(), "k"); v != "new" {
		t.Errorf("the switch lost a value: %v, %v", v, err)
	}
}

func TestVerify(t *testing.T) {
	a, b := store(t), store(t)
	m := mirror(t, a, b)
	put(t, m, "same", "1")
	put(t, a, "missing", "1")
	put(t, b, "extra", "1")
	put(t, a, "differs", "1")
	put(t, b, "differs", "2")
	r := m.Verify(t.Context(), "")
	if r.Seen != 4 || r.Missing != 1 || r.Extra != 1 || r.Differs != 1 || r.Err != nil || r.Same() || len(r.Shown) != 3 {
		t.Errorf("report: %+v", r)
	}
	for _, d := range r.Shown {
		if d.Key != d.Kind.String() {
			t.Errorf("%q is reported as %v", d.Key, d.Kind)
		}
	}
	done, err := m.Copy(t.Context(), "", nil)
	if err != nil || done.Copied != 2 || done.Removed != 1 {
		t.Errorf("the repair: %+v, %v", done, err)
	}
	if r := m.Verify(t.Context(), ""); !r.Same() || r.Seen != 3 {
		t.Errorf("after the repair: %+v", r)
	}
}

func TestVerifierRunsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := store(t), store(t)
		reports := make(chan mirrorkv.Report, 10)
		m := mirror(t, a, b, mirrorkv.VerifyEvery(time.Hour, func(r mirrorkv.Report) { reports <- r }))
		put(t, m, "k", "1")
		time.Sleep(time.Hour + time.Second)
		if r := <-reports; !r.Same() || r.Seen != 1 {
			t.Errorf("the first report: %+v", r)
		}
		put(t, a, "behind our back", "1")
		time.Sleep(time.Hour)
		if r := <-reports; r.Missing != 1 {
			t.Errorf("the second report: %+v", r)
		}
		m.Close()
	})
}

func TestNewRefuses(t *testing.T) {
	a := store(t)
	if _, err := mirrorkv.New(kv.String, a, nil); err == nil {
		t.Error("New takes a nil store")
	}
	if _, err := mirrorkv.New(kv.String, a, struct{ kv.Client }{a}); !errors.Is(err, kv.ErrUnsupported) {
		t.Errorf("New takes a store with the six methods only: %v", err)
	}
	if _, err := mirrorkv.New(kv.String, a, a, mirrorkv.Wait(0)); err == nil {
		t.Error("New takes a Wait of zero")
	}
	if _, err := mirrorkv.New(kv.String, a, a, mirrorkv.VerifyEvery(time.Second, nil)); err == nil {
		t.Error("New takes a verifier that tells nobody")
	}
}

// resetting is a store whose watch ends with a Reset whenever something is sent.
type resetting struct {
	*fickle
	resets chan struct{}
}

func (r resetting) Events(ctx context.Context, prefix string, opts ...kv.EventsOption) iter.Seq2[kv.Event, error] {
	return func(yield func(kv.Event, error) bool) {
		for {
			watch, cancel := context.WithCancel(ctx)
			go func() {
				select {
				case <-r.resets:
					cancel()
				case <-watch.Done():
				}
			}()
			for ev, err := range r.fickle.Events(watch, prefix, opts...) {
				if err != nil && ctx.Err() == nil {
					break
				}
				if !yield(ev, err) || err != nil {
					cancel()
					return
				}
			}
			cancel()
			if !yield(kv.Event{Kind: kv.Reset}, nil) {
				return
			}
		}
	}
}

// TestCatchingUpUnderLoad: writes that go on do not keep the mirror behind for ever. It runs on the real clock, as that of a
// bubble stands still behind the lock that Switch waits for.
func TestCatchingUpUnderLoad(t *testing.T) {
	a, b := store(t), &slow{store(t)}
	m := mirror(t, a, b)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	b.away.Store(true)
	fell := make(chan struct{})
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if _, err := m.Put(ctx, fmt.Sprint("k", w), fmt.Sprint(i)); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
				if w == 0 && i == 100 {
					close(fell)
				}
			}
		})
	}
	<-fell
	b.away.Store(false)
	switching, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err := m.Switch(switching)
	for errors.Is(err, errAway) {
		err = m.Switch(switching)
	}
	stop()
	wg.Wait()
	if got := m.Outcomes(); err != nil || got.Late == 0 {
		t.Errorf("Switch: %v, outcomes: %+v", err, got)
	}
	if err := m.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	wantSame(t, a, b)
}

// TestAContestedKeyIsNoFailure: a key of the secondary that others write again and again is brought up later.
func TestAContestedKeyIsNoFailure(t *testing.T) {
	a, b := store(t), &contested{fickle: store(t)}
	m := mirror(t, a, b)
	b.left.Store(3*kv.CASAttempts + 5)
	if _, err := m.Put(t.Context(), "k", "1"); err != nil {
		t.Fatal(err)
	}
	if err := m.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if got := m.Outcomes(); got.Late != 1 || got.Failed != 0 || got.Behind != 0 {
		t.Errorf("outcomes: %+v, want one that is late", got)
	}
	wantSame(t, a, b)
}

// contested is a store of which another writer is always faster, for a number of writes.
type contested struct {
	*fickle
	left atomic.Int64
}

func (s *contested) Put(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
	if s.left.Add(-1) >= 0 {
		return "", kv.ErrConflict
	}
	return s.fickle.Put(ctx, key, v, opts...)
}

// slow is a store that takes longer for a write than its users leave between two.
type slow struct{ *fickle }

func (s *slow) Put(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
	time.Sleep(5 * time.Millisecond)
	return s.fickle.Put(ctx, key, v, opts...)
}
