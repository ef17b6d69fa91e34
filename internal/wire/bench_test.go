package wire

import (
	"fmt"
	"testing"
)

func BenchmarkParseDelta(b *testing.B) {
	for _, n := range []int{1, 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			packet := mustAppend(b, heartbeat(n))
			b.SetBytes(int64(len(packet)))
			b.ReportAllocs()
			for b.Loop() {
				mustParse(b, packet)
			}
		})
	}
}

func BenchmarkAppendDelta(b *testing.B) {
	for _, n := range []int{1, 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := heartbeat(n)
			buf := mustAppend(b, f)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = testCodec.Append(buf[:0], f)
			}
		})
	}
}
