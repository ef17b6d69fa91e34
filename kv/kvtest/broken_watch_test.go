package kvtest

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/starlingkv/starling/kv"
)

var brokenWatches = []broken{
	{"tells WatchKey no initial value", []string{"WatchKeyInitial"}, lateStart("WatchKey")},
	{"tells WatchKey nil at first", []string{"WatchKeyNoInitial"}, watches(on("WatchKey", func(w *watching) {
		if w.f(bitOf(w.what, nil)) {
			w.right()
		}
	}))},
	{"tells WatchKey every second change", []string{"WatchKeyChanges"}, watches(on("WatchKey", drop(everySecond())))},
	{"loses the last value when its buffer is full", []string{"WatchKeyLast", "WatchPrefixLast", "EventsLast"}, watches(buffered(func(queue []bit, x bit) []bit {
		if len(queue) >= 4 {
			return queue
		}
		return append(queue, x)
	}))},
	{"reorders", []string{"WatchKeyLast", "EventsOrder"}, watches(buffered(func(queue []bit, x bit) []bit {
		return append([]bit{x}, queue...)
	}))},
	{"tells WatchKey no delete", []string{"WatchKeyDelete", "IterValues", "TypedWatch"}, watches(on("WatchKey", drop(gone)))},
	{"tells WatchKey the old value at a delete", []string{"WatchKeyDelete"}, watches(on("WatchKey", tap(func(w *watching) func(bit) bool {
		var last any
		return func(x bit) bool {
			if x.ev.Kind == kv.Delete {
				x.ev.Value = last
			}
			last = x.ev.Value
			return w.f(x)
		}
	})))},
	{"takes a key for a prefix", []string{"WatchKeyOnly"}, func(b *bent) {
		b.watch = on("WatchKey", func(w *watching) {
			b.lively.WatchPrefix(w.ctx, w.what, func(_ string, v any) bool { return w.f(bitOf(w.what, v)) })
		})
	}},
	{"tells WatchPrefix no initial values", []string{"WatchPrefixInitial"}, lateStart("WatchPrefix")},
	{"tells WatchPrefix of no new key", []string{"WatchPrefixChanges", "IterChanges"}, func(b *bent) {
		b.watch = on("WatchPrefix", func(w *watching) {
			known, _ := b.lively.List(w.ctx, w.what)
			drop(func(_ *watching, x bit) bool { return !slices.Contains(known, x.ev.Key) })(w)
		})
	}},
	{"tells WatchPrefix deletes", []string{"WatchPrefixDelete", "TTLWatch"}, func(b *bent) {
		b.watch = on("WatchPrefix", func(w *watching) {
			for ev, err := range b.lively.Events(w.ctx, w.what) {
				if err == nil && ev.Key != "" && !w.f(bit{ev: ev}) {
					return
				}
			}
		})
	}},
	{"tells WatchPrefix of other keys", []string{"WatchPrefixOnly"}, func(b *bent) {
		b.watch = on("WatchPrefix", func(w *watching) {
			b.lively.WatchPrefix(w.ctx, w.what[:min(1, len(w.what))], func(k string, v any) bool { return w.f(bitOf(k, v)) })
		})
	}},
	{"calls one watcher twice at once", []string{"WatchNotConcurrent"}, watches(tap(func(w *watching) func(bit) bool {
		return func(x bit) bool {
			var second sync.WaitGroup
			if w.src == "Events" || x.ev.Kind != kv.Put {
				return w.f(x)
			}
			second.Go(func() { w.f(x) })
			goOn := w.f(x)
			second.Wait()
			return goOn
		}
	}))},
	{"calls from a goroutine of its own", []string{"WatchCallersGoroutine"}, watches(func(w *watching) {
		if w.src == "Events" {
			w.right()
			return
		}
		done := make(chan any, 1)
		go func() {
			defer func() { done <- recover() }()
			w.right()
		}()
		if p := <-done; p != nil {
			panic(p)
		}
	})},
	{"calls under its lock", []string{"WatchOutsideLocks"}, func(b *bent) {
		b.watch = tap(func(w *watching) func(bit) bool {
			return func(x bit) bool {
				if !b.acquire() {
					return false
				}
				defer b.unlock()
				return w.f(x)
			}
		})
		b.cas = func(ctx context.Context, key string, f casFunc) error {
			if b.acquire() {
				b.unlock()
			}
			return b.lively.CAS(ctx, key, f)
		}
	}},
	{"lets a slow watcher delay the others", []string{"WatchBlocked"}, func(b *bent) {
		b.watch = tap(func(w *watching) func(bit) bool {
			return func(x bit) bool {
				if !b.acquire() {
					return false
				}
				defer b.unlock()
				return w.f(x)
			}
		})
	}},
	{"swallows a panic of a watcher", []string{"WatchPanic"}, watches(func(w *watching) {
		defer func() { _ = recover() }()
		w.right()
	})},
	{"keeps its lock when a watcher panics", []string{"WatchPanic"}, func(b *bent) {
		b.watch = tap(func(w *watching) func(bit) bool {
			return func(x bit) bool {
				if !b.acquire() {
					return false
				}
				goOn := w.f(x)
				b.unlock()
				return goOn
			}
		})
		b.get = func(ctx context.Context, key string) (any, error) {
			if b.acquire() {
				b.unlock()
			}
			return b.lively.Get(ctx, key)
		}
	}},
	{"goes on after false", []string{"WatchEndsFalse"}, watches(on("WatchKey", tap(func(w *watching) func(bit) bool {
		return func(x bit) bool { w.f(x); return true }
	})))},
	{"notices the end of ctx at the next event", []string{"WatchEndsCtx"}, watches(on("WatchKey", func(w *watching) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		stop := context.AfterFunc(w.ctx, func() {
			<-w.life.over
			cancel()
		})
		defer stop()
		w.run(ctx, func(x bit) bool { return w.ctx.Err() == nil && w.f(x) })
	}))},
	{"keeps watching when the store closes", []string{"WatchEndsClose"}, watches(on("WatchKey", func(w *watching) {
		w.right()
		if w.life.closed.Load() {
			select {
			case <-w.ctx.Done():
			case <-w.life.over:
			}
		}
	}))},
	{"leaves a goroutine of every watch", []string{"GoroutinesOfWatches"}, watches(func(w *watching) {
		go func() { <-w.life.over }()
		w.right()
	})},
	{"leaves a goroutine at Close", []string{"GoroutinesAfterClose"}, func(b *bent) {
		go func() { <-b.life.over }()
	}},
	{"tells nobody when it is alone", []string{"LifeAlone"}, watches(drop(func(w *watching, _ bit) bool { return w.life.alone.Load() }))},
}

