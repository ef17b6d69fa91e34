package kvtest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/starlingkv/starling/kv"
)

// markName is the profiler label that finds the goroutines of a check: a goroutine inherits the labels of the one that
// starts it, so whatever a call starts, at whatever remove, carries the mark, and what others run beside does not.
const markName = "kvtest"

var marks atomic.Uint64

// marked runs f under a fresh mark and returns the mark.
func marked(f func()) string {
	mark := fmt.Sprint("m", marks.Add(1))
	pprof.Do(context.Background(), pprof.Labels(markName, mark), func(context.Context) { f() })
	return mark
}

// leftOf returns the stacks of the goroutines that carry the mark, and how many they are.
func leftOf(mark string) (stacks string, n int) {
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		return err.Error(), 1
	}
	label := fmt.Sprintf("%q:%q", markName, mark)
	for block := range strings.SplitSeq(all.String(), "\n\n") {
		if !strings.Contains(block, label) {
			continue
		}
		stacks += block + "\n"
		// "24 @ 0x48466e 0x416cae ...", in the first block below a line about them all.
		for line := range strings.Lines(block) {
			count, _, _ := strings.Cut(line, " @ ")
			if c, err := strconv.Atoi(count); err == nil {
				n += c
			}
		}
	}
	return stacks, n
}

// wantLeft fails the check unless at most n goroutines with the mark are left soon. A goroutine's end is told to nobody,
// so it looks again, each time after twice as long.
func (e *env) wantLeft(mark string, n int) {
	e.Helper()
	wait := time.Millisecond
	for start := time.Now(); ; wait *= 2 {
		stacks, left := leftOf(mark)
		if left <= n {
			return
		}
		if time.Since(start) > e.suite.Within {
			e.Fatalf("%d goroutines are left, want at most %d:\n%s", left, n, stacks)
		}
		again := time.NewTimer(wait)
		<-again.C
	}
}

func goroutinesOfWatches(e *env) {
	e.put("k", "one")
	round := func() {
		var all []*watch
		for range 8 {
			for _, src := range sources() {
				w := e.watch(src)
				w.awaitAny("the present value", is("k", "one"))
				all = append(all, w)
			}
		}
		for _, w := range all {
			w.stop()
		}
	}
	// What the client starts once, as idle connections, is not a watch's.
	const once = 4
	e.wantLeft(marked(round), once)
	e.wantLeft(marked(round), once)
}

func goroutinesAfterClose(e *env) {
	mark := marked(func() {
		e.store = e.suite.New(e.TB, slog.New(slog.DiscardHandler))
		e.c = e.store.Client(docs)
		e.put("k", "one")
		w := e.watch(onEvents(""))
		w.awaitAny("the present value", is("k", "one"))
		if e.expires() {
			e.casWith(kv.WithTTL(e.ctx(), time.Hour), "later", "v")
		}
		e.do("Close", e.store.Close)
		w.ended("Close")
	})
	e.wantLeft(mark, 0)
}
