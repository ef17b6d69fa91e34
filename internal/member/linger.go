package member

import (
	"bytes"
	"context"
	"runtime/pprof"
	"strconv"
	"sync/atomic"
	"time"
)

// linger waits for memberlist's goroutines, some of which outlive its Shutdown:
// a probe waits for its answer. memberlist has no handle on them; but they
// inherit the profiler labels of who started them, so they can be counted.
type linger struct{ id string }

const (
	lingerKey = "starling-membership"
	// lingerLimit is longer than the longest probe of a node in poor health.
	lingerLimit = 15 * time.Second
)

var lingerIDs atomic.Uint64

func newLinger() linger { return linger{id: strconv.FormatUint(lingerIDs.Add(1), 10)} }

// follow runs f; the goroutines it starts are waited for.
func (l linger) follow(f func()) {
	pprof.Do(context.Background(), pprof.Labels(lingerKey, l.id), func(context.Context) { f() })
}

// wait returns when none of them runs, or the limit has passed.
func (l linger) wait() {
	over := time.NewTimer(lingerLimit)
	defer over.Stop()
	for pause := time.Millisecond; l.runs(); pause = min(2*pause, 50*time.Millisecond) {
		next := time.NewTimer(pause)
		select {
		case <-next.C:
		case <-over.C:
			next.Stop()
			return
		}
	}
}

func (l linger) runs() bool {
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		return false
	}
	return bytes.Contains(all.Bytes(), []byte(strconv.Quote(lingerKey)+":"+strconv.Quote(l.id)))
}
