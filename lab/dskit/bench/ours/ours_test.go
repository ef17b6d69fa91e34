package ours

import (
	"testing"

	"github.com/starlingkv/starling/lab/dskit/bench"
	"github.com/starlingkv/starling/lab/dskit/bench/systemtest"
)

func TestSystem(t *testing.T) { systemtest.Run(t, System{}) }

// TestExchangeInSync holds what two equal replicas say to a few sums, and what
// differs to about its own size: a pair that moved everything would still agree.
func TestExchangeInSync(t *testing.T) {
	p, err := System{}.Pair()
	if err != nil {
		t.Fatal(err)
	}
	keys := bench.Keys("k/", 5000)
	if err := p.Load(keys, 1); err != nil {
		t.Fatal(err)
	}
	x, err := p.Exchange()
	if err != nil || x.Bytes > 1000 || x.Legs != 2 {
		t.Errorf("in sync: got %+v, %v; want two legs of a few sums", x, err)
	}
	if err := p.Change(keys[:1], 2); err != nil {
		t.Fatal(err)
	}
	if x, err = p.Exchange(); err != nil || x.Bytes < bench.ValueSize || x.Bytes > 20_000 {
		t.Errorf("one key differs: got %+v, %v; want its value and little beside", x, err)
	}
}
