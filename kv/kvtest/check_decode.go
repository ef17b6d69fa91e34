package kvtest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/starlingkv/starling/kv"
)

var decodeChecks = []check{
	{name: "DecodeGet", sentence: "A value that does not decode: Get returns ErrDecode, never a nil value without an error.", run: decodeGet},
	{name: "DecodeCAS", sentence: "A value that does not decode: CAS returns ErrDecode and does not call f.", run: decodeCAS},
	{name: "DecodeWatch", sentence: "A value that does not decode: a watch tells nothing of it and goes on.", run: decodeWatch},
	{name: "DecodeCounted", sentence: "A watch counts a value that does not decode once per version.", run: decodeCounted},
	{name: "DecodeLogged", sentence: "A watch logs a value that does not decode once per version.", run: decodeLogged},
	{name: "DecodeEvents", sentence: "Events yields the error beside the key of a value that does not decode, and goes on.", run: decodeEvents},
	{name: "DecodePanic", sentence: "A codec that panics is the same as one that fails.", clock: realClock, run: decodePanic},
	{name: "DecodeRaw", sentence: "The raw bytes of a value that does not decode stay readable.", run: decodeRaw},
	{name: "EncodeFails", sentence: "A value that its codec does not encode is an error and writes nothing.", run: encodeFails},
}

var kindChecks = []check{
	{name: "TypeOther", sentence: "A key written with another kind is ErrType; it stays as it is, and Delete removes it.", run: typeOther},
	{name: "TypeWatch", sentence: "Entry and Events give the raw bytes of another kind with ErrType; the other watches tell nothing of it and go on.", run: typeWatch},
	{name: "TypeUnfit", sentence: "A value that the codec does not take is an error and writes nothing.", run: typeUnfit},
}

// unreadable are the texts that do not decode, by failing and by panicking.
var unreadable = []string{undecodable, panicking}

func decodeGet(e *env) { e.decodeGet(undecodable) }

func (e *env) decodeGet(text string) {
	e.Helper()
	e.put("k", text)
	v, err := e.c.Get(e.ctx(), "k")
	if !errors.Is(err, kv.ErrDecode) || v != nil {
		e.Fatalf("Get of a value that does not decode = %v, %v; want ErrDecode", v, err)
	}
	e.wantError(err, "get", "k")
	e.wantList("k", "k")
}

func decodeCAS(e *env) { e.decodeCAS(undecodable) }

func (e *env) decodeCAS(text string) {
	e.Helper()
	e.put("k", text)
	err := e.c.CAS(e.ctx(), "k", func(in any) (any, bool, error) {
		e.Errorf("f was called with %v, want not at all", in)
		return nil, false, nil
	})
	if !errors.Is(err, kv.ErrDecode) {
		e.Fatalf("CAS of a value that does not decode = %v, want ErrDecode", err)
	}
	e.wantError(err, "cas", "k")
}

func decodeWatch(e *env) { e.decodeWatch(undecodable) }

func (e *env) decodeWatch(text string) {
	e.Helper()
	e.delete("k")
	e.delete("k2")
	fresh := e.watch(onKey("k"))
	e.put("k", "one")
	fresh.awaitLast("the first write", is("k", "one"))
	e.replace("k", text)
	for _, src := range []source{onKey("k"), onPrefix("k")} {
		late := e.watch(src)
		e.settle()
		e.replace("k", "two")
		if told := late.awaitLast("what decodes again", is("k", "two")); len(told) != 1 {
			e.Fatalf("%s told %v of a value that does not decode", src.name, told[:len(told)-1])
		}
		late.stop()
		e.replace("k", text)
		e.settle()
	}
	e.replace("k", "three")
	told := fresh.awaitLast("what decodes again", is("k", "three"))
	if slices.ContainsFunc(told, isKind(kv.Delete)) {
		e.Fatalf("WatchKey told nil for a value that does not decode: %v", told)
	}
	fresh.stop()
}