var brokenEvents = []broken{
	{"tells no Synced", []string{"EventsInitial"}, watches(on("Events", drop(func(_ *watching, x bit) bool { return x.ev.Kind == kv.Synced })))},
	{"tells deleted keys in the initial state", []string{"EventsInitial"}, watches(on("Events", tap(func(w *watching) func(bit) bool {
		return func(x bit) bool {
			if x.ev.Kind == kv.Synced && !w.f(bitOf(w.what+"gone", nil)) {
				return false
			}
			return w.f(x)
		}
	})))},
	{"drops a delete event", []string{"EventsChanges", "EventsLast"}, watches(on("Events", drop(gone)))},
	{"tells events of other keys", []string{"EventsOnly"}, func(b *bent) {
		b.watch = on("Events", func(w *watching) {
			for ev, err := range b.lively.Events(w.ctx, w.what[:min(1, len(w.what))]) {
				if !w.f(bit{ev, err}) {
					return
				}
			}
		})
	}},
	{"tells a burst in the order of its keys", []string{"EventsOrder"}, watches(on("Events", buffered(func(queue []bit, x bit) []bit {
		queue = append(queue, x)
		slices.SortStableFunc(queue, func(a, b bit) int { return strings.Compare(a.ev.Key, b.ev.Key) })
		return queue
	})))},
	{"tells the end of ctx as its own", []string{"WatchEndsCtx"}, watches(on("Events", drop(func(_ *watching, x bit) bool { return x.err != nil && x.ev.Key == "" })))},
	{"tells no expiry", []string{"TTLWatch"}, func(b *bent) {
		b.watch = on("Events", drop(func(_ *watching, x bit) bool { return x.ev.Kind == kv.Delete && b.recall("deleted "+x.ev.Key) == nil }))
		b.del = func(ctx context.Context, key string) error {
			b.keep("deleted "+key, true)
			return b.lively.Delete(ctx, key)
		}
	}},
}

