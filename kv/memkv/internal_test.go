package memkv

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling/kv"
)

func putFor(t *testing.T, s *store, key string, ttl time.Duration) {
	t.Helper()
	w := kv.PutWrite(t.Context(), kv.TTL(ttl))
	if _, err := s.Store(t.Context(), kv.Entry{Key: key, Value: kv.Raw("v")}, w); err != nil {
		t.Fatal(err)
	}
}

// The timer of a busy machine may be late: no call shows what is due.
func TestCallsRemoveWhatIsDueWithoutTheTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		defer s.close()
		putFor(t, s, "k", time.Second)
		s.timer.Stop()
		<-time.After(999 * time.Millisecond)
		if e, err := s.Load(t.Context(), "k"); e.Version == "" || err != nil {
			t.Errorf("gone before its time, %v", err)
		}
		<-time.After(time.Millisecond)
		if e, err := s.Load(t.Context(), "k"); e.Version != "" || err != nil {
			t.Errorf("still there after its time: %+v, %v", e, err)
		}
	})
}

// A time to live beyond what a Duration of milliseconds can count must not make the timer fire again and again.
func TestTheLongestTTLArmsTheTimerOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		defer s.close()
		<-time.After(1500 * time.Microsecond)
		putFor(t, s, "ever", 1<<63-1)
		done := make(chan struct{})
		go func() {
			<-time.After(3 * time.Hour) // virtual, if nothing keeps the bubble busy
			close(done)
		}()
		<-done
		if e, err := s.Load(t.Context(), "ever"); e.Version == "" || err != nil {
			t.Errorf("gone, %v", err)
		}
	})
}

func TestNothingIsKeptForAWatchThatEnded(t *testing.T) {
	s := newStore()
	putFor(t, s, "k", time.Hour)
	for range s.Feed(t.Context(), kv.Selection{}) {
		if len(s.watchers) != 1 {
			t.Errorf("%d watchers, want 1", len(s.watchers))
		}
		break
	}
	if len(s.watchers) != 0 {
		t.Errorf("%d watchers are left", len(s.watchers))
	}
	s.close()
	if s.timer.Stop() {
		t.Error("the timer ran on after close")
	}
}

func TestAbove(t *testing.T) {
	for prefix, want := range map[string]string{"": "", "a": "b", "a/": "a0", "a\xff": "b", "\xff\xff": ""} {
		if got := above(prefix); got != want {
			t.Errorf("above(%q) is %q, want %q", prefix, got, want)
		}
	}
}
