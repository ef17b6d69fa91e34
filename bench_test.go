package starling_test

import (
	"fmt"
	"testing"

	"github.com/starlingkv/starling"
)

func BenchmarkGet(b *testing.B) {
	n := open(b, starling.Options{Name: "a"})
	c := texts(n)
	for i := range 10_000 {
		put(b, c, fmt.Sprintf("key/%05d", i), "value")
	}
	b.ReportAllocs()
	for b.Loop() {
		if v, err := c.Get(b.Context(), "key/05000"); v == nil || err != nil {
			b.Fatal(v, err)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	n := open(b, starling.Options{Name: "a"})
	c := texts(n)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := c.Put(b.Context(), fmt.Sprintf("key/%05d", i%10_000), "value"); err != nil {
			b.Fatal(err)
		}
	}
}
