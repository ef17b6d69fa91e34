package kvtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/starlingkv/starling/kv"
)

var keyChecks = []check{
	{name: "KeysTaken", sentence: "A key is 1 to 1024 bytes of UTF-8 without control characters; nothing else is asked.", run: keysTaken},
	{name: "KeysRefused", sentence: "Anything else is ErrBadKey, on every operation; a watch of it ends at once.", run: keysRefused},
}

var valueChecks = []check{
	{name: "ValueEmpty", sentence: "A value that encodes to no bytes is a value, not its absence.", run: valueEmpty},
	{name: "ValueLimit", sentence: "A value may have Capabilities.MaxValue bytes, 16 MiB at most; more is ErrTooLarge and writes nothing.", run: valueLimit},
}

var countChecks = []check{
	{name: "CountsAttempts", sentence: "Attempts count every try of a CAS.", run: countsAttempts},
	{name: "CountsSuccesses", sentence: "Successes count the tries that changed something: not a nil out, not an equal one.", run: countsSuccesses},
	{name: "CountsFailures", sentence: "Failures count the CAS calls that failed, each once.", run: countsFailures},
	{name: "CountsWatchers", sentence: "Watchers counts the watches that run, and falls on every way out.", run: countsWatchers},
}

func keysTaken(e *env) {
	keys := []string{
		"k", "/registry/x", "a//b", "a/../b", "/", "//", ".", "..", " ", " a ", "a b", "a?b=c&d#e%2F", "x:y", "*", ">", "a.b.c",
		`"quoted"\`, "世界", "e\u0301", "é", "🦜", "\u00a0", "\u200b", "~", "A", "a", strings.Repeat("m", e.suite.MaxKey),
	}
	for _, key := range keys {
		w := e.watch(onKey(key))
		e.put(key, "value of "+key)
		w.awaitLast("a write", is(key, "value of "+key))
		w.stop()
	}
	slices.Sort(keys)
	e.wantList("", keys...)
	for _, key := range keys {
		e.want(key, "value of "+key)
		if en := e.entry(key); en.Key != key {
			e.Fatalf("Entry(%q).Key = %q", key, en.Key)
		}
		e.delete(key)
	}
	e.wantList("")
}

func keysRefused(e *env) {
	for _, key := range []string{
		"", "\x00", "a\x00", "a\nb", "\t", "\x7f", "\u0085", "\xff", "a\xc3", "\xed\xa0\x80", strings.Repeat("l", kv.MaxKey+1),
	} {
		for _, o := range append(e.writes(), e.reads()...) {
			if err := o.call(e.ctx(), key); !errors.Is(err, kv.ErrBadKey) {
				e.Fatalf("%s(%.20q) = %v, want ErrBadKey", o.op, key, err)
			}
		}
		e.do(fmt.Sprintf("WatchKey(%.20q) returns at once", key), func() {
			e.c.WatchKey(e.ctx(), key, func(v any) bool {
				e.Errorf("WatchKey(%.20q) told %v", key, v)
				return true
			})
		})
	}
	e.wantList("")
}

func valueEmpty(e *env) {
	e.put("k", "something")
	w, all := e.watch(onKey("k")), e.watch(onEvents("k"))
	w.awaitLast("the present value", is("k", "something"))
	e.put("k", "")
	e.want("k", "")
	e.wantList("", "k")
	if en := e.entry("k"); en.Size != 0 || en.Version == "" {
		e.Fatalf("Entry of an empty value = %+v, want a version and no bytes", en)
	}
	w.awaitLast("the empty value", is("k", ""))
	all.awaitLast("the empty value", is("k", ""))
	e.put("new", "")
	e.want("new", "")
}

func valueLimit(e *env) {
	most := e.capabilities().MaxValue
	if most <= 0 || most > kv.MaxValue {
		e.Fatalf("MaxValue = %d, want 1 to %d", most, kv.MaxValue)
	}
	largest, larger := strings.Repeat("v", most), strings.Repeat("v", most+1)
	e.put("k", largest)
	e.want("k", largest)
	err := e.c.CAS(e.ctx(), "k", func(any) (any, bool, error) { return &doc{Text: larger}, true, nil })
	if !errors.Is(err, kv.ErrTooLarge) {
		e.Fatalf("CAS of %d bytes = %v, want ErrTooLarge", most+1, err)
	}
	e.wantError(err, "cas", "k")
	if _, err := e.versioned().Put(e.ctx(), "k2", &doc{Text: larger}); !errors.Is(err, kv.ErrTooLarge) {
		e.Fatalf("Put of %d bytes = %v, want ErrTooLarge", most+1, err)
	}
	e.want("k", largest)
	e.wantAbsent("k2")
}

// counted returns what f added to the counts of CAS.
func (e *env) counted(f func()) kv.CASStats {
	e.Helper()
	before := e.stats().CAS
	f()
	after := e.stats().CAS
	return kv.CASStats{
		Attempts:  after.Attempts - before.Attempts,
		Successes: after.Successes - before.Successes,
		Failures:  after.Failures - before.Failures,
	}
}

func countsAttempts(e *env) {
	for _, tries := range []int{1, 3, 7} {
		n := e.counted(func() {
			calls := 0
			if err := e.c.CAS(e.ctx(), "k", func(any) (any, bool, error) {
				if calls++; calls < tries {
					return nil, true, errors.New("again")
				}
				return &doc{Text: fmt.Sprint(tries)}, true, nil
			}); err != nil {
				e.Fatalf("CAS: %v", err)
			}
		})
		if n.Attempts != uint64(tries) {
			e.Fatalf("%d tries counted as %d attempts", tries, n.Attempts)
		}
	}
}

func countsSuccesses(e *env) {
	e.put("k", "one")
	if n := e.counted(func() { e.put("k", "two") }); n.Successes != 1 {
		e.Fatalf("a CAS that wrote counted %d successes", n.Successes)
	}
	if n := e.counted(func() { e.put("k", "two") }); n.Successes != 0 {
		e.Fatalf("a CAS with an equal out counted %d successes", n.Successes)
	}
	if n := e.counted(func() { e.casTo("k", nil) }); n.Successes != 0 {
		e.Fatalf("a CAS with a nil out counted %d successes", n.Successes)
	}
	if n := e.counted(func() {
		_ = e.c.CAS(e.ctx(), "k", func(any) (any, bool, error) { return nil, false, errors.New("mine") })
	}); n.Successes != 0 {
		e.Fatalf("a CAS that failed counted %d successes", n.Successes)
	}
}

func countsFailures(e *env) {
	e.put("k", "one")
	for name, f := range map[string]func(any) (any, bool, error){
		"f fails":          func(any) (any, bool, error) { return nil, false, errors.New("mine") },
		"f fails 10 times": func(any) (any, bool, error) { return nil, true, errors.New("mine") },
	} {
		if n := e.counted(func() { _ = e.c.CAS(e.ctx(), "k", f) }); n.Failures != 1 {
			e.Fatalf("one call in which %s counted %d failures", name, n.Failures)
		}
	}
	if n := e.counted(func() { e.put("k", "two"); e.casTo("k", nil); e.put("k", "two") }); n.Failures != 0 {
		e.Fatalf("three calls without an error counted %d failures", n.Failures)
	}
}

func countsWatchers(e *env) {
	before := e.stats().Watchers
	rises := func(n int) {
		e.Helper()
		if got := e.stats().Watchers - before; got != n {
			e.Fatalf("%d watches run, Stats counts %d", n, got)
		}
	}
	for _, src := range sources() {
		e.put("k", "one")
		byCtx, byFalse := e.watch(src), e.watch(src)
		byCtx.awaitAny("the present value", is("k", "one"))
		byFalse.awaitAny("the present value", is("k", "one"))
		rises(2)
		byCtx.stop()
		rises(1)
		byFalse.enough()
		e.put("k", "two")
		byFalse.ended("f returned false")
		rises(0)
	}
}
