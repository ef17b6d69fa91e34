package bench

import (
	"math"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it fails for a bad address only
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rest collects garbage, and returns when the runtime's other threads are done
// with it: a collection ends a tenth of a millisecond of them later than its call.
func rest() {
	const look, noise, most = 200 * time.Microsecond, 10 * time.Microsecond, 50
	runtime.GC()
	for range most {
		from, busy := time.Now(), cpu()
		for time.Since(from) < look {
		}
		if used := cpu() - busy; used < time.Since(from)+noise {
			return
		}
	}
}

// cost is what one call takes: nanoseconds on the clock and of all processors, and
// what it allocates.
type cost struct{ took, used, bytes, allocs float64 }

// perCall calls f for about half a second and returns what one call cost.
func perCall(f func()) cost {
	const (
		warm = 100 * time.Millisecond
		long = 500 * time.Millisecond
	)
	n := 0
	for from := time.Now(); time.Since(from) < warm; n++ {
		f()
	}
	n = max(1, int(int64(n)*int64(long/warm)))
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	busy, from := cpu(), time.Now()
	for range n {
		f()
	}
	passed, used := time.Since(from), cpu()-busy
	runtime.ReadMemStats(&after)
	return cost{
		took:  float64(passed) / float64(n),
		used:  float64(used) / float64(n),
		bytes: float64(after.TotalAlloc-before.TotalAlloc) / float64(n),
		// What allocates beside the calls is less than a hundredth of one.
		allocs: math.Round(100*float64(after.Mallocs-before.Mallocs)/float64(n)) / 100,
	}
}

// heap is what lives in the heap.
func heap() float64 {
	runtime.GC()
	runtime.GC() // what finalizers held back
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// quantile is the value below which the part q of all lies.
func quantile[T time.Duration | int | float64](v []T, q float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return float64(v[min(int(q*float64(len(v))), len(v)-1)])
}

// await polls until ok or the limit, and says which.
func await(limit time.Duration, ok func() bool) bool {
	for end := time.Now().Add(limit); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
