package kvtest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/starlingkv/starling/kv"
)

var ttlChecks = []check{
	{name: "TTLUnsupported", sentence: "A store without TTL says ErrUnsupported to a write with one, and writes nothing.", run: ttlUnsupported},
	{name: "TTLNeverEarly", sentence: "A key never goes before its TTL.", run: ttlNeverEarly},
	{name: "TTLGoes", sentence: "A key goes at most Capabilities.TTLSlack after its TTL, and no reader sees it then.", run: ttlGoes},
	{name: "TTLOfContext", sentence: "The TTL of kv.WithTTL holds for CAS and Put; the option TTL goes before it.", run: ttlOfContext},
	{name: "TTLRenewed", sentence: "A write with a TTL begins it anew, also if its bytes are equal.", run: ttlRenewed},
	{name: "TTLWithout", sentence: "A write without a TTL does not expire, whatever was there before.", run: ttlWithout},
	{name: "TTLWatch", sentence: "An expiry is told as a delete is: nil to WatchKey, Delete to Events, nothing to WatchPrefix.", run: ttlWatch},
}

// expires tells whether the store has TTLs. If not there is one sentence about them, TTLUnsupported.
func (e *env) expires() bool { return e.capabilities().TTL }

func ttlUnsupported(e *env) {
	if e.expires() {
		return
	}
	e.put("k", "one")
	_, err := e.versioned().Put(e.ctx(), "k", &doc{Text: "two"}, kv.TTL(e.suite.TTL))
	if !errors.Is(err, kv.ErrUnsupported) {
		e.Fatalf("Put with a TTL = %v, want ErrUnsupported", err)
	}
	err = e.c.CAS(kv.WithTTL(e.ctx(), e.suite.TTL), "k", func(any) (any, bool, error) { return &doc{Text: "two"}, true, nil })
	if !errors.Is(err, kv.ErrUnsupported) {
		e.Fatalf("CAS with a TTL = %v, want ErrUnsupported", err)
	}
	e.want("k", "one")
}

// untilGone watches key, writes it with the TTL and waits until it is told to be gone. It returns for how long the key
// was there at least and at most.
func (e *env) untilGone(key string, write func()) (least, most time.Duration) {
	e.Helper()
	w := e.watch(onKey(key))
	before := time.Now()
	write()
	after := time.Now()
	w.awaitAny("the write", isKind(kv.Put))
	limit := time.NewTimer(e.suite.TTL + e.capabilities().TTLSlack + e.suite.Within)
	defer limit.Stop()
	for {
		w.mu.Lock()
		more, gone := w.more, slices.ContainsFunc(w.notes, isGone(key))
		w.mu.Unlock()
		if gone {
			now := time.Now()
			w.stop()
			return now.Sub(after), now.Sub(before)
		}
		select {
		case <-more:
		case <-limit.C:
			e.Fatalf("%q with a TTL of %v is not told to be gone: %v", key, e.suite.TTL, w.seen())
		}
	}
}

func ttlNeverEarly(e *env) {
	if !e.expires() {
		return
	}
	ttl := e.suite.TTL
	for range 3 {
		if _, most := e.untilGone("k", func() { e.putAt("k", "v", kv.TTL(ttl)) }); most < ttl {
			e.Fatalf("a key with a TTL of %v went after %v", ttl, most)
		}
	}
	before := time.Now()
	e.putAt("k", "v", kv.TTL(ttl))
	tick := time.NewTicker(max(time.Millisecond, ttl/64))
	defer tick.Stop()
	for time.Since(before) < ttl+e.capabilities().TTLSlack+e.suite.Within {
		if d := e.get("k"); d == nil {
			break
		}
		<-tick.C
	}
	if lived := time.Since(before); lived < ttl {
		e.Fatalf("Get missed a key with a TTL of %v after %v", ttl, lived)
	}
}

