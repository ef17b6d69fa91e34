// Package natslab runs NATS servers with JetStream for tests: one, or a cluster of three. Every server is a process of its
// own, the test binary once more, so that it can be killed as a machine that loses its power; it keeps its ports and its
// files, and can be started again.
//
// The TestMain of a package that uses it calls [Main].
package natslab

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// readyWithin is how long a server, or a cluster, may take until it answers.
const readyWithin = 30 * time.Second

// memberEnv tells a process that it is a server, and which.
const memberEnv = "NATSLAB_MEMBER"

// identity is what a server keeps while it is down.
type identity struct {
	Name, Dir string
	Port      int
	Routing   int      // port for the other members; 0: alone
	Routes    []string // of all members
}

// Main runs the tests, or the server that this process was started for.
func Main(m *testing.M) {
	if line := os.Getenv(memberEnv); line != "" {
		if err := serve(line); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serve runs a server until it is killed, or the test that started it is gone.
func serve(line string) error {
	var id identity
	if err := json.Unmarshal([]byte(line), &id); err != nil {
		return err
	}
	o := &server.Options{
		ServerName: id.Name, Host: "127.0.0.1", Port: id.Port, NoLog: true, NoSigs: true,
		JetStream: true, StoreDir: id.Dir, JetStreamMaxStore: 1 << 30, JetStreamMaxMemory: 1 << 30,
	}
	if id.Routing != 0 {
		o.Cluster = server.ClusterOpts{Name: "lab", Host: "127.0.0.1", Port: id.Routing, NoAdvertise: true}
		for _, route := range id.Routes {
			o.Routes = append(o.Routes, &url.URL{Scheme: "nats", Host: route})
		}
	}
	s, err := server.NewServer(o)
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(readyWithin) {
		return fmt.Errorf("server %s is not ready within %v", id.Name, readyWithin)
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin) // ends with the test
	return err
}

// Server is one server.
type Server struct {
	t     testing.TB
	id    identity
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// Start starts a server alone.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, id: identity{Name: "alone", Dir: t.TempDir(), Port: freePorts(t, 1)[0]}}
	s.Restart()
	t.Cleanup(s.Kill)
	return s
}

// Away returns a server that was never started.
func Away(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, id: identity{Name: "away", Dir: t.TempDir(), Port: freePorts(t, 1)[0]}}
	t.Cleanup(s.Kill)
	return s
}

// Restart starts the server, on the port and the files that it has.
func (s *Server) Restart() {
	s.t.Helper()
	line, err := json.Marshal(s.id)
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd = exec.Command(os.Args[0])
	s.cmd.Env = append(os.Environ(), memberEnv+"="+string(line))
	s.cmd.Stderr = os.Stderr
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		s.t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	if said, err := bufio.NewReader(out).ReadString('\n'); said != "ready\n" {
		s.t.Fatalf("server %s says %q, %v", s.id.Name, said, err)
	}
}

// Kill kills the process, if it runs.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // killed: what else
	s.stdin.Close()
	s.cmd = nil
}

// Running reports whether the server was started and not killed since.
func (s *Server) Running() bool { return s.cmd != nil }

// Address is where clients reach the server, as host:port.
func (s *Server) Address() string { return fmt.Sprintf("127.0.0.1:%d", s.id.Port) }

// URL is where clients reach the server.
func (s *Server) URL() string { return "nats://" + s.Address() }

// freePorts finds ports that are free now: members must know each other's before they start.
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

// urls joins what clients of several servers are told.
func urls(servers []*Server) string {
	var all []string
	for _, s := range servers {
		all = append(all, s.URL())
	}
	return strings.Join(all, ",")
}
