// Package etcdlab runs real etcd servers beside a test, each a process of its own: one member, or a cluster of three of
// which members can be killed and started again.
package etcdlab

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/starlingkv/starling/internal/lab"
	"github.com/starlingkv/starling/lab/stores/members"
)

// Cluster is a running cluster.
type Cluster struct {
	Members []*Member
}

// Member is one server, which keeps its addresses and its data while it is down.
type Member struct {
	*lab.Server
	Endpoint string // for clients, as 127.0.0.1:2379

	t   testing.TB
	dir string // of its data
}

// Config is what a member is told beyond where it is: keys of etcd's own configuration file.
type Config map[string]any

// The ports of a member.
const (
	peerPort = iota
	clientPort
	memberPorts
)

// Start starts a cluster of n members, which ends with the test. Each is told more of all.
func Start(t testing.TB, n int, more ...Config) *Cluster {
	t.Helper()
	c, dirs := &Cluster{}, make([]string, n)
	for i, s := range lab.Start(t, fleet(t, dirs, more)) {
		c.Members = append(c.Members, &Member{Server: s, Endpoint: lab.Address(s.Port(clientPort)), t: t, dir: dirs[i]})
	}
	return c
}

// fleet is a cluster of as many members as there are dirs, which it fills with where their data is.
func fleet(t testing.TB, dirs []string, more []Config) lab.Fleet {
	return lab.Fleet{Size: len(dirs), Ports: memberPorts, Program: func(i int, ports [][]int) lab.Program {
		t.Helper()
		var initial []string
		for j, p := range ports {
			initial = append(initial, fmt.Sprintf("m%d=http://%s", j, lab.Address(p[peerPort])))
		}
		dir, name := t.TempDir(), fmt.Sprint("m", i)
		dirs[i] = filepath.Join(dir, "data")
		peer, client := "http://"+lab.Address(ports[i][peerPort]), lab.Address(ports[i][clientPort])
		config := Config{
			"name": name, "data-dir": dirs[i], "log-level": "error",
			"initial-cluster": strings.Join(initial, ","), "initial-cluster-token": strings.Join(initial, ","),
			"listen-peer-urls": peer, "initial-advertise-peer-urls": peer,
			"unsafe-no-fsync": true, "heartbeat-interval": 20, "election-timeout": 200,
		}
		for _, m := range more {
			maps.Copy(config, m)
		}
		scheme := "http://"
		if config[security] != nil {
			scheme = "https://"
		}
		config["listen-client-urls"], config["advertise-client-urls"] = scheme+client, scheme+client
		file := filepath.Join(dir, "etcd.json") // YAML too
		text, err := json.Marshal(config)
		if err == nil {
			err = os.WriteFile(file, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return members.Program(t, "etcd", name, file)
	}}
}

// security is the key of what a member says about TLS.
const security = "client-transport-security"

// Secure is the configuration of members that speak TLS to clients, and want certificates of theirs.
func Secure(by *lab.Authority) Config {
	files := by.Issue("member")
	return Config{security: map[string]any{
		"cert-file": files.Cert, "key-file": files.Key, "trusted-ca-file": by.File, "client-cert-auth": true,
	}}
}

// Backup copies the data of a member that is down and returns what puts it back, which goes for one that is down too.
func (m *Member) Backup() (restore func()) {
	m.t.Helper()
	copied := filepath.Join(m.t.TempDir(), "data")
	if err := os.CopyFS(copied, os.DirFS(m.dir)); err != nil {
		m.t.Fatal(err)
	}
	return func() {
		m.t.Helper()
		err := os.RemoveAll(m.dir)
		if err == nil {
			err = os.CopyFS(m.dir, os.DirFS(copied))
		}
		if err != nil {
			m.t.Fatal(err)
		}
	}
}

// Endpoints are those of all members, also of those that are down.
func (c *Cluster) Endpoints() []string {
	var all []string
	for _, m := range c.Members {
		all = append(all, m.Endpoint)
	}
	return all
}

// Leader is the member that leads, nil while there is none.
func (c *Cluster) Leader() *Member {
	for _, m := range c.Members {
		if m.Running() && m.leads() {
			return m
		}
	}
	return nil
}

// leads asks the member itself.
func (m *Member) leads() bool {
	const answerWithin = 2 * time.Second
	plain, err := clientv3.New(clientv3.Config{Endpoints: []string{m.Endpoint}, DialTimeout: answerWithin, Logger: zap.NewNop()})
	if err != nil {
		return false
	}
	defer plain.Close()
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	status, err := plain.Status(ctx, m.Endpoint)
	return err == nil && status.Leader == status.Header.MemberId
}
