package kvtest

import "slices"

var listChecks = []check{
	{name: "ListSorted", sentence: "List returns the live keys, sorted by their bytes.", run: listSorted},
	{name: "ListPrefix", sentence: "List returns only keys with the prefix; a prefix is bytes, not a path.", run: listPrefix},
	{name: "ListLive", sentence: "List does not return deleted keys.", run: listLive},
}

var getChecks = []check{
	{name: "GetAbsent", sentence: "Get of an absent key is nil, nil.", run: getAbsent},
	{name: "GetContainerYours", sentence: "The container that Get returns is the caller's.", run: getContainerYours},
	{name: "CASContainerYours", sentence: "The container that f of CAS is given, and the one it returns, are the caller's.", run: casContainerYours},
	{name: "WatchContainerYours", sentence: "The container that a watch is given is the caller's.", run: watchContainerYours},
}

var deleteChecks = []check{
	{name: "DeleteAbsent", sentence: "Delete of an absent key is no error.", run: deleteAbsent},
	{name: "DeleteHides", sentence: "After Delete neither Get nor List shows the key.", run: deleteHides},
	{name: "DeleteLastWriterWins", sentence: "Delete is last-writer-wins: it removes what anybody wrote before, readable or not.", run: deleteLastWriterWins},
}

func listSorted(e *env) {
	want := []string{"B", "a", "a/b", "a/c", "a0", "b", "z", "é", "世"}
	for _, i := range []int{6, 0, 8, 3, 1, 7, 4, 2, 5} {
		e.put(want[i], "v")
	}
	e.wantList("", want...)
	e.wantList("a", "a", "a/b", "a/c", "a0")
}

func listPrefix(e *env) {
	for _, key := range []string{"a", "ab", "ab/c", "ac", "b", "xab", "A"} {
		e.put(key, "v")
	}
	e.wantList("ab", "ab", "ab/c")
	e.wantList("ab/", "ab/c")
	e.wantList("a", "a", "ab", "ab/c", "ac")
	e.wantList("nothing")
	e.wantList("", "A", "a", "ab", "ab/c", "ac", "b", "xab")
}

func listLive(e *env) {
	for _, key := range []string{"a", "b", "c"} {
		e.put(key, "v")
	}
	e.delete("b")
	e.wantList("", "a", "c")
	e.put("b", "again")
	e.wantList("", "a", "b", "c")
}

func getAbsent(e *env) {
	e.put("ab", "v")
	for _, key := range []string{"a", "abc", "b"} {
		if v, err := e.c.Get(e.ctx(), key); v != nil || err != nil {
			e.Fatalf("Get(%q) = %v, %v; want nil, nil", key, v, err)
		}
	}
}

func getContainerYours(e *env) {
	e.put("k", "written")
	for range 2 {
		d := e.get("k")
		if d == nil || d.Text != "written" {
			e.Fatalf("Get = %v, want %q: somebody wrote into the stored container", d, "written")
		}
		d.Text = "scribbled by a reader"
	}
	en := e.entry("k")
	e.doc(en.Value).Text = "scribbled by a reader of Entry"
	for en, err := range e.versioned().Entries(e.ctx(), "k", "") {
		if err != nil {
			e.Fatalf("Entries: %v", err)
		}
		e.doc(en.Value).Text = "scribbled by a reader of Entries"
	}
	e.want("k", "written")
}

func casContainerYours(e *env) {
	mine := &doc{Text: "written"}
	e.casTo("k", mine)
	mine.Text = "scribbled by its writer"
	e.want("k", "written")

	if err := e.c.CAS(e.ctx(), "k", func(in any) (any, bool, error) {
		e.doc(in).Text = "scribbled by f"
		return nil, false, nil
	}); err != nil {
		e.Fatalf("CAS with nil out: %v", err)
	}
	e.want("k", "written")

	mine = &doc{Text: "put"}
	if _, err := e.versioned().Put(e.ctx(), "k", mine); err != nil {
		e.Fatalf("Put: %v", err)
	}
	mine.Text = "scribbled by its writer"
	e.want("k", "put")
}

// casTo writes v itself, not a copy of it.
func (e *env) casTo(key string, v any) {
	e.Helper()
	if err := e.c.CAS(e.ctx(), key, func(any) (any, bool, error) { return v, true, nil }); err != nil {
		e.Fatalf("CAS(%q): %v", key, err)
	}
}

func watchContainerYours(e *env) {
	e.put("k", "one")
	var all []*watch
	for _, src := range sources() {
		all = append(all, e.watch(src), e.watch(src))
	}
	for _, text := range []string{"one", "two"} {
		if text != "one" {
			e.put("k", text)
		}
		var held []*doc
		for _, w := range all {
			notes := w.awaitAny("the value as written", is("k", text))
			held = append(held, notes[slices.IndexFunc(notes, is("k", text))].doc)
		}
		// Each scribbles into his own, when nobody reads: a shared one is found out without a data race.
		for i, d := range held {
			if d.Text != text {
				e.Fatalf("%s was given a container that somebody else wrote into: %v", all[i].name, d)
			}
			d.Text = "scribbled by a watcher"
		}
		e.want("k", text)
		late := e.watch(onKey("k"))
		late.awaitLast("the value as written", is("k", text))
		late.stop()
	}
}

func deleteAbsent(e *env) {
	for range 2 {
		if err := e.c.Delete(e.ctx(), "never written"); err != nil {
			e.Fatalf("Delete of an absent key: %v, want nil", err)
		}
	}
	e.put("k", "v")
	for range 2 {
		if err := e.c.Delete(e.ctx(), "k"); err != nil {
			e.Fatalf("Delete: %v, want nil, also the second time", err)
		}
	}
}

func deleteHides(e *env) {
	e.put("k", "v")
	e.put("other", "stays")
	e.delete("k")
	e.wantAbsent("k")
	if en, ok, err := e.versioned().Entry(e.ctx(), "k"); ok || err != nil {
		e.Fatalf("Entry of a deleted key = %+v, %v, %v; want none", en, ok, err)
	}
	// A later write is where a delete that was only remembered for a while would show.
	e.put("other", "written later")
	e.wantAbsent("k")
	e.wantList("", "other")
}

func deleteLastWriterWins(e *env) {
	second := e.store.Client(docs)
	e.put("k", "one")
	e.putBy(second, "k", "two")
	e.delete("k")
	if d := e.getBy(second, "k"); d != nil {
		e.Fatalf("Get by the other client = %v after Delete, want nil", d)
	}
	e.putBy(second, "k", undecodable)
	e.delete("k")
	e.wantAbsent("k")
}
