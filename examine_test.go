package starling

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/member"
)

// TestExamineSeesAWrongClock sets the clock of one of two nodes an hour ahead: the other says so.
func TestExamineSeesAWrongClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := member.NewMemory(15)
		wrong := openInBubble(t, network, Options{Name: "wrong"})
		right := openInBubble(t, network, Options{Name: "right", Seeds: []string{wrong.Addr()}})
		if err := right.WaitSynced(t.Context()); err != nil {
			t.Fatal(err)
		}
		ahead := wrong.reading()
		ahead.Wall += time.Hour.Milliseconds()
		wrong.mu.Lock()
		wrong.engine.Step(ahead, engine.Tick{})
		wrong.mu.Unlock()
		var c ClockOffset
		for stepped := time.Now(); time.Since(stepped) < 2*time.Minute; <-time.After(time.Second) {
			right.Agreement(t.Context()) // it asks, every 30 s, and the answer says what time it is there
			c = right.Examine(t.Context()).Clock
			if c.Warn && c.Peers == 1 && c.Median > 59*time.Minute && c.Median < 61*time.Minute {
				return
			}
		}
		t.Errorf("got %+v, want one peer that is an hour ahead, and a warning", c)
	})
}

// openInBubble opens a node in a network inside the bubble of the test.
func openInBubble(t *testing.T, network *member.Memory, o Options) *Node {
	t.Helper()
	n, err := OpenIn(network, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}
