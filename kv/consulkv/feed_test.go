package consulkv

import (
	"testing"
	"time"
)

// TestFollow is what Consul documents of its indexes: one that went back is begun anew, and none is ever waited for as
// zero, which would not wait.
func TestFollow(t *testing.T) {
	for _, c := range []struct{ last, next, want uint64 }{
		{0, 0, 1}, {0, 1, 1}, {0, 40, 40}, {40, 40, 40}, {40, 41, 41}, {40, 39, 0}, {40, 0, 0}, {1, 0, 0},
	} {
		if got := follow(c.last, c.next); got != c.want {
			t.Errorf("after %d an answer of %d is followed by a question with %d, want %d", c.last, c.next, got, c.want)
		}
	}
}

func TestPace(t *testing.T) {
	now := time.Now()
	p := newPace(now)
	for i := range paceBurst {
		if wait := p.take(now); wait != 0 {
			t.Fatalf("question %d at once waits %v", i+1, wait)
		}
	}
	for i := range 5 {
		if wait, want := p.take(now), time.Duration(i+1)*paceEvery; wait != want {
			t.Errorf("question %d after the burst waits %v, want %v", i+1, wait, want)
		}
	}
	now = now.Add(time.Hour)
	for range paceBurst {
		if wait := p.take(now); wait != 0 {
			t.Fatalf("after an hour a question waits %v", wait)
		}
	}
	if wait := p.take(now); wait != paceEvery {
		t.Errorf("an hour saved up more than a burst: the next question waits %v, want %v", wait, paceEvery)
	}
}
