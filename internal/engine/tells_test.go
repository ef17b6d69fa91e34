package engine

import "testing"

// TestTells: an event that the shell does not want is counted like the others,
// and costs it nothing else.
func TestTells(t *testing.T) {
	for _, wanted := range []bool{true, false} {
		b := newBench(t, 1, func(cfg *Config) {
			cfg.Tells = func(k EventKind) bool { return wanted || k != EventApplied && k != EventReady }
		})
		b.join(newBench(t, 2, nil).put("k", "v"))
		for _, kind := range []EventKind{EventApplied, EventReady} {
			if got := b.e.Stats().Events[kind]; got != 1 {
				t.Errorf("%v: counted %d times, want once", kind, got)
			}
		}
		if told := b.told(EventApplied) > 0; told != wanted {
			t.Errorf("told: %v, want %v", told, wanted)
		}
	}
}