var brokenOnly = []broken{
	{"ignores the options of Events", []string{"WatchKeySiblings", "EventsOneKey", "NoValues"}, func(b *bent) {
		b.watch = on("Events", func(w *watching) {
			for ev, err := range b.lively.Events(w.ctx, w.what) {
				if !w.f(bit{ev, err}) {
					return
				}
			}
		})
	}},
	{"ignores the options of Entries", []string{"NoValues"}, func(b *bent) {
		b.entries = func(ctx context.Context, prefix, after string) iter.Seq2[kv.Entry, error] {
			return b.lively.Entries(ctx, prefix, after)
		}
	}},
	{"tells WatchKey its value whenever a neighbour changes", []string{"WatchKeySiblings"}, func(b *bent) {
		b.watch = on("WatchKey", func(w *watching) {
			b.lively.WatchPrefix(w.ctx, w.what, func(string, any) bool {
				v, _ := b.lively.Get(w.ctx, w.what)
				return w.f(bitOf(w.what, v))
			})
		})
	}},
	{"tells no end of a key that is watched alone", []string{"EventsOneKey"}, watches(on("Events", drop(gone)))},
}

// watches makes a client of which every watch is broken like that.
func watches(how func(*watching)) bend { return func(b *bent) { b.watch = how } }

func gone(_ *watching, x bit) bool { return x.err == nil && x.ev.Kind == kv.Delete }

// lateStart makes a client whose watches of one kind leave out the initial values.
func lateStart(src string) bend {
	return func(b *bent) {
		b.watch = on(src, func(w *watching) {
			present := 1
			if src == "WatchKey" {
				if v, err := b.lively.Get(w.ctx, w.what); v == nil && err == nil {
					present = 0
				}
			} else {
				keys, _ := b.lively.List(w.ctx, w.what)
				present = len(keys)
			}
			drop(func(*watching, bit) bool { present--; return present >= 0 })(w)
		})
	}
}

// everySecond is true of every second thing told to each watch.
func everySecond() func(*watching, bit) bool {
	var mu sync.Mutex
	told := map[*watching]int{}
	return func(w *watching, _ bit) bool {
		mu.Lock()
		defer mu.Unlock()
		told[w]++
		return told[w]%2 == 0
	}
}

// buffered puts a queue between what happens and who is told; add says how it grows.
func buffered(add func(queue []bit, x bit) []bit) func(*watching) {
	return func(w *watching) {
		ctx, cancel := context.WithCancel(w.ctx)
		defer cancel()
		var mu sync.Mutex
		var queue []bit
		more, done := make(chan struct{}, 1), make(chan struct{})
		go func() {
			defer close(done)
			w.run(ctx, func(x bit) bool {
				mu.Lock()
				queue = add(queue, x)
				mu.Unlock()
				select {
				case more <- struct{}{}:
				default:
				}
				return true
			})
		}()
		for ended := false; !ended; {
			select {
			case <-more:
			case <-done:
				ended = true
			}
			for {
				mu.Lock()
				if len(queue) == 0 {
					mu.Unlock()
					break
				}
				x := queue[0]
				queue = queue[1:]
				mu.Unlock()
				if !w.f(x) {
					return
				}
			}
		}
	}
}
