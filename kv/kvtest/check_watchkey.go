package kvtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/starlingkv/starling/kv"
)

var watchKeyChecks = []check{
	{name: "WatchKeyInitial", sentence: "WatchKey tells the present value first, if there is one.", run: watchKeyInitial},
	{name: "WatchKeyNoInitial", sentence: "WatchKey of an absent key tells nothing before the first write.", run: watchKeyNoInitial},
	{name: "WatchKeyChanges", sentence: "WatchKey tells the latest value after each change.", run: watchKeyChanges},
	{name: "WatchKeyLast", sentence: "WatchKey may skip values, the last never; it never goes back.", run: watchKeyLast},
	{name: "WatchKeyDelete", sentence: "WatchKey tells nil after a delete, and goes on.", run: watchKeyDelete},
	{name: "WatchKeyOnly", sentence: "WatchKey tells of its key only.", run: watchKeyOnly},
}

var watchPrefixChecks = []check{
	{name: "WatchPrefixInitial", sentence: "WatchPrefix tells the value of each key with the prefix first, in key order.", run: watchPrefixInitial},
	{name: "WatchPrefixChanges", sentence: "WatchPrefix tells the latest value of a key after each change of it, new keys included.", run: watchPrefixChanges},
	{name: "WatchPrefixLast", sentence: "WatchPrefix may skip values, the last of a key never; no key goes back.", run: watchPrefixLast},
	{name: "WatchPrefixDelete", sentence: "WatchPrefix does not tell deletes.", run: watchPrefixDelete},
	{name: "WatchPrefixOnly", sentence: "WatchPrefix tells of keys with the prefix only; the empty prefix is every key.", run: watchPrefixOnly},
}

func watchKeyInitial(e *env) {
	e.put("k", "present")
	w := e.watch(onKey("k"))
	w.awaitLast("the present value", is("k", "present"))
	// A second watcher of the same key must not live on what the first was told.
	e.watch(onKey("k")).awaitLast("the present value", is("k", "present"))
}

func watchKeyNoInitial(e *env) {
	e.put("deleted", "once")
	e.delete("deleted")
	for _, key := range []string{"k", "deleted"} {
		w := e.watch(onKey(key))
		e.settle()
		e.put(key, "first")
		if told := w.awaitLast("the first write", is(key, "first")); len(told) != 1 {
			e.Fatalf("WatchKey of an absent key told %v, want only the first write", told)
		}
	}
}

func watchKeyChanges(e *env) {
	e.put("k", "0")
	w, w2 := e.watch(onKey("k")), e.watch(onKey("k"))
	for i := range 20 {
		text := fmt.Sprint(i)
		e.put("k", text)
		w.awaitLast("each change in its turn", is("k", text))
		w2.awaitLast("each change in its turn", is("k", text))
	}
}

func watchKeyLast(e *env) {
	e.put("k", "start")
	slow, fast := e.block(onKey("k")), e.watch(onKey("k"))
	slow.awaitLast("the present value", is("k", "start"))
	var wrote []string
	for i := range 300 {
		wrote = append(wrote, fmt.Sprintf("%04d", i))
		e.put("k", wrote[i])
		if i < 12 {
			e.settle() // so that what queues behind the blocked call is not one thing only
		}
	}
	last := wrote[len(wrote)-1]
	fast.awaitLast("the last value of a burst", is("k", last))
	e.settle()
	slow.release()
	slow.awaitLast("the last value of a burst that it slept through", is("k", last))
	for _, w := range []*watch{slow.watch, fast} {
		w.awaitFinal("the last value of a burst", func(ns []note) bool { return is("k", last)(ns[len(ns)-1]) })
		w.forward("k", append([]string{"start"}, wrote...))
	}
}

// forward fails the check unless what was told about key is a subsequence of what was written.
func (w *watch) forward(key string, wrote []string) {
	w.e.Helper()
	at := 0
	for _, text := range texts(w.seen(), key) {
		i := slices.Index(wrote[at:], text)
		if i < 0 {
			w.e.Fatalf("%s went back: told %q after %q", w.name, text, wrote[max(0, at-1)])
		}
		at += i + 1
	}
}

func watchKeyDelete(e *env) {
	e.put("k", "one")
	w := e.watch(onKey("k"))
	w.awaitLast("the present value", is("k", "one"))
	for i := range 3 {
		e.delete("k")
		w.awaitLast("nil after the delete", isGone("k"))
		text := fmt.Sprint("again ", i)
		e.put("k", text)
		w.awaitLast("the value written after the delete", is("k", text))
	}
	e.put("k", "last words")
	e.delete("k")
	w.awaitLast("nil after a write and a delete", isGone("k"))
}

