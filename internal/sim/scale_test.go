package sim

import (
	"math"
	"strings"
	"testing"
	"time"
)

// TestScaleIsAsTheFormulasSay measures small clusters; make scale the large ones.
func TestScaleIsAsTheFormulasSay(t *testing.T) {
	for _, c := range []Scale{
		{Nodes: 100, Loss: 0.05},
		{Nodes: 100},
		{Nodes: 100, Loss: 0.05, Dead: 0.05},
	} {
		c.Rate, c.Warm, c.For, c.Body, c.Seed = 4, 10*time.Second, 10*time.Second, 40, 1
		r := c.Run()
		for _, b := range r.Check() {
			t.Errorf("%v: %s", r, b)
		}
		if r.Updates < 30 || r.All.P50 == 0 || r.All.P50 > 250*time.Millisecond || r.Curve[len(r.Curve)-1].Share != 1 {
			t.Errorf("%v: not every member came to hold what was written", r)
		}
	}
}

func TestScaleIsRepeatable(t *testing.T) {
	s := Scale{Nodes: 30, Loss: 0.2, Rate: 5, Warm: time.Second, For: 3 * time.Second, Body: 40, Seed: 3}
	a := s.Run()
	if b := s.Run(); a.String() != b.String() {
		t.Errorf("played twice:\n%v%v", a, b)
	}
	if s.Seed++; a.String() == s.Run().String() {
		t.Error("another seed gives the same")
	}
}

func TestScaleCheckBites(t *testing.T) {
	good := func() *ScaleResult {
		s := Scale{Nodes: 1000, Loss: 0.05, Rate: 2, Body: 40}
		e := s.Expect()
		return &ScaleResult{
			Scale: s, Live: 1000, Updates: 50, Alone: 50,
			MeanHops: e.MeanHops, Straight: e.MaxHops, Payloads: e.Payloads, Bytes: e.Bytes,
		}
	}
	if b := good().Check(); len(b) > 0 {
		t.Fatalf("what the formulas say is refused: %q", b)
	}
	for name, spoil := range map[string]func(*ScaleResult){
		"hops on":  func(r *ScaleResult) { r.MeanHops *= 1.25 },
		"at most":  func(r *ScaleResult) { r.Straight = 7 },
		"payloads": func(r *ScaleResult) { r.Payloads *= 1.25 },
		"bytes":    func(r *ScaleResult) { r.Bytes *= 0.75 },
		"missed":   func(r *ScaleResult) { r.Missed = 3 },
	} {
		r := good()
		spoil(r)
		if got := strings.Join(r.Check(), "; "); !strings.Contains(got, name) {
			t.Errorf("%s: the check says %q", name, got)
		}
	}
}

func TestMostMissed(t *testing.T) {
	for _, c := range []struct {
		mean       float64
		from, upTo int
	}{{0, 0, 0}, {0.01, 1, 1}, {1, 5, 5}, {100, 130, 133}, {10_000, 10_250, 10_350}} {
		r := &ScaleResult{Live: 1001, Alone: 1000, Scale: Scale{Nodes: 1001}}
		if got := r.mostMissed(Expected{Missed: c.mean / missedFactor / 1e6}); got < c.from || got > c.upTo {
			t.Errorf("a mean of %v allows %d, want %d to %d", c.mean, got, c.from, c.upTo)
		}
	}
}

func TestScaleValidates(t *testing.T) {
	ok := Scale{Nodes: 10, Rate: 1, For: time.Second, Body: 1}
	if err := ok.Validate(); err != nil {
		t.Error(err)
	}
	for _, change := range []func(*Scale){
		func(s *Scale) { s.Nodes = 1 },
		func(s *Scale) { s.Loss = 1 },
		func(s *Scale) { s.Dead = math.NaN() },
		func(s *Scale) { s.Rate = 0 },
		func(s *Scale) { s.For = 0 },
		func(s *Scale) { s.Body = 0 },
	} {
		s := ok
		change(&s)
		if s.Validate() == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}
