package ours

import (
	"fmt"
	"time"

	"github.com/starlingkv/starling/internal/sim"
	"github.com/starlingkv/starling/lab/dskit/bench"
)

// Spread is part of bench.Lossy: the simulator plays the engines.
func (System) Spread(nodes int, loss float64) (bench.Spread, error) {
	s := sim.Scale{Nodes: nodes, Loss: loss, Rate: 4, Warm: 6 * time.Second, For: time.Minute, Body: bench.ValueSize, Seed: 1}
	if err := s.Validate(); err != nil {
		return bench.Spread{}, err
	}
	r := s.Run()
	if r.Missed > 0 {
		return bench.Spread{}, fmt.Errorf("%d times an update did not come to a node by packets alone", r.Missed)
	}
	return bench.Spread{Updates: r.Updates, Median: r.All.P50, P90: r.All.P90, P99: r.All.P99}, nil
}
