package kvtest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/starlingkv/starling/kv"
)

var entryChecks = []check{
	{name: "EntryFields", sentence: "Entry is the value, its key, version, codec, size and the time of its write; there is none of an absent key.", run: entryFields},
	{name: "EntriesOrder", sentence: "Entries yields the live entries with the prefix, in key order.", run: entriesOrder},
	{name: "EntriesPaging", sentence: "Entries begins after the key it is given.", run: entriesPaging},
}

var putChecks = []check{
	{name: "PutOverwrites", sentence: "Put stores the value over whatever is there and returns its version.", run: putOverwrites},
	{name: "PutRaw", sentence: "Put stores a Raw as it is, also one that does not decode.", run: putRaw},
	{name: "PutIfVersion", sentence: "Put with IfVersion writes only over that version, else ErrConflict.", run: putIfVersion},
	{name: "PutIfAbsent", sentence: "Put with IfAbsent writes only if the key is absent, else ErrConflict.", run: putIfAbsent},
}

var removeChecks = []check{
	{name: "RemoveAbsent", sentence: "Remove of an absent key is no error, whatever version was asked for.", run: removeAbsent},
	{name: "RemoveIfVersion", sentence: "Remove with IfVersion removes only that version, else ErrConflict.", run: removeIfVersion},
}

var versionChecks = []check{
	{name: "VersionOfWrite", sentence: "A version is equal only for the same write.", run: versionOfWrite},
	{name: "VersionNeverReused", sentence: "A version is never reused, also not for equal bytes or after a delete.", run: versionNeverReused},
}

func entryFields(e *env) {
	if en, ok, err := e.versioned().Entry(e.ctx(), "k"); ok || err != nil {
		e.Fatalf("Entry of an absent key = %+v, %v, %v", en, ok, err)
	}
	e.put("k", "four")
	en := e.entry("k")
	if d := e.doc(en.Value); d == nil || d.Text != "four" {
		e.Fatalf("Entry's value = %v, want what was written", en.Value)
	}
	if en.Key != "k" || en.Version == "" || en.Size != len("four") {
		e.Fatalf("Entry = %+v, want the key, a version and %d bytes", en, len("four"))
	}
	if en.Codec != docs.CodecID() || !en.Expires.IsZero() {
		e.Fatalf("Entry = %+v, want codec %q and no expiry", en, docs.CodecID())
	}
	// Clocks of a cluster agree within 10 s.
	if age := time.Since(en.Updated).Abs(); age > 10*time.Second+e.suite.Within {
		e.Fatalf("Entry was updated at %v, which is %v from now", en.Updated, age)
	}
}

// entries returns the keys and texts that Entries yields.
func (e *env) entries(prefix, after string) (keys []string) {
	e.Helper()
	for en, err := range e.versioned().Entries(e.ctx(), prefix, after) {
		if err != nil {
			e.Fatalf("Entries(%q, %q): %v", prefix, after, err)
		}
		d := e.doc(en.Value)
		if d == nil || d.Text != "value of "+en.Key || en.Version == "" {
			e.Fatalf("Entries(%q, %q) gave %+v", prefix, after, en)
		}
		keys = append(keys, en.Key)
	}
	return keys
}

func entriesOrder(e *env) {
	want := []string{"p/A", "p/a", "p/a/b", "p/a0", "p/é"}
	for _, i := range []int{4, 1, 3, 0, 2} {
		e.put(want[i], "value of "+want[i])
	}
	for _, key := range []string{"o", "p", "q", "p/gone"} {
		e.put(key, "value of "+key)
	}
	e.delete("p/gone")
	if got := e.entries("p/", ""); !slices.Equal(got, want) {
		e.Fatalf("Entries(%q) gave %q, want %q", "p/", got, want)
	}
	if got, all := e.entries("", ""), e.list(""); !slices.Equal(got, all) {
		e.Fatalf("Entries gave %q, List %q", got, all)
	}
}

func entriesPaging(e *env) {
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprintf("p/%02d", i))
		e.put(want[i], "value of "+want[i])
	}
	e.put("z", "value of z")
	var got []string
	after := ""
	for range len(want) {
		page := e.entries("p/", after)
		if len(page) == 0 {
			break
		}
		page = page[:min(7, len(page))]
		got, after = append(got, page...), page[len(page)-1]
	}
	if !slices.Equal(got, want) {
		e.Fatalf("pages of 7 gave %q, want %q", got, want)
	}
	if got := e.entries("p/", "p/23x"); !slices.Equal(got, want[24:]) {
		e.Fatalf("Entries after a key that is not there gave %q, want %q", got, want[24:])
	}
	if got := e.entries("p/", "a"); !slices.Equal(got, want) {
		e.Fatalf("Entries after a key before the prefix gave %q, want all of it", got)
	}
	if got := e.entries("p/", "p0"); len(got) != 0 {
		e.Fatalf("Entries after a key past the prefix gave %q, want none", got)
	}
}

// putAt puts text with the options and returns the version.
func (e *env) putAt(key, text string, opts ...kv.PutOption) string {
	e.Helper()
	version, err := e.versioned().Put(e.ctx(), key, &doc{Text: text}, opts...)
	if err != nil {
		e.Fatalf("Put(%q): %v", key, err)
	}
	return version
}

// refused fails the check unless err is ErrConflict of op and key still holds text.
func (e *env) refused(err error, op, key, text string) {
	e.Helper()
	if !errors.Is(err, kv.ErrConflict) {
		e.Fatalf("%s whose condition does not hold = %v, want ErrConflict", op, err)
	}
	e.wantError(err, op, key)
	e.want(key, text)
}

