package engine

import (
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/wire"
)

func TestOneWriteReachesAllOnce(t *testing.T) {
	const nodes = 64
	for seed := range uint64(20) {
		n := newPushNet(t, nodes, seed, nil)
		c := n.nodes[seed%nodes].put("k", []byte("v"))
		n.run(40 * time.Millisecond)
		if miss := n.missing(c); miss > 0 {
			t.Fatalf("seed %d: %d of %d nodes miss the cell after 40 ms", seed, miss, nodes)
		}
		n.run(2 * time.Second)
		if n.cells != nodes-1 {
			t.Errorf("seed %d: %d payloads for one update of %d nodes, want %d", seed, n.cells, nodes, nodes-1)
		}
		if haves := n.packets[wire.TypeHave]; haves < nodes || haves > 4*nodes {
			t.Errorf("seed %d: %d HAVE, want about 3 per node", seed, haves)
		}
		if n.packets[wire.TypeWant] != 0 {
			t.Errorf("seed %d: %d WANT where nothing was lost", seed, n.packets[wire.TypeWant])
		}
		n.packets = map[wire.Type]int{}
		n.run(time.Minute)
		delete(n.packets, wire.TypeHello)
		if len(n.packets) != 0 {
			t.Errorf("seed %d: packets when all is told: %v", seed, n.packets)
		}
	}
}

func TestDigestsRepairLoss(t *testing.T) {
	const nodes, runs = 64, 40
	full, cells := 0, 0
	for seed := range uint64(runs) {
		n := newPushNet(t, nodes, seed, nil)
		n.loss = 0.05
		c := n.nodes[0].put("k", []byte("v"))
		n.run(time.Second)
		if n.missing(c) == 0 {
			full++
		}
		cells += n.cells
	}
	// Loss is not known yet, so cells get three ticks: the model says 0.7 % of
	// the updates need a session.
	if full < runs-2 {
		t.Errorf("%d of %d updates reached all at 5 %% loss", full, runs)
	}
	if mean := float64(cells) / runs / (nodes - 1); mean > 1.2 {
		t.Errorf("%.2f payloads per node at 5 %% loss", mean)
	}
}
