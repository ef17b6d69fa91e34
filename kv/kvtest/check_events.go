package kvtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/starlingkv/starling/kv"
)

var eventsChecks = []check{
	{name: "EventsInitial", sentence: "Events tells a Put for each live key with the prefix, then Synced.", run: eventsInitial},
	{name: "EventsChanges", sentence: "Events tells every change, deletes included, with the entry as Entry gives it.", run: eventsChanges},
	{name: "EventsLast", sentence: "Events coalesces to the latest and never loses a key or a delete.", run: eventsLast},
	{name: "EventsOnly", sentence: "Events tells of keys with the prefix only.", run: eventsOnly},
	{name: "EventsOrder", sentence: "A store with OrderedWatch tells changes of different keys in the order in which they happened.", run: eventsOrder},
}

func eventsInitial(e *env) {
	w := e.watch(onEvents("p/"))
	if told := w.awaitLast("Synced of an empty prefix", isKind(kv.Synced)); len(told) != 1 {
		e.Fatalf("Events of an empty prefix told %v, want Synced", told)
	}
	w.stop()
	for _, key := range []string{"p/b", "p/a", "p/gone", "other"} {
		e.put(key, "v")
	}
	e.delete("p/gone")
	w = e.watch(onEvents("p/"))
	told := w.awaitAny("Synced", isKind(kv.Synced))
	if got := fmt.Sprint(told); got != `[p/a="v" p/b="v" synced]` {
		e.Fatalf("Events told %s, want the two keys, then synced", got)
	}
	e.put("p/a", "later")
	told = w.awaitLast("a change", is("p/a", "later"))
	if n := len(slices.DeleteFunc(told, func(n note) bool { return n.kind != kv.Synced })); n != 1 {
		e.Fatalf("Events told Synced %d times, want once", n)
	}
}

func eventsChanges(e *env) {
	e.put("k", "one")
	var last kv.Event
	w := e.watch(onEvents("k"))
	w.awaitLast("the initial state", isKind(kv.Synced))
	for i := range 3 {
		e.delete("k")
		w.awaitLast("the delete", isGone("k"))
		text := fmt.Sprint("again ", i)
		e.put("k", text)
		w.awaitLast("the write after the delete", is("k", text))
	}
	e.put("k/new", "v")
	w.awaitLast("a new key", is("k/new", "v"))
	e.do("reading the initial events", func() {
		for ev, err := range as[kv.Watcher](e, e.c).Events(e.ctx(), "k") {
			if err != nil || ev.Kind == kv.Synced {
				return
			}
			last = ev
		}
	})
	want := e.entry("k/new")
	if last.Key != want.Key || last.Version != want.Version || last.Codec != want.Codec || last.Size != want.Size || !last.Updated.Equal(want.Updated) {
		e.Fatalf("Events told %+v, Entry says %+v", last.Entry, want)
	}
}

func eventsLast(e *env) {
	for i := range 20 {
		e.put(fmt.Sprintf("k/%02d", i), "start")
	}
	slow, fast := e.block(onEvents("k/")), e.watch(onEvents("k/"))
	// A delete is told to those who were told, or could be told, of the value.
	fast.awaitAny("Synced", isKind(kv.Synced))
	slow.await("its first call", func(ns []note) bool { return len(ns) > 0 })
	for i := range 20 {
		key := fmt.Sprintf("k/%02d", i)
		e.put(key, "middle")
		if i%2 == 0 {
			e.delete(key)
		} else {
			e.put(key, "end")
		}
	}
	e.settle()
	slow.release()
	for _, w := range []*watch{slow.watch, fast} {
		w.awaitFinal("the last state of every key", func(notes []note) bool {
			last := map[string]note{}
			for _, n := range notes {
				last[n.key] = n
			}
			for i := range 20 {
				key := fmt.Sprintf("k/%02d", i)
				if n := last[key]; i%2 == 0 && !isGone(key)(n) || i%2 == 1 && !is(key, "end")(n) {
					return false
				}
			}
			return true
		})
	}
}

func eventsOnly(e *env) {
	w := e.watch(onEvents("ab"))
	w.awaitLast("Synced", isKind(kv.Synced))
	for _, key := range []string{"a", "ab", "b", "abc", "xab"} {
		e.put(key, "v")
	}
	e.settle()
	e.delete("a")
	e.delete("ab")
	e.settle()
	e.put("ab!", "barrier")
	for _, n := range w.awaitLast("the last key with the prefix", is("ab!", "barrier")) {
		if n.kind != kv.Synced && !strings.HasPrefix(n.key, "ab") {
			e.Fatalf("Events(%q) told %v", "ab", n)
		}
	}
}

func eventsOrder(e *env) {
	if !e.capabilities().OrderedWatch {
		return // the store does not promise it
	}
	slow, fast := e.block(onEvents("k/")), e.watch(onEvents("k/"))
	fast.awaitLast("Synced", isKind(kv.Synced))
	slow.await("its first call", func(ns []note) bool { return len(ns) > 0 })
	for _, i := range []int{5, 3, 8, 1, 9, 2, 7, 0, 6, 4} {
		e.put(fmt.Sprint("k/", i), "v")
	}
	e.settle()
	slow.release()
	for _, w := range []*watch{slow.watch, fast} {
		var order string
		for _, n := range w.awaitLast("the last write", is("k/4", "v")) {
			order += strings.TrimPrefix(n.key, "k/")
		}
		if order != "5381927064" {
			e.Fatalf("written in the order 5381927064, told in the order %s", order)
		}
	}
}
