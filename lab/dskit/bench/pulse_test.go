package bench

import "testing"

func TestPulse(t *testing.T) {
	p := new(pulse)
	p.start(1, 1)
	p.saw(0, 1, 0) // what was there before
	p.saw(0, 1, 1)
	p.saw(0, 1, 1) // again
	p.saw(1, 1, 1) // its own
	if len(p.delays) != 1 || p.delays[0] <= 0 {
		t.Errorf("got delays %v, want one, to another node", p.delays)
	}
	for node := range beating {
		for of := range beating {
			if p.complete() {
				t.Fatalf("complete without what node %d knows of node %d", node, of)
			}
			p.saw(node, of, beatCount-1)
			p.saw(node, of, beatCount)
		}
	}
	if !p.complete() {
		t.Error("all heartbeats were seen, and some are missing")
	}
}
