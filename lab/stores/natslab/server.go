// Package natslab starts NATS servers with JetStream inside the test process: one, or a cluster whose members can be
// stopped and started again on the ports and files they had.
package natslab

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// readyWithin is how long a server, or a cluster, may take until it answers.
const readyWithin = 30 * time.Second

// Server is one server.
type Server struct {
	t       testing.TB
	options *server.Options
	running *server.Server
}

// Start starts a server alone.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, options: options(t, "alone")}
	s.Restart()
	return s
}

func options(t testing.TB, name string) *server.Options {
	t.Helper()
	return &server.Options{
		ServerName: name, Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
		JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 1 << 30, JetStreamMaxMemory: 1 << 30,
	}
}

// Restart starts the server, on the port and the files that it had before.
func (s *Server) Restart() {
	s.t.Helper()
	s.start()
	if !s.running.ReadyForConnections(readyWithin) {
		s.t.Fatalf("server %s is not ready within %v", s.options.ServerName, readyWithin)
	}
}

func (s *Server) start() {
	s.t.Helper()
	running, err := server.NewServer(s.options.Clone())
	if err != nil {
		s.t.Fatal(err)
	}
	s.running = running
	running.Start()
	s.t.Cleanup(func() {
		running.Shutdown()
		running.WaitForShutdown()
	})
	if s.options.Port == server.RANDOM_PORT && running.ReadyForConnections(readyWithin) {
		s.options.Port = running.Addr().(*net.TCPAddr).Port
	}
}

// Stop stops the server.
func (s *Server) Stop() {
	s.running.Shutdown()
	s.running.WaitForShutdown()
}

// URL is where clients reach the server.
func (s *Server) URL() string { return fmt.Sprintf("nats://127.0.0.1:%d", s.options.Port) }

// Cluster is three servers.
type Cluster struct {
	t       testing.TB
	members []*Server
}

// StartCluster starts a cluster and waits until it has a leader and every member is up to date.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	const size = 3
	c := &Cluster{t: t}
	var routes []*url.URL
	ports := freePorts(t, size)
	for _, port := range ports {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", port)})
	}
	for i, port := range ports {
		o := options(t, fmt.Sprint("n", i+1))
		o.Cluster = server.ClusterOpts{Name: "lab", Host: "127.0.0.1", Port: port, NoAdvertise: true}
		o.Routes = routes
		s := &Server{t: t, options: o}
		s.start()
		c.members = append(c.members, s)
	}
	c.Await(size)
	return c
}

// freePorts finds ports that are free now. The members must know each other's before they start.
func freePorts(t testing.TB, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// URL is where clients reach the members.
func (c *Cluster) URL() string {
	var all []string
	for _, m := range c.members {
		all = append(all, m.URL())
	}
	return strings.Join(all, ",")
}

// Member returns the ith member.
func (c *Cluster) Member(i int) *Server { return c.members[i] }

// StreamLeader returns the member that leads the stream, nil if none does.
func (c *Cluster) StreamLeader(stream string) *Server {
	for _, m := range c.members {
		if m.running.Running() && m.running.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
			return m
		}
	}
	return nil
}

// Await waits until n members run, one of them leads, and the others are up to date.
func (c *Cluster) Await(n int) {
	c.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(readyWithin); ; {
		if c.healthy(n) {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			c.t.Fatalf("%d members have no leader within %v", n, readyWithin)
		}
	}
}

func (c *Cluster) healthy(n int) bool {
	up, leaders := 0, 0
	for _, m := range c.members {
		if !m.running.Running() {
			continue
		}
		if m.running.JetStreamIsCurrent() || m.running.JetStreamIsLeader() {
			up++
		}
		if m.running.JetStreamIsLeader() {
			leaders++
			if len(m.running.JetStreamClusterPeers()) < n {
				return false
			}
		}
	}
	return up >= n && leaders == 1
}
