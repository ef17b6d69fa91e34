package ours

import (
	"testing"

	"github.com/starlingkv/starling/lab/dskit/bench"
)

// BenchmarkExchange is what two replicas of 100,000 keys compute and carry when
// nothing differs, or 100 keys, as the topic reconcile has them.
func BenchmarkExchange(b *testing.B) {
	for name, differ := range map[string]int{"differ=0": 0, "differ=100": 100} {
		b.Run(name, func(b *testing.B) {
			p, err := System{}.Pair()
			if err != nil {
				b.Fatal(err)
			}
			keys := bench.Keys("tenants/", 100_000)
			if err := p.Load(keys, 1); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for round := range b.N {
				b.StopTimer()
				changed := make([]string, differ)
				for i := range changed {
					changed[i] = keys[(i*997+round*31)%len(keys)]
				}
				if err := p.Change(changed, round+2); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if _, err := p.Exchange(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