// replace writes text over whatever is there, also what does not decode.
func (e *env) replace(key, text string) {
	e.Helper()
	if _, err := e.versioned().Put(e.ctx(), key, &doc{Text: text}); err != nil {
		e.Fatalf("Put(%q) over anything: %v", key, err)
	}
}

// meetBad lets three watches meet the same two versions that do not decode. They are watches of prefixes: a later key
// shows that they are past it.
func (e *env) meetBad() {
	e.Helper()
	ws := []*watch{e.watch(onPrefix("bad")), e.watch(onPrefix(""))}
	for i, text := range []string{undecodable + "1", undecodable + "2"} {
		fine, barrier := fmt.Sprint("fine ", i), fmt.Sprint("fine again ", i)
		e.barrier(ws, "bad key", fine)
		e.replace("bad key", text)
		e.barrier(ws, "bad2", barrier)
		late := e.watch(onPrefix("bad"))
		late.awaitAny("the barrier", is("bad2", barrier))
		late.stop()
	}
	e.barrier(ws, "bad key", "fine at last")
}

// barrier writes a key and waits until all watches were told.
func (e *env) barrier(ws []*watch, key, text string) {
	e.Helper()
	e.replace(key, text)
	for _, w := range ws {
		w.awaitAny("the barrier", is(key, text))
	}
}

func decodeCounted(e *env) {
	before := e.stats().DecodeErrors
	e.meetBad()
	if n := e.stats().DecodeErrors - before; n != 2 {
		e.Fatalf("watches counted %d decode errors for two versions that do not decode", n)
	}
}

func decodeLogged(e *env) {
	e.meetBad()
	if n := e.log.about("bad key"); n != 2 {
		e.Fatalf("watches logged %d warnings for two versions that do not decode", n)
	}
}

func decodeEvents(e *env) {
	e.put("bad", undecodable)
	e.put("good", "v")
	w := e.watch(onEvents(""))
	told := w.awaitAny("Synced", isKind(kv.Synced))
	if got := fmt.Sprint(told); got != `[bad error good="v" synced]` || !slices.ContainsFunc(told, isErr("bad")) {
		e.Fatalf("Events told %s, want ErrDecode beside the key bad, then good, then synced", got)
	}
	e.replace("good", undecodable)
	w.awaitLast("the value that no longer decodes", isErr("good"))
	e.replace("bad", "better")
	w.awaitLast("what decodes now", is("bad", "better"))
	e.delete("good")
	w.awaitLast("the delete of what did not decode", isGone("good"))
}

func decodePanic(e *env) {
	e.decodeGet(panicking)
	e.delete("k")
	e.decodeCAS(panicking)
	e.decodeWatch(panicking)
	e.replace("k", panicking)
	w := e.watch(onEvents("k"))
	w.awaitAny("ErrDecode beside the key", isErr("k"))
	w.stop()
	e.replace("k", "fine")
	e.usable("k", "fine")
}

func decodeRaw(e *env) {
	for _, text := range unreadable {
		e.replace("k", text)
		en, ok, err := e.versioned().Entry(e.ctx(), "k")
		raw, isRaw := en.Value.(kv.Raw)
		if !ok || !errors.Is(err, kv.ErrDecode) || !isRaw || string(raw) != text {
			e.Fatalf("Entry = %v, %v, %v; want the raw bytes beside ErrDecode", en.Value, ok, err)
		}
		v, err := e.store.Client(rawCodec{}).Get(e.ctx(), "k")
		if b, ok := v.([]byte); err != nil || !ok || string(b) != text {
			e.Fatalf("Get by a codec that reads everything = %v, %v; want the raw bytes", v, err)
		}
		seen := 0
		for en, err := range e.versioned().Entries(e.ctx(), "k", "") {
			if raw, ok := en.Value.(kv.Raw); en.Key != "k" || !ok || string(raw) != text || !errors.Is(err, kv.ErrDecode) {
				e.Fatalf("Entries = %+v, %v; want the raw bytes beside ErrDecode", en, err)
			}
			seen++
		}
		if seen != 1 {
			e.Fatalf("Entries yielded %d entries, want the one that does not decode", seen)
		}
	}
}

