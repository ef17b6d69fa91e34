package kvtest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/starlingkv/starling/kv"
)

var iteratorChecks = []check{
	{name: "IterValues", sentence: "kv.Values ranges over what WatchKey tells, and break ends the watch.", run: iterValues},
	{name: "IterChanges", sentence: "kv.Changes ranges over what WatchPrefix tells, and break ends the watch.", run: iterChanges},
	{name: "IterBreak", sentence: "Breaking out of Events or Entries ends it.", run: iterBreak},
}

var typedChecks = []check{
	{name: "TypedGet", sentence: "Typed.Get returns the value and whether there is one; a value of another Go type is ErrType.", run: typedGet},
	{name: "TypedUpdate", sentence: "Typed.Update is a CAS; kv.Keep leaves the key as it is.", run: typedUpdate},
	{name: "TypedWatch", sentence: "Typed.Watch ranges over the values, false when the key is gone.", run: typedWatch},
}

// ranged runs a loop that changes what it ranges over and breaks, and checks that no watch is left.
func (e *env) ranged(what string, loop func(ctx context.Context)) {
	e.Helper()
	before := e.stats().Watchers
	e.do(what, func() { loop(e.ctx()) })
	if after := e.stats().Watchers; after != before {
		e.Fatalf("%s: %d watchers after the loop, %d before", what, after, before)
	}
}

// step makes the next of the changes a loop waits for.
func (e *env) step(key, next string) {
	if next == "gone" {
		e.delete(key)
		return
	}
	e.put(key, next)
}

func iterValues(e *env) {
	e.put("k", "one")
	changes := []string{"two", "gone", "three"}
	var told []string
	e.ranged("ranging over Values", func(ctx context.Context) {
		for v := range kv.Values(ctx, e.c, "k") {
			told = append(told, e.doc(v).String())
			if len(told) > len(changes) {
				break
			}
			e.step("k", changes[len(told)-1])
		}
	})
	if got := fmt.Sprint(told); got != `["one" "two" nil "three"]` {
		e.Fatalf("Values gave %s", got)
	}
}

func iterChanges(e *env) {
	e.put("p/a", "one")
	e.put("other", "v")
	var told []string
	e.ranged("ranging over Changes", func(ctx context.Context) {
		for key, v := range kv.Changes(ctx, e.c, "p/") {
			told = append(told, fmt.Sprint(key, "=", e.doc(v)))
			if len(told) == 3 {
				break
			}
			e.put(fmt.Sprint("p/", len(told)), "next")
		}
	})
	if got := fmt.Sprint(told); got != `[p/a="one" p/1="next" p/2="next"]` {
		e.Fatalf("Changes gave %s", got)
	}
}

func iterBreak(e *env) {
	for _, key := range []string{"a", "b", "c"} {
		e.put(key, "v")
	}
	e.ranged("ranging over Events", func(ctx context.Context) {
		for range as[kv.Watcher](e, e.c).Events(ctx, "") {
			break
		}
	})
	e.ranged("ranging over Entries", func(ctx context.Context) {
		for range e.versioned().Entries(ctx, "", "") {
			break
		}
	})
	e.put("a", "still usable")
}

func typedGet(e *env) {
	c := kv.Typed[*doc]{Client: e.c}
	if v, ok, err := c.Get(e.ctx(), "k"); v != nil || ok || err != nil {
		e.Fatalf("Typed.Get of an absent key = %v, %v, %v", v, ok, err)
	}
	e.put("k", "one")
	if v, ok, err := c.Get(e.ctx(), "k"); !ok || err != nil || v.Text != "one" {
		e.Fatalf("Typed.Get = %v, %v, %v", v, ok, err)
	}
	if v, ok, err := (kv.Typed[int]{Client: e.c}).Get(e.ctx(), "k"); ok || !errors.Is(err, kv.ErrType) {
		e.Fatalf("Typed.Get of another Go type = %v, %v, %v; want ErrType", v, ok, err)
	}
	e.put("k", undecodable)
	if v, ok, err := c.Get(e.ctx(), "k"); ok || !errors.Is(err, kv.ErrDecode) {
		e.Fatalf("Typed.Get of what does not decode = %v, %v, %v; want ErrDecode", v, ok, err)
	}
}

func typedUpdate(e *env) {
	c := kv.Typed[*doc]{Client: e.c}
	var saw []string
	update := func(next *doc, cause error) error {
		return c.Update(e.ctx(), "k", func(old *doc, ok bool) (*doc, error) {
			saw = append(saw, fmt.Sprint(old, ok))
			return next, cause
		})
	}
	mine := errors.New("mine")
	if err := update(&doc{Text: "one"}, nil); err != nil {
		e.Fatalf("Typed.Update: %v", err)
	}
	if err := update(&doc{Text: "not kept"}, kv.Keep); err != nil {
		e.Fatalf("Typed.Update with Keep: %v, want nil", err)
	}
	if err := update(&doc{Text: "not written"}, mine); !errors.Is(err, mine) {
		e.Fatalf("Typed.Update whose f fails: %v, want its error", err)
	}
	e.want("k", "one")
	if want := []string{"nil false", `"one" true`, `"one" true`}; !slices.Equal(saw, want) {
		e.Fatalf("f saw %q, want %q", saw, want)
	}
}

func typedWatch(e *env) {
	e.put("k", "one")
	changes := []string{"two", "gone", "three"}
	var told []string
	e.ranged("ranging over Typed.Watch", func(ctx context.Context) {
		for v, ok := range (kv.Typed[*doc]{Client: e.c}).Watch(ctx, "k") {
			told = append(told, fmt.Sprint(v, ok))
			if len(told) > len(changes) {
				break
			}
			e.step("k", changes[len(told)-1])
		}
	})
	if want := []string{`"one" true`, `"two" true`, "nil false", `"three" true`}; !slices.Equal(told, want) {
		e.Fatalf("Typed.Watch gave %q, want %q", told, want)
	}
}
