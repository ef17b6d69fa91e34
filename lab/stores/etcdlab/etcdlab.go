// Package etcdlab runs real etcd servers inside a test: one member, or a cluster of three of which members can be killed,
// started again and cut off.
package etcdlab

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// readyWithin bounds how long a member may take to start.
const readyWithin = 30 * time.Second

// Cluster is a running cluster.
type Cluster struct {
	Members []*Member
}

// Member is one server, which keeps its addresses and its data while it is down.
type Member struct {
	Endpoint string // for clients, as 127.0.0.1:2379
	cfg      embed.Config

	mu   sync.Mutex  // guards etcd
	etcd *embed.Etcd // nil: down
}

// Config is that of a member.
type Config = embed.Config

// Option changes the configuration of every member.
type Option func(*Config)

// Start starts a cluster of n members, which ends with the test.
func Start(t testing.TB, n int, opts ...Option) *Cluster {
	t.Helper()
	c := &Cluster{}
	addrs := free(t, 2*n)
	var initial []string
	for i := range n {
		initial = append(initial, fmt.Sprintf("m%d=http://%s", i, addrs[2*i]))
	}
	dir := t.TempDir()
	for i := range n {
		cfg := embed.NewConfig()
		cfg.Name, cfg.Dir = fmt.Sprintf("m%d", i), filepath.Join(dir, fmt.Sprint(i))
		cfg.LogLevel = "fatal" // what a killed member says about it
		cfg.UnsafeNoFsync = true
		cfg.TickMs, cfg.ElectionMs = 20, 200
		cfg.InitialCluster = strings.Join(initial, ",")
		cfg.InitialClusterToken = dir
		peer, client := url.URL{Scheme: "http", Host: addrs[2*i]}, url.URL{Scheme: "http", Host: addrs[2*i+1]}
		cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
		cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
		for _, opt := range opts {
			opt(cfg)
		}
		c.Members = append(c.Members, &Member{Endpoint: addrs[2*i+1], cfg: *cfg})
	}
	t.Cleanup(c.Stop)
	for _, m := range c.Members {
		if err := m.begin(); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range c.Members {
		if err := m.ready(); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// free returns n addresses that were free a moment ago. etcd must know them all before the first member starts.
func free(t testing.TB, n int) []string {
	t.Helper()
	var addrs []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs
}

// Endpoints are those of all members, also of those that are down.
func (c *Cluster) Endpoints() []string {
	var all []string
	for _, m := range c.Members {
		all = append(all, m.Endpoint)
	}
	return all
}

// Stop kills every member.
func (c *Cluster) Stop() {
	for _, m := range c.Members {
		m.Kill()
	}
}

// Leader is the member that leads, nil while there is none.
func (c *Cluster) Leader() *Member {
	for _, m := range c.Members {
		if m.leads() {
			return m
		}
	}
	return nil
}

func (m *Member) leads() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.etcd != nil && m.etcd.Server.Leader() == m.etcd.Server.MemberID()
}

// Up reports whether the member runs.
func (m *Member) Up() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.etcd != nil
}

// Kill stops the member without a word to the others: its connections break, and if it led, the others must notice.
func (m *Member) Kill() {
	m.mu.Lock()
	e := m.etcd
	m.etcd = nil
	m.mu.Unlock()
	if e == nil {
		return
	}
	for _, l := range e.Clients {
		_ = l.Close()
	}
	e.Server.HardStop()
	e.Close()
}

// Restart starts a killed member again, with its data.
func (m *Member) Restart() error {
	if err := m.begin(); err != nil {
		return err
	}
	return m.ready()
}

func (m *Member) begin() error {
	cfg := m.cfg
	e, err := embed.StartEtcd(&cfg)
	if err != nil {
		return fmt.Errorf("etcd member %s: %w", m.cfg.Name, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.etcd = e
	return nil
}

func (m *Member) ready() error {
	m.mu.Lock()
	e := m.etcd
	m.mu.Unlock()
	limit := time.NewTimer(readyWithin)
	defer limit.Stop()
	select {
	case <-e.Server.ReadyNotify():
		return nil
	case err := <-e.Err():
		return fmt.Errorf("etcd member %s: %w", m.cfg.Name, err)
	case <-limit.C:
		return fmt.Errorf("etcd member %s is not ready after %v", m.cfg.Name, readyWithin)
	}
}
