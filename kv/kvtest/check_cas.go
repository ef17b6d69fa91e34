package kvtest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/starlingkv/starling/kv"
)

var casChecks = []check{
	{name: "CASSeesCurrent", sentence: "f sees the current value, nil if the key is absent, and CAS stores what f returns.", run: casSeesCurrent},
	{name: "CASNilOut", sentence: "A nil out leaves the key as it is: success, no event.", run: casNilOut},
	{name: "CASEqualOut", sentence: "An out equal to the present value by its encoding, without a TTL, is success and nothing is written.", run: casEqualOut},
	{name: "CASAfterDelete", sentence: "CAS after Delete creates anew, without old content.", run: casAfterDelete},
	{name: "CASFuncError", sentence: "If f fails, its error ends CAS, wrapped with %w, and nothing is written.", run: casFuncError},
	{name: "CASCallersGoroutine", sentence: "f runs on the caller's goroutine.", run: casCallersGoroutine},
	{name: "CASPanic", sentence: "A panic of f goes to the caller and leaves the store usable.", clock: realClock, run: casPanic},
}

var casRaceChecks = []check{
	{name: "CASLostUpdate", sentence: "On a lost race f runs again, with the value that won.", run: casLostUpdate},
	{name: "CASLostToDelete", sentence: "A Delete in between is a lost race too.", run: casLostToDelete},
	{name: "CASConcurrent", sentence: "Of N concurrent CAS on one node each success saw all earlier ones.", run: casConcurrent},
	{name: "CASCreateIfAbsent", sentence: "Create-if-absent is in == nil: of N concurrent ones exactly one creates.", run: casCreateIfAbsent},
}

func casSeesCurrent(e *env) {
	var saw []string
	step := func(next string) {
		e.Helper()
		err := e.c.CAS(e.ctx(), "k", func(in any) (any, bool, error) {
			saw = append(saw, e.doc(in).String())
			return &doc{Text: next}, true, nil // retry says nothing without an error
		})
		if err != nil {
			e.Fatalf("CAS: %v", err)
		}
		e.want("k", next)
	}
	step("one")
	step("two")
	step("")
	step("four")
	if got, want := fmt.Sprint(saw), `[nil "one" "two" ""]`; got != want {
		e.Fatalf("f saw %s, want %s", got, want)
	}
}

func casNilOut(e *env) {
	leave := func(key string) {
		e.Helper()
		if err := e.c.CAS(e.ctx(), key, func(any) (any, bool, error) { return nil, true, nil }); err != nil {
			e.Fatalf("CAS(%q) with nil out: %v, want nil", key, err)
		}
	}
	leave("absent")
	e.wantAbsent("absent")

	e.put("k", "one")
	before := e.entry("k").Version
	w := e.watch(onEvents("k"))
	w.awaitLast("the initial state", isKind(kv.Synced))
	leave("k")
	e.settle()
	e.want("k", "one")
	if after := e.entry("k").Version; after != before {
		e.Fatalf("version %q became %q by a nil out", before, after)
	}
	e.put("k2", "barrier")
	told := w.awaitLast("the next write", is("k2", "barrier"))
	if got := texts(told, "k"); len(got) != 1 {
		e.Fatalf("a nil out was told as an event: %v", told)
	}
}

func casEqualOut(e *env) {
	e.put("k", "one")
	before := e.entry("k").Version
	w := e.watch(onEvents("k"))
	w.awaitLast("the initial state", isKind(kv.Synced))
	e.put("k", "one")
	e.settle()
	if after := e.entry("k").Version; after != before {
		e.Fatalf("version %q became %q by an equal out", before, after)
	}
	e.put("k2", "barrier")
	told := w.awaitLast("the next write", is("k2", "barrier"))
	if got := texts(told, "k"); len(got) != 1 {
		e.Fatalf("an equal out was told as an event: %v", told)
	}
}

func casAfterDelete(e *env) {
	e.put("k", "old")
	e.delete("k")
	err := e.c.CAS(e.ctx(), "k", func(in any) (any, bool, error) {
		if in != nil {
			e.Errorf("f saw %v after Delete, want nil", in)
		}
		return &doc{Text: "new"}, true, nil
	})
	if err != nil {
		e.Fatalf("CAS after Delete: %v", err)
	}
	e.want("k", "new")
	e.wantList("", "k")
}

func casFuncError(e *env) {
	e.put("k", "one")
	mine := errors.New("mine")
	// An error of the contract's own type, as f gets it from another call, must not hide which CAS failed.
	for _, cause := range []error{mine, fmt.Errorf("around: %w", mine), &kv.Error{Op: "get", Key: "elsewhere", Err: mine}} {
		calls := 0
		err := e.c.CAS(e.ctx(), "k", func(any) (any, bool, error) {
			calls++
			return &doc{Text: "written in spite of the error"}, false, cause
		})
		if !errors.Is(err, mine) {
			e.Fatalf("CAS = %v, want an error that wraps that of f", err)
		}
		e.wantError(err, "cas", "k")
		if calls != 1 {
			e.Fatalf("f ran %d times, want once", calls)
		}
		e.want("k", "one")
	}
}

