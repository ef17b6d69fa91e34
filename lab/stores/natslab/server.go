// Package natslab runs NATS servers with JetStream beside a test, each a process of its own: one, or a cluster of three of
// which members can be killed and started again.
package natslab

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/starlingkv/starling/internal/lab"
	"github.com/starlingkv/starling/lab/stores/members"
)

// Server is one server, which keeps its address and its files while it is down.
type Server struct {
	*lab.Server
	t    testing.TB
	name string
}

// Config is what a server is told beyond where it is: keys of nats-server's own configuration file.
type Config map[string]any

// The ports of a server.
const (
	clientPort = iota
	routePort
	serverPorts
)

// Start starts a server alone, which ends with the test.
func Start(t testing.TB, more ...Config) *Server {
	t.Helper()
	return named(t, lab.Start(t, fleet(t, 1, more)))[0]
}

// Away returns a server that was never started: Restart does.
func Away(t testing.TB) *Server {
	t.Helper()
	return named(t, lab.Down(t, fleet(t, 1, nil)))[0]
}

func named(t testing.TB, servers []*lab.Server) (all []*Server) {
	for i, s := range servers {
		all = append(all, &Server{Server: s, t: t, name: name(i)})
	}
	return all
}

func name(i int) string { return fmt.Sprint("n", i+1) }

func fleet(t testing.TB, n int, more []Config) lab.Fleet {
	return lab.Fleet{Size: n, Ports: serverPorts, Program: func(i int, ports [][]int) lab.Program {
		t.Helper()
		dir := t.TempDir()
		config := Config{
			"server_name": name(i), "listen": lab.Address(ports[i][clientPort]),
			"jetstream": map[string]any{"store_dir": dir, "max_file": 1 << 30, "max_mem": 1 << 30},
		}
		if n > 1 {
			var routes []string
			for _, p := range ports {
				routes = append(routes, "nats://"+lab.Address(p[routePort]))
			}
			config["cluster"] = map[string]any{"name": "lab", "listen": lab.Address(ports[i][routePort]), "no_advertise": true, "routes": routes}
		}
		for _, m := range more {
			maps.Copy(config, m)
		}
		file := filepath.Join(dir, "nats.json") // its own form allows this one
		text, err := json.Marshal(config)
		if err == nil {
			err = os.WriteFile(file, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return members.Program(t, "nats", name(i), file)
	}}
}

// Address is where clients reach the server, as host:port.
func (s *Server) Address() string { return lab.Address(s.Port(clientPort)) }

// URL is where clients reach the server.
func (s *Server) URL() string { return "nats://" + s.Address() }

// urls joins what clients of several servers are told.
func urls(servers []*Server) string {
	var all []string
	for _, s := range servers {
		all = append(all, s.URL())
	}
	return strings.Join(all, ",")
}

// Version is the name and the version of the server, as it tells its clients.
func (s *Server) Version() string {
	s.t.Helper()
	conn, err := nats.Connect(s.URL())
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	return "nats-server " + conn.ConnectedServerVersion()
}