func ttlGoes(e *env) {
	if !e.expires() {
		return
	}
	e.put("stays", "v")
	before := time.Now()
	e.putAt("k", "v", kv.TTL(e.suite.TTL))
	after := time.Now()
	en := e.entry("k")
	if early, late := before.Add(e.suite.TTL-time.Second), after.Add(e.suite.TTL+time.Second); en.Expires.Before(early) || en.Expires.After(late) {
		e.Fatalf("Entry expires at %v, want about %v", en.Expires, after.Add(e.suite.TTL))
	}
	d, keys := e.get("k"), e.list("")
	if there := d != nil && slices.Contains(keys, "k"); !there && time.Since(before) < e.suite.TTL {
		e.Fatalf("Get = %v, List = %q before the TTL is over, want the key", d, keys)
	}
	wait := time.NewTimer(e.suite.TTL + e.capabilities().TTLSlack + 2*time.Millisecond)
	defer wait.Stop()
	<-wait.C
	e.wantAbsent("k")
	if en, ok, err := e.versioned().Entry(e.ctx(), "k"); ok || err != nil {
		e.Fatalf("Entry of an expired key = %+v, %v, %v; want none", en, ok, err)
	}
	for en := range e.versioned().Entries(e.ctx(), "", "") {
		if en.Key == "k" {
			e.Fatalf("Entries yields an expired key")
		}
	}
	err := e.c.CAS(e.ctx(), "k", func(in any) (any, bool, error) {
		if in != nil {
			e.Errorf("f saw %v after the expiry, want nil", in)
		}
		return &doc{Text: "anew"}, true, nil
	})
	if err != nil {
		e.Fatalf("CAS after an expiry: %v", err)
	}
	e.want("k", "anew")
}

func ttlOfContext(e *env) {
	if !e.expires() {
		return
	}
	ctx := kv.WithTTL(e.ctx(), e.suite.TTL)
	far := kv.WithTTL(e.ctx(), time.Hour)
	for name, write := range map[string]func() error{
		"CAS": func() error {
			return e.c.CAS(ctx, "k", func(any) (any, bool, error) { return &doc{Text: "v"}, true, nil })
		},
		"Put": func() error {
			_, err := e.versioned().Put(ctx, "k", &doc{Text: "v"})
			return err
		},
		"Put with an option": func() error {
			_, err := e.versioned().Put(far, "k", &doc{Text: "v"}, kv.TTL(e.suite.TTL))
			return err
		},
	} {
		_, most := e.untilGone("k", func() {
			if err := write(); err != nil {
				e.Fatalf("%s with a TTL: %v", name, err)
			}
		})
		if most < e.suite.TTL {
			e.Fatalf("%s: a key with a TTL of %v went after %v", name, e.suite.TTL, most)
		}
	}
}

func ttlRenewed(e *env) {
	if !e.expires() {
		return
	}
	ttl := e.suite.TTL
	ctx := kv.WithTTL(e.ctx(), ttl)
	inTime := false
	for range 5 {
		_, most := e.untilGone("k", func() { inTime = e.renew(ctx, ttl) })
		switch {
		case !inTime: // a busy machine was too slow to renew it
		case most < ttl*5/2:
			// Four halves of a TTL, then the half that is left of the last.
			e.Fatalf("a TTL of %v, renewed four times each half of it, ended after %v", ttl, most)
		default:
			return
		}
	}
	e.Fatalf("five times too slow to renew a TTL of %v", ttl)
}

// renew writes "k" four times, with half a TTL after each, and says whether it did so in time.
func (e *env) renew(ctx context.Context, ttl time.Duration) (inTime bool) {
	e.Helper()
	for range 4 {
		before := time.Now()
		e.casWith(ctx, "k", "v")
		half := time.NewTimer(ttl / 2)
		<-half.C
		d := e.get("k")
		if time.Since(before) >= ttl {
			return false
		}
		if d == nil {
			e.Fatalf("a key with a TTL of %v, renewed, went within %v", ttl, time.Since(before))
		}
	}
	return true
}

func ttlWithout(e *env) {
	if !e.expires() {
		return
	}
	e.putAt("by CAS", "v", kv.TTL(e.suite.TTL))
	e.putAt("by Put", "v", kv.TTL(e.suite.TTL))
	e.put("by CAS", "for ever")
	e.putAt("by Put", "v")
	for _, key := range []string{"by CAS", "by Put"} {
		if en := e.entry(key); !en.Expires.IsZero() {
			e.Fatalf("%s without a TTL expires at %v", key, en.Expires)
		}
	}
	// A later key expires, so the time of the first TTL is over.
	e.untilGone("barrier", func() { e.putAt("barrier", "v", kv.TTL(e.suite.TTL)) })
	e.want("by CAS", "for ever")
	e.want("by Put", "v")
}

func ttlWatch(e *env) {
	if !e.expires() {
		return
	}
	events, prefix := e.watch(onEvents("k")), e.watch(onPrefix("k"))
	e.untilGone("k", func() { e.putAt("k", "v", kv.TTL(e.suite.TTL)) })
	events.awaitLast("the expiry", isGone("k"))
	e.put("k2", "barrier")
	told := prefix.awaitLast("the write after the expiry", is("k2", "barrier"))
	for _, n := range told {
		if n.kind != kv.Put {
			e.Fatalf("WatchPrefix told an expiry: %v", told)
		}
	}
}
