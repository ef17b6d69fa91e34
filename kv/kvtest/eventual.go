package kvtest

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
)

// Cluster says how to reach a cluster whose members agree in the end.
type Cluster struct {
	// New opens a fresh cluster without any key. Its members see each other already.
	New func(t testing.TB, log *slog.Logger) Members

	// Around runs every check, as Suite.Around does.
	Around func(t *testing.T, check func(*testing.T))

	// Within is the time in which what was written on one member is seen on another. Default 10 s.
	Within time.Duration

	// TTL is a time to live long enough to be seen by all. Default 1 s.
	TTL time.Duration
}

// Members are an opened cluster. Write and Observe return clients of two different members; each is called several times.
type Members struct {
	Write   func(codec kv.Codec) kv.Client
	Observe func(codec kv.Codec) kv.Client
}

// RunEventual checks the eventual form of the contract: what is written on one member is observed on another, within the
// promise, whole, in no case going back.
func RunEventual(t *testing.T, c Cluster) {
	t.Helper()
	s := c.suite()
	for _, chk := range eventualChecks {
		t.Run(chk.name, func(t *testing.T) {
			s.around(t, func(t *testing.T) { chk.run(c.env(t, s)) })
		})
	}
}

func (c Cluster) suite() Suite {
	if c.Within == 0 {
		c.Within = 10 * time.Second
	}
	if c.TTL == 0 {
		c.TTL = time.Second
	}
	return Suite{Around: c.Around, Within: c.Within, TTL: c.TTL}.withDefaults()
}

// env is that of a check whose client writes; far observes.
func (c Cluster) env(t testing.TB, s Suite) *env {
	t.Helper()
	log := newLogbook()
	m := c.New(t, log.logger())
	e := newEnvOf(t, s, Store{Client: m.Write}, log)
	e.far = m.Observe(docs)
	return e
}

var eventualChecks = []check{
	{name: "EventualPut", sentence: "A write is seen on the other member: by Get, List and Entry, with the same version.", run: eventualPut},
	{name: "EventualDelete", sentence: "A delete is seen on the other member, and what was deleted does not come back.", run: eventualDelete},
	{name: "EventualWatch", sentence: "A watch on the other member tells the last value of every key and no key going back.", run: eventualWatch},
	{name: "EventualWatchDelete", sentence: "A watch on the other member tells deletes: nil to WatchKey, Delete to Events, nothing to WatchPrefix.", run: eventualWatchDelete},
	{name: "EventualBack", sentence: "What the observer writes over a value that it has seen is seen on the writer.", run: eventualBack},
	{name: "EventualBurst", sentence: "A burst of writes and deletes of many keys arrives whole.", run: eventualBurst},
	{name: "EventualLarge", sentence: "A large value arrives whole.", run: eventualLarge},
	{name: "EventualTTL", sentence: "A value with a TTL goes on the other member too, and not before its time.", run: eventualTTL},
	{name: "EventualDecode", sentence: "A value that does not decode is ErrDecode on the other member too, and goes on to be replaced.", run: eventualDecode},
	{name: "EventualConcurrent", sentence: "After concurrent writes on both members, both show the same value and version.", run: eventualConcurrent},
	{name: "EventualLinearizable", sentence: "Of N concurrent CAS in the cluster of a linearizable store each success saw all earlier ones.", run: eventualLinearizable},
}

// arrives waits until the observer shows text under key.
func (e *env) arrives(key, text string) {
	e.Helper()
	w := e.watchBy(e.far, onKey(key))
	w.awaitLast(fmt.Sprintf("%.40q on the other member", text), is(key, text))
	w.stop()
	if d := e.getBy(e.far, key); d == nil || d.Text != text {
		e.Fatalf("Get(%q) on the other member = %v after it was told, want %.40q", key, d, text)
	}
}

func eventualPut(e *env) {
	for _, text := range []string{"one", "two", "", "three"} {
		e.put("k", text)
		e.arrives("k", text)
	}
	keys, err := e.far.List(e.ctx(), "")
	if err != nil || !slices.Equal(keys, []string{"k"}) {
		e.Fatalf("List on the other member = %q, %v; want the one key", keys, err)
	}
	here := e.entry("k")
	there, ok, err := as[kv.Versioned](e, e.far).Entry(e.ctx(), "k")
	if err != nil || !ok || there.Version != here.Version || there.Codec != here.Codec || there.Size != here.Size {
		e.Fatalf("Entry on the other member = %+v, %v, %v; here it is %+v", there, ok, err, here)
	}
}

func eventualDelete(e *env) {
	e.put("k", "one")
	e.arrives("k", "one")
	w := e.watchBy(e.far, onEvents("k"))
	w.awaitAny("what is there", is("k", "one"))
	e.delete("k")
	w.awaitLast("the delete on the other member", isGone("k"))
	// Later writes are where a value would come back that the delete has not reached.
	for i := range 5 {
		e.put("other", fmt.Sprint(i))
		e.arrives("other", fmt.Sprint(i))
		if d := e.getBy(e.far, "k"); d != nil {
			e.Fatalf("Get of a deleted key on the other member = %v", d)
		}
	}
	e.put("k", "anew")
	e.arrives("k", "anew")
}

func eventualWatch(e *env) {
	ws := []*watch{e.watchBy(e.far, onPrefix("p/")), e.watchBy(e.far, onEvents("p/"))}
	wrote := map[string][]string{}
	for i := range 200 {
		key := fmt.Sprintf("p/%02d", i%10)
		wrote[key] = append(wrote[key], fmt.Sprintf("%04d", i))
		e.put(key, fmt.Sprintf("%04d", i))
		if i%50 == 49 {
			e.settle()
		}
	}
	for _, w := range ws {
		w.awaitFinal("the last value of every key", func(notes []note) bool {
			for key, all := range wrote {
				if got := texts(notes, key); len(got) == 0 || got[len(got)-1] != all[len(all)-1] {
					return false
				}
			}
			return true
		})
		for key, all := range wrote {
			w.forward(key, all)
		}
	}
}