func casCallersGoroutine(e *env) {
	var of uint64
	err := e.c.CAS(e.ctx(), "k", func(any) (any, bool, error) {
		of = goroutineID()
		return &doc{Text: "one"}, true, nil
	})
	if err != nil {
		e.Fatalf("CAS: %v", err)
	}
	if mine := goroutineID(); of != mine {
		e.Fatalf("f ran on goroutine %d, CAS was called on %d", of, mine)
	}
}

func casPanic(e *env) {
	e.put("k", "one")
	e.do("a CAS whose f panics", func() {
		defer func() {
			if p := recover(); p != "mine" {
				e.Errorf("CAS recovered %v, want the panic of f", p)
			}
		}()
		_ = e.c.CAS(e.ctx(), "k", func(any) (any, bool, error) { panic("mine") })
	})
	e.usable("k", "one")
}

// usable fails the check if the store no longer works, key holding text.
func (e *env) usable(key, text string) {
	e.Helper()
	var d *doc
	var err error
	e.do("reading and writing after a panic", func() {
		var v any
		if v, err = e.c.Get(e.ctx(), key); err != nil {
			return
		}
		d, _ = v.(*doc)
		if err = e.c.CAS(e.ctx(), key, func(any) (any, bool, error) { return &doc{Text: "after"}, true, nil }); err != nil {
			return
		}
		if _, err = e.c.List(e.ctx(), ""); err != nil {
			return
		}
		err = e.c.Delete(e.ctx(), key)
	})
	if err != nil || d == nil || d.Text != text {
		e.Fatalf("after a panic the store gives %v, %v; want %q", d, err, text)
	}
}

func casLostUpdate(e *env) {
	second := e.store.Client(docs)
	e.put("k", "0")
	calls := 0
	err := e.c.CAS(e.ctx(), "k", func(in any) (any, bool, error) {
		if calls++; calls == 1 {
			e.putBy(second, "k", "won")
		}
		return &doc{Text: e.doc(in).Text + "+mine"}, true, nil
	})
	if err != nil {
		e.Fatalf("CAS that lost one race: %v", err)
	}
	if e.want("k", "won+mine"); calls != 2 {
		e.Fatalf("f ran %d times, want 2", calls)
	}
}

func casLostToDelete(e *env) {
	e.put("k", "old")
	calls := 0
	err := e.c.CAS(e.ctx(), "k", func(in any) (any, bool, error) {
		if calls++; calls == 1 {
			e.delete("k")
			return &doc{Text: "made of the old"}, true, nil
		}
		if in != nil {
			e.Errorf("f saw %v after a Delete in between, want nil", in)
		}
		return &doc{Text: "made anew"}, true, nil
	})
	if err != nil {
		e.Fatalf("CAS that lost a race to Delete: %v", err)
	}
	if e.want("k", "made anew"); calls != 2 {
		e.Fatalf("f ran %d times, want 2", calls)
	}
}

func casConcurrent(e *env) {
	e.concurrent([]kv.Client{e.c, e.store.Client(docs), e.store.Client(docs), e.c})
}

// concurrent lets all clients append to one value at once, and checks that no success is lost.
func (e *env) concurrent(clients []kv.Client) {
	e.Helper()
	const each = 8
	var mu sync.Mutex
	wins := 0
	saw := map[string]int{}
	var group sync.WaitGroup
	for i, c := range clients {
		group.Go(func() {
			for j := range each {
				var in string
				err := c.CAS(e.ctx(), "k", func(v any) (any, bool, error) {
					in = ""
					if d, ok := v.(*doc); ok {
						in = d.Text
					}
					return &doc{Text: in + string(rune('a'+i)) + string(rune('a'+j))}, true, nil
				})
				mu.Lock()
				switch {
				case err == nil:
					wins++
					saw[in]++
				case !errors.Is(err, kv.ErrConflict):
					e.Errorf("CAS: %v", err)
				}
				mu.Unlock()
			}
		})
	}
	e.do("the concurrent CAS calls", group.Wait)
	for in, n := range saw {
		if n > 1 {
			e.Errorf("%d successes saw the same value %q: all but one are lost", n, in)
		}
	}
	if d := e.get("k"); d == nil || len(d.Text) != 2*wins {
		e.Fatalf("%d successes left %v, want two letters of each", wins, d)
	}
}

func casCreateIfAbsent(e *env) {
	const n = 8
	taken := errors.New("taken")
	var mu sync.Mutex
	var winners []string
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			name := string(rune('a' + i))
			err := e.c.CAS(e.ctx(), "k", func(in any) (any, bool, error) {
				if in != nil {
					return nil, false, taken
				}
				return &doc{Text: name}, true, nil
			})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				winners = append(winners, name)
			case !errors.Is(err, taken):
				e.Errorf("create-if-absent: %v, want success or the error of f", err)
			}
		})
	}
	e.do("the concurrent creators", group.Wait)
	if len(winners) != 1 {
		e.Fatalf("created by %q, want exactly one", winners)
	}
	e.want("k", winners[0])
}
