package starling

import (
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/engine"
)

// TestExamineSeesAWrongClock sets the clock of one of two nodes an hour ahead: the other says so.
func TestExamineSeesAWrongClock(t *testing.T) {
	wrong := openAs(t, Options{Name: "wrong"})
	right := openAs(t, Options{Name: "right", Seeds: []string{wrong.Addr()}})
	if err := right.WaitSynced(t.Context()); err != nil {
		t.Fatal(err)
	}
	ahead := wrong.reading()
	ahead.Wall += time.Hour.Milliseconds()
	wrong.mu.Lock()
	wrong.engine.Step(ahead, engine.Tick{})
	wrong.mu.Unlock()
	eventually(t, "the right one sees how far ahead the other is", func() bool {
		right.Agreement(t.Context()) // it asks, and the answer says what time it is there
		c := right.Examine(t.Context()).Clock
		return c.Warn && c.Peers == 1 && c.Median > 59*time.Minute
	})
}
