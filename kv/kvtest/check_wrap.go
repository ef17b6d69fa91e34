package kvtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/starlingkv/starling/kv"
)

var capabilityChecks = []check{
	{name: "Interfaces", sentence: "A client has Capable, Counted, Versioned, Watcher and LastUpdateTime.", run: interfaces},
	{name: "Require", sentence: "kv.Require is nil for what the store can, else ErrNotLinearizable or ErrUnsupported.", run: require},
	{name: "LastUpdateTime", sentence: "LastUpdateTime is when the value was written, zero if there is none.", run: lastUpdateTime},
}

var wrapperChecks = []check{
	{name: "AsThroughWrappers", sentence: "kv.As finds the optional interfaces through wrappers.", run: asThroughWrappers},
	{name: "PrefixMapsKeys", sentence: "kv.Prefix maps the keys of everything that the client can do.", run: prefixMapsKeys},
	{name: "InstrumentTells", sentence: "kv.Instrument tells of every call and changes none.", run: instrumentTells},
}

var hygieneChecks = []check{
	{name: "GoroutinesOfWatches", sentence: "No goroutine is left of a watch that ended.", run: goroutinesOfWatches},
	{name: "GoroutinesAfterClose", sentence: "No goroutine is left of a store that was closed.", needs: hookClose, run: goroutinesAfterClose},
}

// dated is the seventh method of some interfaces of this family.
type dated interface{ LastUpdateTime(key string) time.Time }

func interfaces(e *env) {
	as[kv.Capable](e, e.c)
	as[kv.Counted](e, e.c)
	as[kv.Versioned](e, e.c)
	as[kv.Watcher](e, e.c)
	as[dated](e, e.c)
}

func require(e *env) {
	can := e.capabilities()
	if err := kv.Require(e.c); err != nil {
		e.Fatalf("Require of nothing: %v", err)
	}
	for _, need := range []kv.Capability{kv.LinearizableCAS, kv.OrderedWatch, kv.Expiry, kv.Persistent, kv.MediaTypes} {
		missing := kv.ErrUnsupported
		if need == kv.LinearizableCAS {
			missing = kv.ErrNotLinearizable
		}
		switch err := kv.Require(e.c, need); {
		case can.Has(need) && err != nil:
			e.Fatalf("Require(%s) = %v of a store that has it", need, err)
		case !can.Has(need) && !errors.Is(err, missing):
			e.Fatalf("Require(%s) = %v of a store that lacks it, want %v", need, err, missing)
		}
	}
}

func lastUpdateTime(e *env) {
	d := as[dated](e, e.c)
	if at := d.LastUpdateTime("k"); !at.IsZero() {
		e.Fatalf("LastUpdateTime of an absent key = %v, want zero", at)
	}
	e.put("k", "one")
	first := d.LastUpdateTime("k")
	if age := time.Since(first).Abs(); age > 10*time.Second+e.suite.Within {
		e.Fatalf("LastUpdateTime = %v, which is %v from now", first, age)
	}
	if en := e.entry("k"); !en.Updated.Equal(first) {
		e.Fatalf("LastUpdateTime = %v, Entry says %v", first, en.Updated)
	}
	e.put("k", "two")
	if second := d.LastUpdateTime("k"); second.Before(first) {
		e.Fatalf("LastUpdateTime went back from %v to %v", first, second)
	}
	e.delete("k")
	if at := d.LastUpdateTime("k"); !at.IsZero() {
		e.Fatalf("LastUpdateTime of a deleted key = %v, want zero", at)
	}
}

func asThroughWrappers(e *env) {
	plain := e.c
	defer func() { e.c = plain }()
	for _, wrapped := range []kv.Client{
		kv.Instrument(plain, func(context.Context, kv.Call) {}),
		kv.Prefix(plain, "p/"),
		kv.Prefix(kv.Instrument(kv.Prefix(plain, "p/"), func(context.Context, kv.Call) {}), "q/"),
	} {
		e.c = wrapped
		interfaces(e)
		e.put("k", "v")
		if en := e.entry("k"); en.Key != "k" {
			e.Fatalf("Entry(%q) through %T is of %q", "k", wrapped, en.Key)
		}
		e.delete("k")
	}
}

func prefixMapsKeys(e *env) {
	plain := e.c
	e.put("a", "outside")
	e.put("p", "outside")
	e.c = kv.Prefix(plain, "p/")
	e.put("b", "value of b")
	e.put("a", "value of a")
	e.want("a", "value of a")
	e.wantList("", "a", "b")
	if got := e.entries("", ""); !slices.Equal(got, []string{"a", "b"}) {
		e.Fatalf("Entries of a prefix gave %q", got)
	}
	if got := e.entries("", "a"); !slices.Equal(got, []string{"b"}) {
		e.Fatalf("Entries of a prefix after a gave %q", got)
	}
	ws := []*watch{e.watch(onEvents("")), e.watch(onPrefix("")), e.watch(onKey("b"))}
	ws[0].awaitAny("Synced", isKind(kv.Synced))
	for _, w := range ws {
		w.awaitAny("the key without the prefix", is("b", "value of b"))
	}
	e.delete("b")
	ws[0].awaitAny("the delete of the key without the prefix", isGone("b"))
	ws[2].awaitAny("the delete of the key without the prefix", isGone("b"))
	_, err := e.versioned().Put(e.ctx(), "a", &doc{Text: "refused"}, kv.IfAbsent())
	e.wantError(err, "put", "a")
	if as[dated](e, e.c).LastUpdateTime("a").IsZero() {
		e.Fatalf("LastUpdateTime of a present key behind a prefix is zero")
	}
	e.c = plain
	e.want("p/a", "value of a")
	e.want("a", "outside")
	e.wantList("", "a", "p", "p/a")
}

func instrumentTells(e *env) {
	var told []kv.Call
	e.c = kv.Instrument(e.c, func(_ context.Context, c kv.Call) { told = append(told, c) })
	e.put("k", "one")
	e.want("k", "one")
	_, err := e.versioned().Put(e.ctx(), "k", &doc{Text: "refused"}, kv.IfAbsent())
	e.refused(err, "put", "k", "one")
	e.delete("k")
	var got []string
	for _, c := range told {
		got = append(got, fmt.Sprint(c.Op, " ", c.Key, " ", c.Attempts, " ", c.Err != nil))
	}
	want := []string{"cas k 1 false", "get k 0 false", "put k 0 true", "get k 0 false", "delete k 0 false"}
	if !slices.Equal(got, want) {
		e.Fatalf("Instrument told %q, want %q", got, want)
	}
}
