package linear

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/starlingkv/starling/kv"
)

// told is one event of a watch: a value, "" for a delete.
type told struct{ key, value string }

// Watch is what one watch told.
type Watch struct {
	mu     sync.Mutex // guards what follows
	events []told
	state  map[string]string
	last   map[string]string // told last of each key; unlike state it outlives a Reset
	anew   bool              // between a Reset and the next Synced
	more   chan struct{}     // closed and replaced at every event
	err    error
}

// Follow watches every key of a run until ctx ends.
func Follow(ctx context.Context, c kv.Client) *Watch {
	w := &Watch{state: make(map[string]string), last: make(map[string]string), more: make(chan struct{})}
	watcher, ok := kv.As[kv.Watcher](c)
	if !ok {
		panic(fmt.Sprintf("linear: %T is no kv.Watcher", c))
	}
	go func() {
		for ev, err := range watcher.Events(ctx, prefix) {
			w.tell(ev, err)
		}
	}()
	return w
}

func (w *Watch) tell(ev kv.Event, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	value, _ := ev.Value.(string)
	switch {
	case err != nil:
		w.err = err
	case ev.Kind == kv.Reset:
		clear(w.state)
		w.anew = true
	case ev.Kind == kv.Synced:
		w.anew = false
	case ev.Kind == kv.Put:
		w.state[ev.Key] = value
		w.note(told{ev.Key, value})
	case ev.Kind == kv.Delete:
		delete(w.state, ev.Key)
		w.note(told{ev.Key, ""})
	}
	close(w.more)
	w.more = make(chan struct{})
}

// note notes what was told, unless it is what a Reset told anew. Caller holds mu.
func (w *Watch) note(ev told) {
	if was, known := w.last[ev.key]; known && was == ev.value && w.anew {
		return
	}
	w.last[ev.key] = ev.value
	w.events = append(w.events, ev)
}

// Len counts the events.
func (w *Watch) Len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.events)
}

// Ends waits until the watch has told the final state: what each key holds when nobody writes any more.
func (w *Watch) Ends(final map[string]string, within time.Duration) error {
	limit := time.NewTimer(within)
	defer limit.Stop()
	for {
		w.mu.Lock()
		differ, more, err := difference(w.state, final), w.more, w.err
		w.mu.Unlock()
		if differ == "" {
			return nil
		}
		select {
		case <-more:
		case <-limit.C:
			return fmt.Errorf("the watch lost a last value: %s (error %v)", differ, err)
		}
	}
}

func difference(got, want map[string]string) string {
	for key, value := range want {
		if got[key] != value {
			return fmt.Sprintf("%s is %q, told was %q", key, value, got[key])
		}
	}
	for key, value := range got {
		if _, there := want[key]; !there {
			return fmt.Sprintf("%s is gone, told was %q", key, value)
		}
	}
	return ""
}

// Check returns nil if the watch told only what was written, nothing again that it had told before, and no write after a
// later one: one that began when the other had ended.
func (w *Watch) Check(h *History) error {
	writes := make(map[string]call)
	for _, c := range h.all() {
		if c.wrote != "" {
			writes[c.wrote] = c
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := make(map[told]bool)
	latest := make(map[string]call) // of those told of a key, the one that began last
	for _, ev := range w.events {
		if ev.value == "" {
			continue
		}
		c, ok := writes[ev.value]
		switch {
		case !ok || c.key != ev.key:
			return fmt.Errorf("the watch told %q of %s, which nobody wrote there", ev.value, ev.key)
		case seen[ev]:
			return fmt.Errorf("the watch told %q of %s twice", ev.value, ev.key)
		case c.end < latest[ev.key].begin:
			return fmt.Errorf("the watch went back: %s, then %s, which had ended before", describe(latest[ev.key]), describe(c))
		}
		seen[ev] = true
		if c.begin > latest[ev.key].begin {
			latest[ev.key] = c
		}
	}
	return nil
}
