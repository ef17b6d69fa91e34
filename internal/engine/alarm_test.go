package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
)

func TestManyPurgesAreTold(t *testing.T) {
	for _, tc := range []struct {
		name         string
		keys, purged int
		pause        time.Duration // in the middle
		want         uint64
	}{
		{"few", 2000, purgeMany, 0, 0},
		{"many", 2000, purgeMany + 1, 0, 1},
		{"many more are told once", 2000, purgeMany + 500, 0, 1},
		{"little of what there is", 110_000, purgeMany + 50, 0, 0},
		{"in two windows", 2000, purgeMany + 1, purgeWindow, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, 1, nil)
			var writes []Write
			for i := range tc.keys {
				writes = append(writes, Write{Addr: cell.At(fmt.Sprint(i), "r"), Body: []byte("v")})
			}
			b.commit(writes...)
			b.purgeFirst(0, tc.purged/2)
			b.pass(tc.pause)
			b.purgeFirst(tc.purged/2, tc.purged)
			if got := b.e.counters.Events[EventManyPurged]; got != tc.want {
				t.Errorf("%d alarms after %d purges of %d keys, want %d", got, tc.purged, tc.keys, tc.want)
			}
		})
	}
}

func (b *bench) purgeFirst(from, to int) {
	b.t.Helper()
	b.e.begin(b.now)
	for i := from; i < to; i++ {
		a := cell.At(fmt.Sprint(i), "r")
		if !b.e.purge(a, b.e.at(a).Dot()) {
			b.t.Fatalf("%q was not purged", a)
		}
	}
	b.fx = b.e.end()
}
