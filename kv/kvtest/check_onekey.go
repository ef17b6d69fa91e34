package kvtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/starlingkv/starling/kv"
)

var onlyChecks = []check{
	{name: "WatchKeySiblings", sentence: "A watch of one key is told of nothing else, however many keys begin with it.", run: watchKeySiblings},
	{name: "EventsOneKey", sentence: "Events with OneKey tells of that key only, deletes included; of what is no key it is ErrBadKey.", run: eventsOneKey},
	{name: "NoValues", sentence: "Events and Entries with NoValues tell the same without the values.", run: noValues},
}

// onOneKey watches one key by Events.
func onOneKey(key string) source {
	return source{"Events of one key", func(ctx context.Context, c kv.Client, tell func(string, kv.EventKind, any, error) bool) {
		w, ok := kv.As[kv.Watcher](c)
		if !ok {
			panic(fmt.Sprintf("kvtest: %T is no kv.Watcher", c))
		}
		for ev, err := range w.Events(ctx, key, kv.OneKey()) {
			if !tell(ev.Key, ev.Kind, ev.Value, err) {
				return
			}
		}
	}}
}

func watchKeySiblings(e *env) {
	e.put("k", "one")
	e.siblings("before")
	byKey, byEvents := e.watch(onKey("k")), e.watch(onOneKey("k"))
	byKey.awaitLast("the present value", is("k", "one"))
	byEvents.awaitLast("the present state", isKind(kv.Synced))
	e.siblings("after")
	e.put("k", "two")
	if got := fmt.Sprint(tail(byKey.awaitLast("its own change", is("k", "two")))); got != `[k="one" k="two"]` {
		e.Fatalf("WatchKey told %s, want its own key's two values", got)
	}
	if got := fmt.Sprint(tail(byEvents.awaitLast("its own change", is("k", "two")))); got != `[k="one" synced k="two"]` {
		e.Fatalf("Events of one key told %s, want its own key's two values", got)
	}
}

// siblings writes keys that begin with k.
func (e *env) siblings(text string) {
	e.Helper()
	for i := range e.suite.Siblings {
		e.put(fmt.Sprintf("k%05d", i), text)
	}
}

func eventsOneKey(e *env) {
	w := e.watch(onOneKey("k"))
	if told := w.awaitLast("Synced of an absent key", isKind(kv.Synced)); len(told) != 1 {
		e.Fatalf("Events of an absent key told %v, want Synced", told)
	}
	for _, other := range []string{"k/1", "kk", "K"} {
		e.put(other, "other")
	}
	e.put("k", "one")
	w.awaitLast("a new value", is("k", "one"))
	e.delete("k/1")
	e.delete("k")
	told := w.awaitLast("the delete", isGone("k"))
	if got := fmt.Sprint(told); got != `[synced k="one" k gone]` {
		e.Fatalf("Events of one key told %s, want its value and its delete", got)
	}
	for _, bad := range []string{"", "a\nb"} {
		e.do("an Events of what is no key", func() {
			for ev, err := range as[kv.Watcher](e, e.c).Events(e.ctx(), bad, kv.OneKey()) {
				if !errors.Is(err, kv.ErrBadKey) {
					e.Errorf("Events of the one key %q told %v, %v; want ErrBadKey", bad, ev.Kind, err)
					return
				}
			}
		})
	}
}

func noValues(e *env) {
	e.put("k/1", "v")
	e.put("k/2", undecodable)
	for en, err := range e.versioned().Entries(e.ctx(), "k/", "", kv.NoValues()) {
		e.bare("Entries", en, err)
	}
	seen := 0
	e.do("Events without values", func() {
		for ev, err := range as[kv.Watcher](e, e.c).Events(e.ctx(), "k/", kv.NoValues()) {
			if ev.Kind == kv.Synced {
				return
			}
			e.bare("Events", ev.Entry, err)
			seen++
		}
	})
	if seen != 2 {
		e.Fatalf("Events without values told %d keys, want 2", seen)
	}
}

// bare fails the check unless the entry is what the store has, without its value.
func (e *env) bare(who string, en kv.Entry, err error) {
	e.Helper()
	if err != nil || en.Value != nil {
		e.Errorf("%s without values gave %q the value %.30v and the error %v", who, en.Key, en.Value, err)
		return
	}
	want, _, err := e.versioned().Entry(e.ctx(), en.Key)
	if err != nil && !errors.Is(err, kv.ErrDecode) {
		e.Errorf("Entry(%q): %v", en.Key, err)
	}
	if en.Version != want.Version || en.Codec != want.Codec || !en.Updated.Equal(want.Updated) {
		e.Errorf("%s without values gave %+v, Entry says version %s, codec %s, updated %v", who, en, want.Version, want.Codec, want.Updated)
	}
}
