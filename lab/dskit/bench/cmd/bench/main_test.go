package main

import (
	"slices"
	"testing"

	"github.com/starlingkv/starling/lab/dskit/bench"
)

func TestChoose(t *testing.T) {
	got, err := choose([]string{"join", "get"})
	if err != nil || len(got) != 2 || got[0].Name != "join" || got[1].Name != "get" {
		t.Errorf("got %v, %v; want the two in this order", got, err)
	}
	if _, err := choose([]string{"get", "no-topic"}); err == nil {
		t.Error("a topic that does not exist was chosen")
	}
}

// TestTunings holds every tuned topic to exist.
func TestTunings(t *testing.T) {
	for topic := range tunings {
		if !slices.Contains(bench.Names(), topic) {
			t.Errorf("no topic %q", topic)
		}
	}
}
