package ours

import (
	"fmt"
	"testing"

	"github.com/starlingkv/starling/lab/dskit/bench"
)

// BenchmarkReceiver is one heartbeat of a peer, as the topic receive hands it over.
func BenchmarkReceiver(b *testing.B) {
	for _, per := range []int{1, 20} {
		b.Run(fmt.Sprintf("cells=%d", per), func(b *testing.B) {
			r, err := System{}.Receiver(5000, 512)
			if err != nil {
				b.Fatal(err)
			}
			tick := int64(1)
			const each = 200
			b.ReportAllocs()
			b.ResetTimer()
			for done := 0; done < b.N; done += each {
				b.StopTimer()
				tick++
				beats := make([]bench.Beat, each)
				for i := range beats {
					beats[i] = bench.Beat{Instance: i, Tick: tick}
				}
				packets := r.Packets(beats, per)
				b.StartTimer()
				for _, deliver := range packets {
					deliver()
				}
			}
		})
	}
}