func watchKeyOnly(e *env) {
	w := e.watch(onKey("ab"))
	e.put("ab", "mine")
	w.awaitLast("its own key", is("ab", "mine"))
	for _, other := range []string{"a", "abc", "ab/", "AB", "ac"} {
		e.put(other, "other")
	}
	e.delete("a")
	e.settle()
	e.put("ab", "mine again")
	told := w.awaitLast("its own key", is("ab", "mine again"))
	if got := fmt.Sprint(told); got != `[ab="mine" ab="mine again"]` {
		e.Fatalf("WatchKey told %s, want its own key's two values", got)
	}
}

func watchPrefixInitial(e *env) {
	want := []string{"p/a", "p/b", "p/c", "p/d"}
	for _, i := range []int{2, 0, 3, 1} {
		e.put(want[i], "v")
	}
	e.put("other", "v")
	e.put("p/gone", "v")
	e.delete("p/gone")
	for _, src := range []source{onPrefix("p/"), onEvents("p/")} {
		var got []string
		for _, n := range e.watch(src).await("all present values", func(ns []note) bool { return len(ns) >= len(want) })[:len(want)] {
			got = append(got, n.key)
		}
		if !slices.Equal(got, want) {
			e.Fatalf("%s told %q first, want the keys there are, in order: %q", src.name, got, want)
		}
	}
}

func watchPrefixChanges(e *env) {
	e.put("p/a", "start")
	w := e.watch(onPrefix("p/"))
	w.awaitLast("the present value", is("p/a", "start"))
	for i := range 10 {
		for _, key := range []string{"p/a", "p/b", "p/c"} {
			text := fmt.Sprint(key, " ", i)
			e.put(key, text)
			w.awaitLast("each change in its turn", is(key, text))
		}
	}
}

func watchPrefixLast(e *env) {
	e.put("p/00", "start")
	slow, fast := e.block(onPrefix("p/")), e.watch(onPrefix("p/"))
	slow.awaitLast("the present value", is("p/00", "start"))
	wrote := map[string][]string{}
	for i := range 400 {
		key := fmt.Sprintf("p/%02d", i%20)
		wrote[key] = append(wrote[key], fmt.Sprintf("%04d", i))
		e.put(key, wrote[key][len(wrote[key])-1])
	}
	e.settle()
	slow.release()
	for _, w := range []*watch{slow.watch, fast} {
		w.awaitFinal("the last value of every key of a burst", func(notes []note) bool {
			for key, all := range wrote {
				if got := texts(notes, key); len(got) == 0 || got[len(got)-1] != all[len(all)-1] {
					return false
				}
			}
			return true
		})
		for key, all := range wrote {
			w.forward(key, append([]string{"start"}, all...))
		}
	}
}

func watchPrefixDelete(e *env) {
	e.put("p/a", "one")
	w := e.watch(onPrefix("p/"))
	w.awaitLast("the present value", is("p/a", "one"))
	e.delete("p/a")
	e.settle()
	e.put("p/b", "barrier")
	told := w.awaitLast("the write after the delete", is("p/b", "barrier"))
	if slices.ContainsFunc(told, isKind(kv.Delete)) {
		e.Fatalf("WatchPrefix told a delete: %v", told)
	}
	e.put("p/a", "again")
	told = w.awaitLast("a key written again", is("p/a", "again"))
	if got := fmt.Sprint(told); got != `[p/a="one" p/b="barrier" p/a="again"]` {
		e.Fatalf("WatchPrefix told %s, want the three writes", got)
	}
}

func watchPrefixOnly(e *env) {
	all := e.watch(onPrefix(""))
	w := e.watch(onPrefix("ab"))
	keys := []string{"a", "ab", "b", "abc", "xab", "aB", "ab/d"}
	for _, key := range keys {
		e.put(key, "v")
	}
	for _, key := range keys {
		all.awaitAny("every key", is(key, "v"))
		if strings.HasPrefix(key, "ab") {
			w.awaitAny("every key with the prefix", is(key, "v"))
		}
	}
	e.settle()
	e.put("ab~", "barrier")
	for _, n := range w.awaitLast("the next key with the prefix", is("ab~", "barrier")) {
		if !strings.HasPrefix(n.key, "ab") {
			e.Fatalf("WatchPrefix(%q) told %v", "ab", n)
		}
	}
}