func putOverwrites(e *env) {
	for _, text := range []string{"one", "two", undecodable, "three"} {
		w := e.watch(onEvents("k"))
		version := e.putAt("k", text)
		if text == undecodable {
			w.awaitAny("the Put", isErr("k"))
			w.stop()
			continue
		}
		w.awaitAny("the Put", is("k", text))
		w.stop()
		e.want("k", text)
		if en := e.entry("k"); en.Version != version || version == "" {
			e.Fatalf("Put returned version %q, Entry says %q", version, en.Version)
		}
	}
}

func putRaw(e *env) {
	e.putAt("from", undecodable)
	bad, held, err := e.versioned().Entry(e.ctx(), "from")
	raw, ok := bad.Value.(kv.Raw)
	if !held || !errors.Is(err, kv.ErrDecode) || !ok {
		e.Fatalf("Entry of what does not decode = %T, %v, %v; want its Raw bytes and ErrDecode", bad.Value, held, err)
	}
	if _, err := e.versioned().Put(e.ctx(), "to", raw); err != nil {
		e.Fatalf("Put of a Raw: %v", err)
	}
	copied, _, err := e.versioned().Entry(e.ctx(), "to")
	if again, _ := copied.Value.(kv.Raw); !errors.Is(err, kv.ErrDecode) || !bytes.Equal(again, raw) {
		e.Fatalf("the copy holds %q, %v; want the same bytes, %q, and ErrDecode", copied.Value, err, raw)
	}
}

func putIfVersion(e *env) {
	first := e.putAt("k", "one")
	second := e.putAt("k", "two", kv.IfVersion(first))
	e.want("k", "two")
	put := func(key, version string) error {
		_, err := e.versioned().Put(e.ctx(), key, &doc{Text: "refused"}, kv.IfVersion(version))
		return err
	}
	e.refused(put("k", first), "put", "k", "two")
	e.refused(put("k", "made up"), "put", "k", "two")
	third := e.putAt("k", "three", kv.IfVersion(second))
	e.delete("k")
	if err := put("k", third); !errors.Is(err, kv.ErrConflict) {
		e.Fatalf("Put over a version that was deleted = %v, want ErrConflict", err)
	}
	e.wantAbsent("k")
	if err := put("never", first); !errors.Is(err, kv.ErrConflict) {
		e.Fatalf("Put over a version of an absent key = %v, want ErrConflict", err)
	}
	e.wantAbsent("never")
}

func putIfAbsent(e *env) {
	e.putAt("k", "one", kv.IfAbsent())
	_, err := e.versioned().Put(e.ctx(), "k", &doc{Text: "refused"}, kv.IfAbsent())
	e.refused(err, "put", "k", "one")
	e.delete("k")
	e.putAt("k", "two", kv.IfAbsent())
	e.want("k", "two")
}

func removeAbsent(e *env) {
	for _, opts := range [][]kv.RemoveOption{nil, {kv.IfVersion("made up")}} {
		if err := e.versioned().Remove(e.ctx(), "never", opts...); err != nil {
			e.Fatalf("Remove of an absent key: %v, want nil", err)
		}
	}
	version := e.putAt("k", "one")
	if err := e.versioned().Remove(e.ctx(), "k"); err != nil {
		e.Fatalf("Remove: %v", err)
	}
	e.wantAbsent("k")
	if err := e.versioned().Remove(e.ctx(), "k", kv.IfVersion(version)); err != nil {
		e.Fatalf("Remove of a version that is gone: %v, want nil", err)
	}
}

func removeIfVersion(e *env) {
	first := e.putAt("k", "one")
	second := e.putAt("k", "two")
	e.refused(e.versioned().Remove(e.ctx(), "k", kv.IfVersion(first)), "remove", "k", "two")
	w := e.watch(onKey("k"))
	w.awaitLast("the present value", is("k", "two"))
	if err := e.versioned().Remove(e.ctx(), "k", kv.IfVersion(second)); err != nil {
		e.Fatalf("Remove of the present version: %v", err)
	}
	w.awaitLast("nil after Remove", isGone("k"))
	e.wantAbsent("k")
}

func versionOfWrite(e *env) {
	version := e.putAt("k", "one")
	e.put("other", "one")
	second := as[kv.Versioned](e, e.store.Client(docs))
	for range 3 {
		en, ok, err := second.Entry(e.ctx(), "k")
		if err != nil || !ok || en.Version != version {
			e.Fatalf("Entry = %q, %v, %v; want version %q for as long as nobody writes", en.Version, ok, err, version)
		}
	}
	if other := e.entry("other").Version; other == version {
		e.Fatalf("writes of two keys have the same version %q", version)
	}
	e.casTo("k", nil)
	if now := e.entry("k").Version; now != version {
		e.Fatalf("version %q became %q without a write", version, now)
	}
}

func versionNeverReused(e *env) {
	seen := map[string]string{}
	note := func(what, version string) {
		e.Helper()
		if before, ok := seen[version]; ok || version == "" {
			e.Fatalf("%s has version %q, which %s had", what, version, before)
		}
		seen[version] = what
	}
	for i := range 10 {
		note(fmt.Sprint("a ", i), e.putAt("k", "a"))
		e.put("k", "b")
		note(fmt.Sprint("b ", i), e.entry("k").Version)
		e.delete("k")
	}
}
