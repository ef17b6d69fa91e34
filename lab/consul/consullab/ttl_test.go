package consullab

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/consulkv"
)

// sessionsEnd is how long Consul may take to end the shortest session that a value has: twice its time, and a little.
const sessionsEnd = 60 * time.Second

// A value whose writer is gone is absent for every reader when its time, and what clocks may differ, is over; Consul
// itself removes it when the session ends.
func TestAValueOutlivesItsWriterButNotItsTTL(t *testing.T) {
	t.Parallel()
	a := Start(t)
	part := consulkv.Prefix("part/")
	writer, reader := a.open(t, part), a.open(t, part)
	w := watch(t, reader)
	w.want("synced")
	const ttl = 2 * time.Second
	began := time.Now()
	put(t, writer, "anew", "v", kv.TTL(ttl))
	w.want("put anew=v")
	put(t, writer, "k", "v", kv.TTL(ttl))
	written := time.Now()
	w.want("put k=v")
	writer.Close()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for v := any("v"); v != nil; <-tick.C {
		var err error
		if v, err = reader.Get(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
	}
	if lived := time.Since(began); lived < ttl {
		t.Errorf("gone after %v, before its TTL", lived)
	}
	if lived := time.Since(written); lived > ttl+consulkv.TTLSlack {
		t.Errorf("gone after %v, more than %v after its TTL", lived, consulkv.TTLSlack)
	}
	w.want("delete anew", "delete k")
	// What is overdue is absent for writers too, though Consul still has it, and its session does not end what comes next.
	put(t, reader, "anew", "for ever", kv.IfAbsent())
	w.want("put anew=for ever")
	consul := a.Consul(t)
	for start := time.Now(); ; <-tick.C {
		p, _, err := consul.KV().Get("part/k", nil)
		if err != nil {
			t.Fatal(err)
		}
		if p == nil {
			break
		}
		if time.Since(start) > sessionsEnd {
			t.Fatalf("Consul still has %+v", p)
		}
	}
	wantSessions(t, consul, 0)
	if v, err := reader.Get(t.Context(), "anew"); v != "for ever" || err != nil {
		t.Errorf("written over what was overdue: %v, %v", v, err)
	}
}

// sessions are those that Consul has, soon n.
func wantSessions(t *testing.T, consul *api.Client, n int) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for start := time.Now(); ; <-tick.C {
		all, _, err := consul.Session().List(nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) == n {
			return
		}
		if time.Since(start) > 5*time.Second {
			t.Fatalf("%d sessions, want %d: %v", len(all), n, all)
		}
	}
}

// Every session ends with the value that it was made for.
func TestSessionsDoNotPileUp(t *testing.T) {
	t.Parallel()
	a := Start(t)
	one, two := a.open(t), a.open(t)
	consul := a.Consul(t)
	put(t, one, "k", "1", kv.TTL(time.Hour))
	put(t, two, "other", "1", kv.TTL(time.Hour))
	wantSessions(t, consul, 2)
	for _, c := range []*consulkv.Client{two, one, one} {
		put(t, c, "k", "again", kv.TTL(time.Hour))
		wantSessions(t, consul, 2)
	}
	if _, err := one.Put(soon(t), "k", "no", kv.IfAbsent(), kv.TTL(time.Hour)); !errors.Is(err, kv.ErrConflict) {
		t.Errorf("Put of a present key = %v, want ErrConflict", err)
	}
	wantSessions(t, consul, 2)
	put(t, two, "k", "for ever")
	wantSessions(t, consul, 1)
	if err := one.Delete(soon(t), "other"); err != nil {
		t.Fatal(err)
	}
	wantSessions(t, consul, 0)
	put(t, one, "k", "short", kv.TTL(100*time.Millisecond))
	wantSessions(t, consul, 0)
	if v, err := two.Get(soon(t), "k"); v != nil || err != nil {
		t.Errorf("after its TTL: %v, %v", v, err)
	}
}

// A late end of the old value does not touch the new one.
func TestAValueIsNotEndedByTheTTLOfTheOneBefore(t *testing.T) {
	t.Parallel()
	a := Start(t)
	one, two := a.open(t), a.open(t)
	const ttl = 500 * time.Millisecond
	put(t, one, "k", "short", kv.TTL(ttl))
	put(t, two, "k", "long", kv.TTL(time.Hour))
	put(t, one, "k2", "short", kv.TTL(ttl))
	put(t, two, "k2", "for ever")
	over := time.NewTimer(3 * ttl)
	defer over.Stop()
	<-over.C
	for key, want := range map[string]string{"k": "long", "k2": "for ever"} {
		if v, err := one.Get(soon(t), key); v != want || err != nil {
			t.Errorf("%s holds %v, %v; want %q", key, v, err, want)
		}
	}
}

func TestLargeValues(t *testing.T) {
	t.Parallel()
	a := Start(t)
	c := a.open(t)
	most := c.Capabilities().MaxValue
	large := strings.Repeat("x", most)
	version := put(t, c, "k", large)
	e, ok, err := c.Entry(soon(t), "k")
	if err != nil || !ok || e.Version != version || e.Value != large {
		t.Errorf("a value of %d bytes: version %s, %v, %v; want %s", most, e.Version, ok, err, version)
	}
	if _, err := c.Put(soon(t), "k", "stale", kv.IfVersion(version+"x")); !errors.Is(err, kv.ErrConflict) {
		t.Errorf("Put over another version: %v", err)
	}
	second := put(t, c, "k", large, kv.IfVersion(version))
	if second == version {
		t.Errorf("version %s twice", version)
	}
	_, err = c.Put(soon(t), "k", large, kv.TTL(time.Hour))
	if !errors.Is(err, kv.ErrTooLarge) || !strings.Contains(err.Error(), "with a TTL") {
		t.Errorf("a large value with a TTL = %v, want ErrTooLarge", err)
	}
	// Over a value with a TTL: it is for ever.
	put(t, c, "short", strings.Repeat("y", 380<<10), kv.TTL(500*time.Millisecond))
	third := put(t, c, "short", large)
	wantSessions(t, a.Consul(t), 0)
	over := time.NewTimer(time.Second)
	defer over.Stop()
	<-over.C
	e, ok, err = c.Entry(soon(t), "short")
	if err != nil || !ok || e.Version != third || !e.Expires.IsZero() {
		t.Errorf("a large value over one with a TTL: %v, %v, version %s of %s, expires %v", ok, err, e.Version, third, e.Expires)
	}
}

func TestAServerThatTakesLess(t *testing.T) {
	t.Parallel()
	a := Start(t, "limits { kv_max_value_size = 1000 }")
	c := a.open(t)
	put(t, c, "k", strings.Repeat("x", 1000))
	_, err := c.Put(soon(t), "k", strings.Repeat("x", 1001))
	if !errors.Is(err, kv.ErrTooLarge) || !strings.Contains(err.Error(), a.URL()) {
		t.Errorf("1001 bytes for a server that takes 1000 = %v, want ErrTooLarge of it", err)
	}
	if _, err := c.Put(soon(t), "k", "v", kv.TTL(25*time.Hour)); !errors.Is(err, kv.ErrUnsupported) {
		t.Errorf("a TTL that no session has = %v, want ErrUnsupported", err)
	}
}
