package starling_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/internal/member"
)

// names is a Resolver without a name server.
type names struct {
	mu    sync.Mutex
	hosts map[string][]netip.Addr
}

func (r *names) set(host string, addrs ...netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hosts == nil {
		r.hosts = make(map[string][]netip.Addr)
	}
	r.hosts[host] = addrs
}

// LookupNetIP is part of starling.Resolver.
func (r *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if addrs, known := r.hosts[host]; known {
		return addrs, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// LookupSRV is part of starling.Resolver.
func (r *names) LookupSRV(_ context.Context, _, _, name string) (string, []*net.SRV, error) {
	return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// hostOf is the address of the i-th machine of a test.
func hostOf(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }

// openAt opens a node at a machine of its own, with seeds by name.
func openAt(t *testing.T, network *member.Memory, r *names, i int) *starling.Node {
	t.Helper()
	return openIn(t, network, starling.Options{
		Name: fmt.Sprintf("n%02d", i), Cluster: "test", Bind: netip.AddrPortFrom(hostOf(i), 7171).String(),
		Seeds: []string{"dns+seeds.test:7171"}, Resolver: r,
	})
}

// whole reports whether every node sees all of them alive and no other.
func whole(nodes []*starling.Node) bool {
	for _, n := range nodes {
		alive := 0
		for _, m := range n.Members() {
			if m.State == "alive" {
				alive++
			}
		}
		if alive != len(nodes) {
			return false
		}
	}
	return true
}

// waitFor lets time of a bubble pass until ok holds, and returns how much.
func waitFor(t *testing.T, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
		pass(100 * time.Millisecond)
	}
	return time.Since(began)
}

// TestSplitOfTwentyHeals cuts a cluster in two for ten minutes, with both seeds
// on one side; meanwhile a new machine takes the place of one of the seeds.
func TestSplitOfTwentyHeals(t *testing.T) {
	const size, half = 20, 10
	synctest.Test(t, func(t *testing.T) {
		network, dns := member.NewMemory(11), new(names)
		network.Latency = time.Millisecond
		dns.set("seeds.test", hostOf(0), hostOf(1))
		var n []*starling.Node
		for i := range size {
			n = append(n, openAt(t, network, dns, i))
		}
		waitFor(t, time.Minute, "they are a cluster", func() bool { return whole(n) })
		far := map[netip.Addr]bool{}
		for i := half; i < size; i++ {
			far[hostOf(i)] = true
		}
		put(t, texts(n[0]), "both", "before")
		for _, x := range n {
			wait(t, texts(x), "both", "before")
		}

		network.Cut(func(from, to netip.AddrPort) bool { return far[from.Addr()] != far[to.Addr()] })
		pass(5 * time.Minute)
		if err := n[1].Close(); err != nil {
			t.Fatal(err)
		}
		dns.set("seeds.test", hostOf(0), hostOf(size))
		n[1] = openAt(t, network, dns, size)
		pass(5 * time.Minute)
		if !whole(n[:half]) || !whole(n[half:]) {
			t.Fatal("the halves are not two clusters")
		}
		for i, x := range n {
			put(t, texts(x), fmt.Sprintf("key/%02d", i), fmt.Sprint(i))
		}
		if err := texts(n[half]).Delete(t.Context(), "both"); err != nil {
			t.Fatal(err)
		}

		network.Cut(nil)
		healed := time.Now()
		merged := waitFor(t, 30*time.Second, "all see all", func() bool { return whole(n) })
		for _, x := range n {
			for i := range n {
				wait(t, texts(x), fmt.Sprintf("key/%02d", i), fmt.Sprint(i))
			}
			wait(t, texts(x), "both", nil)
		}
		took := time.Since(healed)
		t.Logf("all saw all after %v, all held all after %v", merged, took)
		if took > 30*time.Second {
			t.Errorf("all held all %v after the cut ended, want at most 30 s", took)
		}
	})
}

// TestLateSeedIsJoined starts a seed ten minutes after who calls it.
func TestLateSeedIsJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, dns := member.NewMemory(12), new(names)
		early := openAt(t, network, dns, 1)
		pass(5 * time.Minute)
		if s := early.Seeds(); len(s) != 1 || s[0].Err == "" || s[0].Addrs != nil {
			t.Errorf("a seed whose name is not known yet: %+v, want its error", s)
		}
		dns.set("seeds.test", hostOf(0)) // the name is known, nobody answers
		put(t, texts(early), "k", "v")
		pass(5 * time.Minute)
		late := openAt(t, network, dns, 0)
		took := waitFor(t, 30*time.Second, "the seed is joined", func() bool { return whole([]*starling.Node{early, late}) })
		wait(t, texts(late), "k", "v")
		t.Logf("joined after %v", took)
		if s := early.Seeds(); len(s) != 1 || s[0].Err != "" || len(s[0].Addrs) != 1 || s[0].Addrs[0] != "10.0.0.0:7171" {
			t.Errorf("the seed is known as %+v, want its address", s)
		}
	})
}

// TestRestartElsewhere moves a name to another machine, with and without a
// goodbye, and back.
func TestRestartElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, dns := member.NewMemory(13), new(names)
		dns.set("seeds.test", hostOf(0))
		stays := openAt(t, network, dns, 0)
		at := func(i int) *starling.Node {
			return openIn(t, network, starling.Options{
				Name: "mover", Cluster: "test", Bind: netip.AddrPortFrom(hostOf(i), 7171).String(),
				Seeds: []string{"seeds.test:7171"}, Resolver: dns,
			})
		}
		var went *starling.Node
		for i, host := range []int{1, 2, 3, 1} {
			if went != nil && i%2 == 0 {
				if err := went.Leave(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if went != nil {
				if err := went.Close(); err != nil {
					t.Fatal(err)
				}
			}
			came := at(host)
			took := waitFor(t, time.Minute, "the move is known", func() bool {
				return whole([]*starling.Node{stays, came}) && memberOf(stays, "mover").Addr == came.Addr()
			})
			put(t, texts(came), "where", fmt.Sprint(i))
			wait(t, texts(stays), "where", fmt.Sprint(i))
			t.Logf("move %d was known after %v", i, took)
			went = came
		}
	})
}
