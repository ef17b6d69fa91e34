package starling_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/internal/member"
	"github.com/starlingkv/starling/kv"
)

func TestNodeAloneRunsAtOnce(t *testing.T) {
	first := open(t, starling.Options{Name: "a"})
	if first.State() != starling.Running {
		t.Errorf("a node without seeds is %v, want running", first.State())
	}
	if err := first.WaitSynced(within(t, time.Second)); err != nil {
		t.Errorf("WaitSynced of a node without seeds: %v", err)
	}
	at := first.Addr()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	own := open(t, starling.Options{Name: "a", Bind: at, Seeds: []string{at}, JoinWait: time.Hour})
	if own.State() != starling.Running {
		t.Errorf("a node whose only seed is itself is %v, want running", own.State())
	}
}

// nobody is an address where nothing answers.
const nobody = "127.0.0.1:1"

func TestStartingWaits(t *testing.T) {
	n := open(t, starling.Options{Name: "a", Seeds: []string{nobody}, JoinWait: time.Hour})
	if n.State() != starling.Starting {
		t.Fatalf("state %v, want starting", n.State())
	}
	c := texts(n)
	if v, err := c.Get(t.Context(), "k"); v != nil || err != nil {
		t.Errorf("Get while starting: %v, %v; want nil, nil", v, err)
	}
	cause := errors.New("no patience")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(cause) })
	if _, err := c.Put(ctx, "k", "v"); !errors.Is(err, kv.ErrNotReady) || !errors.Is(err, cause) {
		t.Errorf("Put while starting: %v, want ErrNotReady and the cause", err)
	}
	if err := n.WaitSynced(ctx); !errors.Is(err, kv.ErrNotReady) || !errors.Is(err, cause) {
		t.Errorf("WaitSynced: %v, want ErrNotReady and the cause", err)
	}
}

func TestJoinWaitEndsStarting(t *testing.T) {
	n := open(t, starling.Options{Name: "a", Seeds: []string{nobody}, JoinWait: 100 * time.Millisecond})
	put(t, texts(n), "k", "v")
	if n.State() != starling.Running {
		t.Errorf("state %v, want running", n.State())
	}
	if err := n.WaitSynced(within(t, 20*time.Millisecond)); !errors.Is(err, kv.ErrNotReady) {
		t.Errorf("WaitSynced of a node that found nobody: %v, want ErrNotReady", err)
	}
	hasty := open(t, starling.Options{Name: "b", Seeds: []string{nobody}, JoinWait: -1})
	until(t, "a node that does not wait runs", func() bool { return hasty.State() == starling.Running })
}

func TestRequireJoinFails(t *testing.T) {
	n := open(t, starling.Options{Name: "a", Seeds: []string{nobody}, JoinWait: 50 * time.Millisecond, RequireJoin: true})
	_, err := texts(n).Put(within(t, 10*time.Second), "k", "v")
	if !errors.Is(err, kv.ErrNotReady) || n.State() != starling.Failed {
		t.Errorf("Put: %v in state %v, want ErrNotReady and failed", err, n.State())
	}
	if err := n.WaitSynced(t.Context()); !errors.Is(err, kv.ErrNotReady) || !errors.Is(err, n.Err()) {
		t.Errorf("WaitSynced: %v, want what Err says: %v", err, n.Err())
	}
}

func TestRequireJoinRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := member.NewMemory(8)
		a := openIn(t, network, starling.Options{Name: "a"})
		b := openIn(t, network, starling.Options{Name: "b", Seeds: []string{a.Addr()}, RequireJoin: true})
		if err := b.WaitSynced(within(t, time.Minute)); err != nil || b.State() != starling.Running {
			t.Errorf("WaitSynced: %v in state %v, want it to run with its seed", err, b.State())
		}
		pass(time.Hour) // the seed answers nobody who does not ask
		if b.State() != starling.Running {
			t.Errorf("after an hour it is %v, want running", b.State())
		}
	})
}

