package starling_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// swift is a node that notices a death within about a second.
var swift = starling.Tuning{
	ProbeInterval: 100 * time.Millisecond, ProbeTimeout: 50 * time.Millisecond, GossipInterval: 20 * time.Millisecond,
	SuspicionMult: 3, Rejoin: 200 * time.Millisecond, SyncInterval: time.Second,
}

// open opens a node on the loopback address that is closed when the test ends.
func open(t testing.TB, o starling.Options) *starling.Node {
	t.Helper()
	if o.Tuning == (starling.Tuning{}) {
		o.Tuning = swift
	}
	if o.Logger == nil && os.Getenv("STARLING_TEST_LOG") != "" {
		o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	n, err := starling.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// cluster opens nodes that know each other.
func cluster(t testing.TB, names ...string) []*starling.Node {
	t.Helper()
	var nodes []*starling.Node
	for _, name := range names {
		o := starling.Options{Name: name}
		if len(nodes) > 0 {
			o.Seeds = []string{nodes[0].Addr()}
		}
		nodes = append(nodes, open(t, o))
	}
	ctx := within(t, 20*time.Second)
	for _, n := range nodes {
		if err := n.WaitSynced(ctx); err != nil {
			t.Fatalf("%s: %v", n.Name(), err)
		}
	}
	return nodes
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func texts(n *starling.Node) *starling.Client { return n.Client(crdt.Register(kv.String)) }

func put(t testing.TB, c *starling.Client, key, v string) {
	t.Helper()
	if _, err := c.Put(within(t, 10*time.Second), key, v); err != nil {
		t.Fatal(err)
	}
}

// wait watches a key until it has the value.
func wait(t testing.TB, c *starling.Client, key string, want any) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	var last any
	if got, err := c.Get(ctx, key); err == nil && got == want {
		return
	}
	for last = range kv.Values(ctx, c, key) {
		if last == want {
			return
		}
	}
	t.Fatalf("%q is %v, want %v", key, last, want)
}

func TestTwoNodesShareOneKey(t *testing.T) {
	n := cluster(t, "a", "b")
	a, b := texts(n[0]), texts(n[1])
	put(t, a, "greeting", "hello")
	wait(t, b, "greeting", "hello")
	put(t, b, "greeting", "good bye")
	wait(t, a, "greeting", "good bye")
	if err := a.Delete(t.Context(), "greeting"); err != nil {
		t.Fatal(err)
	}
	wait(t, b, "greeting", nil)
}

func TestLateJoinerHoldsAll(t *testing.T) {
	n := cluster(t, "a", "b")
	a := texts(n[0])
	const keys = 3000
	for i := range keys {
		put(t, a, fmt.Sprintf("key/%04d", i), strings.Repeat("v", i%200))
	}
	for i := 0; i < keys; i += 3 {
		if err := a.Delete(t.Context(), fmt.Sprintf("key/%04d", i)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := a.List(t.Context(), "key/")
	if err != nil || len(want) != keys-keys/3 {
		t.Fatalf("List: %d keys, %v; want %d", len(want), err, keys-keys/3)
	}
	until(t, "b holds what a holds", func() bool {
		got, err := texts(n[1]).List(t.Context(), "key/")
		return err == nil && slices.Equal(got, want)
	})
	c := open(t, starling.Options{Name: "c", Seeds: []string{n[1].Addr()}})
	if err := c.WaitSynced(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	if c.State() != starling.Running {
		t.Errorf("state %v, want running", c.State())
	}
	got, err := texts(c).List(t.Context(), "key/")
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("after its first session the joiner holds %d keys, %v; want the same %d", len(got), err, len(want))
	}
	for _, key := range want[:10] {
		if v, err := texts(c).Get(t.Context(), key); err != nil || v == nil {
			t.Errorf("Get(%q) = %v, %v; want a value", key, v, err)
		}
	}
	if c.Stats().Sessions == 0 {
		t.Error("no session was counted")
	}
}

func TestForeignClusterIsRefusedAndNamed(t *testing.T) {
	ours := open(t, starling.Options{Name: "a", Cluster: "ours"})
	put(t, texts(ours), "secret", "x")
	theirs := open(t, starling.Options{Name: "b", Cluster: "theirs", Seeds: []string{ours.Addr()}, JoinWait: 300 * time.Millisecond})
	put(t, texts(theirs), "other", "y") // waits for JoinWait: nobody of its cluster answers
	until(t, "the foreign cluster is named", func() bool {
		f := ours.Stats().Foreign
		return len(f) == 1 && f[0].Cluster == "theirs" && f[0].Count > 0
	})
	if len(ours.Members()) != 1 || len(theirs.Members()) != 1 {
		t.Errorf("members %v and %v, want each alone", ours.Members(), theirs.Members())
	}
	for _, c := range []*starling.Client{texts(ours), texts(theirs)} {
		if keys, err := c.List(t.Context(), ""); err != nil || len(keys) != 1 {
			t.Errorf("List: %q, %v; want the one own key", keys, err)
		}
	}
}

func TestKilledNodeComesBack(t *testing.T) {
	n := cluster(t, "a", "b", "c")
	put(t, texts(n[1]), "before", "1")
	wait(t, texts(n[0]), "before", "1")
	if err := n[1].Close(); err != nil { // without goodbye
		t.Fatal(err)
	}
	until(t, "a sees b dead", func() bool { return memberOf(n[0], "b").State == "dead" })
	put(t, texts(n[0]), "while", "2")
	if err := texts(n[0]).Delete(t.Context(), "before"); err != nil {
		t.Fatal(err)
	}
	again := open(t, starling.Options{Name: "b", Seeds: []string{n[0].Addr(), n[2].Addr()}})
	wait(t, texts(again), "while", "2")
	wait(t, texts(again), "before", nil)
	put(t, texts(again), "after", "3")
	wait(t, texts(n[2]), "after", "3")
	until(t, "a sees b alive at its new address", func() bool {
		m := memberOf(n[0], "b")
		return m.State == "alive" && m.Addr == again.Addr()
	})
}

func TestClusterHealsWithoutSeeds(t *testing.T) {
	// b is the only one that ever had a seed; a must find it again by itself.
	n := cluster(t, "a", "b")
	at := n[1].Addr()
	if err := n[1].Close(); err != nil {
		t.Fatal(err)
	}
	until(t, "a sees b dead", func() bool { return memberOf(n[0], "b").State == "dead" })
	put(t, texts(n[0]), "k", "v")
	again := open(t, starling.Options{Name: "b", Bind: at})
	wait(t, texts(again), "k", "v")
}

func TestDisplacedWriteIsTold(t *testing.T) {
	told := make(chan starling.Conflict, 100)
	tell := func(c starling.Conflict) { told <- c }
	a := open(t, starling.Options{Name: "a", OnConflict: tell})
	b := open(t, starling.Options{Name: "b", OnConflict: tell, Seeds: []string{a.Addr()}})
	if err := b.WaitSynced(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	wait(t, texts(b), "k", nil)
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for round := 0; ; round++ {
		// Two writes at one moment: a packet takes longer.
		var both sync.WaitGroup
		for _, n := range []*starling.Node{a, b} {
			both.Go(func() { put(t, texts(n), "k", fmt.Sprint(n.Name(), round)) })
		}
		both.Wait()
		select {
		case c := <-told:
			if c.Key != "k" || c.Winner != "a" && c.Winner != "b" {
				t.Errorf("told %+v, want key k and the name of the winner", c)
			}
			return
		case <-limit.C:
			t.Fatalf("no conflict was told in %d rounds", round)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestKeyOfAnotherKind(t *testing.T) {
	n := open(t, starling.Options{Name: "a"})
	put(t, texts(n), "k", "text")
	raw := n.Client(crdt.Register(kv.Bytes))
	if _, err := raw.Get(t.Context(), "k"); !errors.Is(err, kv.ErrType) {
		t.Errorf("Get with another codec: %v, want ErrType", err)
	}
	if _, err := raw.Put(t.Context(), "k", []byte("x")); !errors.Is(err, kv.ErrType) {
		t.Errorf("Put with another codec: %v, want ErrType", err)
	}
	if err := raw.Delete(t.Context(), "k"); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if _, err := raw.Put(t.Context(), "k", []byte("x")); err != nil {
		t.Errorf("Put after Delete: %v", err)
	}
}

func TestVersionIsTheSameOnAllNodes(t *testing.T) {
	n := cluster(t, "a", "b")
	version, err := texts(n[0]).Put(t.Context(), "k", "v")
	if err != nil {
		t.Fatal(err)
	}
	wait(t, texts(n[1]), "k", "v")
	e, found, err := texts(n[1]).Entry(t.Context(), "k")
	if err != nil || !found || e.Version != version || e.Origin != "a" {
		t.Errorf("Entry: %+v, %v, %v; want version %s by a", e, found, err, version)
	}
	if _, err := texts(n[1]).Put(t.Context(), "k", "w", kv.IfVersion(version)); err != nil {
		t.Errorf("Put on the version of another node: %v", err)
	}
}

func TestStatsAddUp(t *testing.T) {
	n := cluster(t, "a", "b")
	put(t, texts(n[0]), "k", "v")
	wait(t, texts(n[1]), "k", "v")
	for range 2 {
		err := texts(n[0]).CAS(t.Context(), "k", func(in any) (any, bool, error) { return in.(string) + "+", false, nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	s := n[0].Stats()
	if s.CAS.Attempts != 2 || s.CAS.Successes != 2 {
		t.Errorf("CAS %+v over two clients, want two successes", s.CAS)
	}
	if s.Keys != 1 || s.PacketsOut == 0 || s.BytesOut == 0 || s.Events["ready"] != 1 || s.Uptime <= 0 {
		t.Errorf("stats %+v, want one key, packets, and that it got ready", s)
	}
	until(t, "all frames to be among what was sent, beside the views of members", func() bool {
		s := n[0].Stats() // a frame is counted before it is sent
		return s.Sent.Packets >= s.PacketsOut && s.Sent.PacketBytes > s.BytesOut && s.Sent.StreamBytes > 0
	})
	if in := n[1].Stats(); in.PacketsIn == 0 || in.Events["applied"] == 0 || in.Malformed != 0 || in.Dropped != 0 {
		t.Errorf("stats of the other %+v, want packets and an applied cell, nothing malformed", in)
	}
}

// until looks from time to time until ok holds.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		}
	}
}

func memberOf(n *starling.Node, name string) starling.Member {
	for _, m := range n.Members() {
		if m.Name == name {
			return m
		}
	}
	return starling.Member{}
}

func TestLargeValueIsFetched(t *testing.T) {
	n := cluster(t, "a", "b", "c")
	big := strings.Repeat("0123456789abcdef", 1<<16) // a mebibyte
	put(t, texts(n[0]), "big", big)
	for _, other := range n[1:] {
		wait(t, texts(other), "big", big)
		if s := other.Stats(); s.Events["fetch"] != 1 || s.Events["fetch_failed"] != 0 {
			t.Errorf("%s: events %v, want one fetch that worked", other.Name(), s.Events)
		}
	}
}