func eventualWatchDelete(e *env) {
	e.put("k", "one")
	e.arrives("k", "one")
	key, prefix, events := e.watchBy(e.far, onKey("k")), e.watchBy(e.far, onPrefix("k")), e.watchBy(e.far, onEvents("k"))
	for _, w := range []*watch{key, prefix, events} {
		w.awaitAny("what is there", is("k", "one"))
	}
	e.delete("k")
	key.awaitLast("nil after the delete", isGone("k"))
	events.awaitLast("the delete", isGone("k"))
	e.put("k2", "barrier")
	told := prefix.awaitLast("the write after the delete", is("k2", "barrier"))
	if slices.ContainsFunc(told, isKind(kv.Delete)) {
		e.Fatalf("WatchPrefix on the other member told a delete: %v", told)
	}
}

func eventualBack(e *env) {
	w := e.watch(onKey("k"))
	for i := range 3 {
		there, back := fmt.Sprint("there ", i), fmt.Sprint("back ", i)
		e.put("k", there)
		e.arrives("k", there)
		e.putBy(e.far, "k", back)
		w.awaitLast("what the other member wrote over it", is("k", back))
	}
}

func eventualBurst(e *env) {
	const n = 500
	early := e.watchBy(e.far, onEvents("k/"))
	early.awaitAny("Synced", isKind(kv.Synced))
	want := map[string]string{}
	for i := range n {
		key := fmt.Sprintf("k/%04d", i)
		want[key] = fmt.Sprint("value ", i)
		e.put(key, want[key])
	}
	e.settle()
	for i := 0; i < n; i += 3 {
		key := fmt.Sprintf("k/%04d", i)
		delete(want, key)
		e.delete(key)
	}
	for _, w := range []*watch{early, e.watchBy(e.far, onEvents("k/"))} {
		w.awaitFinal("the last state of every key", func(notes []note) bool { return maps.Equal(state(notes), want) })
	}
	if keys, err := e.far.List(e.ctx(), "k/"); err != nil || !slices.Equal(keys, slices.Sorted(maps.Keys(want))) {
		e.Fatalf("List on the other member has %d keys, %v; want %d", len(keys), err, len(want))
	}
}

// state is what is there, by what a watch told.
func state(notes []note) map[string]string {
	there := map[string]string{}
	for _, n := range notes {
		switch {
		case n.err == nil && n.kind == kv.Put:
			there[n.key] = n.text
		case n.kind == kv.Delete:
			delete(there, n.key)
		}
	}
	return there
}

func eventualLarge(e *env) {
	for _, size := range []int{1 << 10, 64 << 10, min(1<<20, e.capabilities().MaxValue)} {
		text := make([]byte, size)
		for i := range text {
			text[i] = 'a' + byte(i%23)
		}
		e.put("k", string(text))
		e.arrives("k", string(text))
	}
}

func eventualTTL(e *env) {
	if !e.expires() {
		return
	}
	w := e.watchBy(e.far, onKey("k"))
	before := time.Now()
	e.putAt("k", "v", kv.TTL(e.suite.TTL))
	w.awaitAny("the write", is("k", "v"))
	w.awaitAny("the expiry", isGone("k"))
	if lived := time.Since(before); lived < e.suite.TTL {
		e.Fatalf("a key with a TTL of %v went on the other member after %v", e.suite.TTL, lived)
	}
	if d := e.getBy(e.far, "k"); d != nil {
		e.Fatalf("Get of an expired key on the other member = %v", d)
	}
}

func eventualDecode(e *env) {
	w := e.watchBy(e.far, onEvents("k"))
	e.put("k", undecodable)
	w.awaitLast("ErrDecode beside the key", isErr("k"))
	if v, err := e.far.Get(e.ctx(), "k"); v != nil || !errors.Is(err, kv.ErrDecode) {
		e.Fatalf("Get on the other member = %v, %v; want ErrDecode", v, err)
	}
	e.replace("k", "fine")
	e.arrives("k", "fine")
}

func eventualConcurrent(e *env) {
	for i := range 20 {
		key := fmt.Sprint("k", i)
		e.put(key, "here")
		e.putBy(e.far, key, "there")
	}
	here, there := e.versioned(), as[kv.Versioned](e, e.far)
	limit := time.NewTimer(e.suite.Within)
	defer limit.Stop()
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for {
		differ := 0
		for i := range 20 {
			a, _, errA := here.Entry(e.ctx(), fmt.Sprint("k", i))
			b, _, errB := there.Entry(e.ctx(), fmt.Sprint("k", i))
			if err := errors.Join(errA, errB); err != nil {
				e.Fatalf("Entry: %v", err)
			}
			if a.Version != b.Version || e.doc(a.Value).String() != e.doc(b.Value).String() {
				differ++
			}
		}
		if differ == 0 {
			return
		}
		select {
		case <-again.C:
		case <-limit.C:
			e.Fatalf("%d of 20 keys differ between two members after %v", differ, e.suite.Within)
		}
	}
}

func eventualLinearizable(e *env) {
	if !e.capabilities().LinearizableCAS {
		return // the store promises it on one member, which is CASConcurrent
	}
	e.concurrent([]kv.Client{e.c, e.far, e.c, e.far})
}
