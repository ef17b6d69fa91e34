package bench

import (
	"testing"
	"time"
)

func TestBeats(t *testing.T) {
	b := &beats{at: make(map[string]time.Time)}
	v := Value("k", 2)
	b.start(v)
	b.saw(Value("k", 1)) // what was there before
	if n := b.missing(3); n != 3 {
		t.Errorf("%d watchers miss it, want 3", n)
	}
	b.saw(v)
	b.saw(v)
	if n := b.missing(3); n != 1 || len(b.late) != 2 {
		t.Errorf("%d watchers miss it after two saw it, %d delays", n, len(b.late))
	}
}
