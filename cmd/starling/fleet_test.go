package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/starlingkv/starling/web"
)

// fleet is the servers of one cluster, as real processes.
type fleet struct {
	cluster string
	args    []string // of every server
	nodes   []*process
}

// startFleet starts a number of servers, one after the other.
func startFleet(t *testing.T, cluster string, size int, args ...string) *fleet {
	t.Helper()
	f := &fleet{cluster: cluster, args: args}
	for range size {
		f.add(t)
	}
	return f
}

// add starts one more server, whose seeds are all that are there.
func (f *fleet) add(t *testing.T) *process {
	t.Helper()
	name := fmt.Sprintf("n%d", len(f.nodes)+1)
	p := start(t, append(f.argsOf(name), "--bind", lastingAddr(t), "--http", lastingAddr(t))...)
	f.nodes = append(f.nodes, p)
	return p
}

// lastingAddr is an address that a server finds free again when it is restarted: its port is below those that systems
// give to whoever asks for any, and to every connection that is opened meanwhile.
func lastingAddr(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000))
		stream, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		packets, err := net.ListenPacket("udp", addr)
		stream.Close()
		if err == nil {
			packets.Close()
			return addr
		}
	}
	t.Fatal("a hundred ports of 127.0.0.1 are taken")
	return ""
}

// again starts a server that has ended, under its name and at its addresses.
func (f *fleet) again(t *testing.T, i int) *process {
	t.Helper()
	old := f.nodes[i]
	p := start(t, append(f.argsOf(old.Node), "--bind", old.Gossip, "--http", strings.TrimPrefix(old.HTTP, "http://"))...)
	f.nodes[i] = p
	return p
}

func (f *fleet) argsOf(name string) []string {
	args := append([]string{"--cluster", f.cluster, "--name", name}, f.args...)
	for _, p := range f.nodes {
		args = append(args, "--seed", p.Gossip)
	}
	return args
}

// holdSame waits until all servers hold the same versions of the same keys, and returns how many keys those are.
func (f *fleet) holdSame(t *testing.T, limit time.Duration) (keys int) {
	t.Helper()
	first := f.nodes[0].hash(t)
	overdue := time.After(limit)
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		same := true
		for _, p := range f.nodes[1:] {
			same = same && p.hash(t) == first
		}
		if same {
			return first.Keys
		}
		select {
		case <-look.C:
			first = f.nodes[0].hash(t)
		case <-overdue:
			for _, p := range f.nodes {
				t.Logf("%s: %+v", p.Node, p.hash(t))
			}
			t.Fatalf("the servers do not hold the same within %v", limit)
		}
	}
}

// comesTo waits until the process holds what has this hash. The others are left in peace meanwhile.
func (p *process) comesTo(t *testing.T, want hashed, limit time.Duration) {
	t.Helper()
	overdue := time.After(limit)
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for got := p.hash(t); got != want; got = p.hash(t) {
		select {
		case <-look.C:
		case <-overdue:
			t.Fatalf("%s: %+v after %v, want %+v", p.Node, got, limit, want)
		}
	}
}

// hashed is what a server says of all that it holds.
type hashed struct {
	Keys int    `json:"keys"`
	Hash string `json:"hash"`
}

func (p *process) hash(t *testing.T) hashed {
	t.Helper()
	c := p.client(t)
	defer c.Close()
	var h hashed
	if err := c.JSON(t.Context(), "/v1/digest?prefix=", &h); err != nil {
		t.Fatalf("%s: %v", p.Node, err)
	}
	return h
}

// holds fails the test unless the process has exactly these keys and bytes.
func (p *process) holds(t *testing.T, want map[string][]byte) {
	t.Helper()
	seen := 0
	for e, err := range p.client(t).Entries(t.Context(), "", "") {
		if err != nil {
			t.Fatalf("%s: %v", p.Node, err)
		}
		if w, known := want[e.Key]; !known || !bytes.Equal(w, e.Value.([]byte)) {
			t.Fatalf("%s: %q has %d bytes; known %v, want %d", p.Node, e.Key, e.Size, known, len(w))
		}
		seen++
	}
	if seen != len(want) {
		t.Fatalf("%s holds %d keys, want %d", p.Node, seen, len(want))
	}
}

// agree waits until every server says that all agree, on everything of before since.
func (f *fleet) agree(t *testing.T, since time.Time, limit time.Duration) {
	t.Helper()
	for _, p := range f.nodes {
		p.agrees(t, len(f.nodes), since, limit)
	}
}

// agrees waits until the process says that so many members are all, and agree on everything of before since.
func (p *process) agrees(t *testing.T, members int, since time.Time, limit time.Duration) {
	t.Helper()
	overdue := time.After(limit)
	look := time.NewTicker(250 * time.Millisecond)
	defer look.Stop()
	for {
		out, talk, code := verb(t, nil, "status", "-o", "json", "--addr", p.HTTP)
		var s web.Status
		if err := json.Unmarshal([]byte(out), &s); err != nil {
			t.Fatalf("%s: status: %v in %q, exit code %d\n%s", p.Node, err, out, code, talk)
		}
		a := s.Agreement
		if all := s.Ready && a.Agree == members && a.Members == members; all != (code == exitOK) && a.Members == members {
			t.Fatalf("%s: exit code %d for %s", p.Node, code, out)
		} else if all && !a.AsOf.Before(since) {
			return
		}
		select {
		case <-look.C:
		case <-overdue:
			t.Fatalf("%s: no agreement within %v: %s", p.Node, limit, out)
		}
	}
}