func encodeFails(e *env) {
	e.put("k", "one")
	for _, text := range []string{unencodable, panickingIn} {
		err := e.c.CAS(e.ctx(), "k", func(any) (any, bool, error) { return &doc{Text: text}, true, nil })
		e.wantError(err, "cas", "k")
		if text == unencodable && !errors.Is(err, errUnencodable) {
			e.Fatalf("CAS = %v, want an error that wraps that of the codec", err)
		}
		_, err = e.versioned().Put(e.ctx(), "k", &doc{Text: text})
		e.wantError(err, "put", "k")
		e.want("k", "one")
	}
}

func typeOther(e *env) {
	other := e.store.Client(memos)
	e.put("k", "one")
	if v, err := other.Get(e.ctx(), "k"); !errors.Is(err, kv.ErrType) || v != nil {
		e.Fatalf("Get of another kind = %v, %v; want ErrType", v, err)
	}
	err := other.CAS(e.ctx(), "k", func(in any) (any, bool, error) {
		e.Errorf("f was called with %v of another kind, want not at all", in)
		return nil, false, nil
	})
	if !errors.Is(err, kv.ErrType) {
		e.Fatalf("CAS of another kind = %v, want ErrType", err)
	}
	if _, err := as[kv.Versioned](e, other).Put(e.ctx(), "k", &doc{Text: "other"}); !errors.Is(err, kv.ErrType) {
		e.Fatalf("Put over another kind = %v, want ErrType", err)
	}
	e.want("k", "one")
	if keys, err := other.List(e.ctx(), ""); err != nil || !slices.Equal(keys, []string{"k"}) {
		e.Fatalf("List by a client of another kind = %q, %v; want all keys", keys, err)
	}
	if err := other.Delete(e.ctx(), "k"); err != nil {
		e.Fatalf("Delete of another kind: %v", err)
	}
	e.wantAbsent("k")
	e.putBy(other, "k", "of the other kind now")
	if v, err := e.c.Get(e.ctx(), "k"); !errors.Is(err, kv.ErrType) || v != nil {
		e.Fatalf("Get of what is another kind now = %v, %v; want ErrType", v, err)
	}
}

func typeWatch(e *env) {
	other := e.store.Client(memos)
	e.put("k", "one")
	raw := func(v any) bool {
		b, ok := v.(kv.Raw)
		return ok && string(b) == "one"
	}
	if en, ok, err := as[kv.Versioned](e, other).Entry(e.ctx(), "k"); !ok || !errors.Is(err, kv.ErrType) || !raw(en.Value) {
		e.Fatalf("Entry of another kind = %v, %v, %v; want the raw bytes beside ErrType", en.Value, ok, err)
	}
	for ev, err := range as[kv.Watcher](e, other).Events(e.ctx(), "k") {
		if ev.Kind != kv.Put || ev.Key != "k" || !errors.Is(err, kv.ErrType) || !raw(ev.Value) {
			e.Fatalf("Events of another kind = %v %q %v, %v; want the raw bytes beside ErrType", ev.Kind, ev.Key, ev.Value, err)
		}
		break
	}
	ws := []*watch{e.watchBy(other, onKey("k")), e.watchBy(other, onPrefix("k"))}
	e.settle()
	e.delete("k")
	e.settle()
	e.putBy(other, "k", "of this kind now")
	for _, w := range ws {
		for _, n := range w.awaitLast("a value of its kind", is("k", "of this kind now")) {
			if n.text == "one" {
				e.Fatalf("%s told a value of another kind", w.name)
			}
		}
	}
}

func typeUnfit(e *env) {
	e.put("k", "one")
	err := e.c.CAS(e.ctx(), "k", func(any) (any, bool, error) { return "no document", true, nil })
	e.wantError(err, "cas", "k")
	_, err = e.versioned().Put(e.ctx(), "k", 42)
	e.wantError(err, "put", "k")
	e.want("k", "one")
}