// TestNameTaken gives a name twice, with the timing that is the default.
func TestNameTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := member.NewMemory(9)
		n := clusterIn(t, network, "a", "b")
		began := time.Now()
		twin := openIn(t, network, starling.Options{Name: "a", Seeds: []string{n[0].Addr(), n[1].Addr()}, JoinWait: time.Hour})
		_, err := texts(twin).Put(within(t, time.Minute), "k", "v")
		if !errors.Is(err, kv.ErrNameTaken) || twin.State() != starling.Failed || !strings.Contains(err.Error(), n[0].Addr()) {
			t.Errorf("Put: %v in state %v, want ErrNameTaken with the address, and failed", err, twin.State())
		}
		// A death is noticed within five seconds; the name might be a dead one's until then.
		if took := time.Since(began); took < 5*time.Second || took > 20*time.Second {
			t.Errorf("it failed after %v, want 5 to 20 s", took)
		}
		if n[0].State() != starling.Running {
			t.Errorf("the owner of the name is %v, want running", n[0].State())
		}
		if got := n[0].Stats().Namesake; got != twin.Addr() {
			t.Errorf("the owner names %q as its namesake, want %s", got, twin.Addr())
		}
		put(t, texts(n[0]), "k", "mine")
		wait(t, texts(n[1]), "k", "mine")
		if err := twin.Close(); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Minute)
		if got := n[0].Stats().Namesake; got != "" {
			t.Errorf("long after the twin has gone it is named: %q", got)
		}
	})
}

// TestLeaveOfTheQuietIsQuick leaves with nothing to tell: that takes no longer
// than the goodbye.
func TestLeaveOfTheQuietIsQuick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := clusterIn(t, member.NewMemory(5), "a", "b")
		put(t, texts(n[1]), "k", "v")
		wait(t, texts(n[0]), "k", "v")
		pass(15 * time.Second) // what was fresh is checked, no comparison is due
		began := time.Now()
		if err := n[1].Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took >= 2*time.Second {
			t.Errorf("Leave took %v with nothing to tell, want less than two seconds, all of them memberlist's", took)
		}
	})
}

func TestLeave(t *testing.T) {
	n := cluster(t, "a", "b")
	a, b := texts(n[0]), texts(n[1])
	for i := range 50 {
		put(t, b, fmt.Sprintf("last/%02d", i), "words")
	}
	if err := n[1].Leave(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if n[1].State() != starling.Leaving {
		t.Errorf("state %v, want leaving", n[1].State())
	}
	put(t, b, "late", "unheard")
	if got := n[1].Stats().Unsent; got != 1 {
		t.Errorf("unsent %d, want 1", got)
	}
	if err := n[1].Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := a.List(t.Context(), "last/"); err != nil || len(got) != 50 {
		t.Errorf("List: %d keys, %v; want all 50 writes before Leave", len(got), err)
	}
	until(t, "a sees that b left", func() bool { return memberOf(n[0], "b").State == "left" })
	if err := n[1].Leave(t.Context()); !errors.Is(err, kv.ErrClosed) {
		t.Errorf("Leave after Close: %v, want ErrClosed", err)
	}
}

// TestLeaveCountsWhatWasNotPushed leaves with more to tell than two seconds have
// room for.
func TestLeaveCountsWhatWasNotPushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := clusterIn(t, member.NewMemory(6), "a", "b")
		a, b := texts(n[0]), texts(n[1])
		const keys = 5000
		big := strings.Repeat("x", 8000)
		for i := range keys {
			put(t, b, fmt.Sprintf("key/%04d", i), big)
		}
		began := time.Now()
		if err := n[1].Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		unsent := n[1].Stats().Unsent
		got, err := a.List(t.Context(), "key/")
		if err != nil || len(got) == 0 || unsent == 0 || len(got)+int(unsent) < keys {
			t.Errorf("after Leave the other has %d keys, %v, and %d are counted unsent: want both, and no key of %d uncounted", len(got), err, unsent, keys)
		}
		if took < 2*time.Second || took > 6*time.Second {
			t.Errorf("Leave took %v, want two seconds of pushing and the goodbye", took)
		}
		t.Logf("%d of %d reached the other, %d are counted unsent", len(got), keys, unsent)
	})
}
