// Package lab is what the tests against real servers share: servers in processes of their own, which can be killed and
// started again; a line to a server that can be cut, or made to lose its answers; the starling command; certificates.
//
// A server gets its ports when it starts and keeps them, with its files, while it is down. It ends with its test, and with
// the test binary however that ends: its standard input is a pipe that nobody else holds, and the system kills it where
// that can be asked for. The servers themselves are in the modules under lab/, beside the libraries they need.
package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Fleet is servers that start together and know each other's ports.
type Fleet struct {
	Size  int // servers
	Ports int // of each

	// Program returns what the ith runs, when the ports of all are chosen. It is asked again, and begins with nothing
	// again, if one of them turns out to be another's.
	Program func(i int, ports [][]int) Program
}

// starts is how often a fleet is started whose ports are taken by others.
const starts = 5

// Start starts the servers and waits until all are ready. They end with the test.
func Start(t testing.TB, f Fleet) []*Server {
	t.Helper()
	servers := Down(t, f)
	for try := 1; ; try++ {
		err := startAll(servers)
		if err == nil {
			return servers
		}
		if try == starts || !errors.Is(err, errTaken) {
			t.Fatal(err)
		}
		for _, s := range servers {
			s.Kill()
		}
		f.plan(servers)
	}
}

// Down returns the servers without starting them: Restart does.
func Down(t testing.TB, f Fleet) []*Server {
	t.Helper()
	servers := make([]*Server, f.Size)
	for i := range servers {
		servers[i] = &Server{t: t}
	}
	f.plan(servers)
	for _, s := range servers {
		t.Cleanup(s.Kill) // before the directories go, which the plan asked for
	}
	return servers
}

// plan gives every server its ports and its program.
func (f Fleet) plan(servers []*Server) {
	all := make([][]int, len(servers))
	for i, s := range servers {
		for range f.Ports {
			all[i] = append(all[i], freePort(s.t))
		}
	}
	for i, s := range servers {
		s.ports, s.program = all[i], f.Program(i, all)
	}
}

func startAll(servers []*Server) error {
	var errs []error
	for _, s := range servers {
		errs = append(errs, s.launch())
	}
	for i, s := range servers {
		if errs[i] == nil {
			errs[i] = s.await()
		}
	}
	return errors.Join(errs...)
}

// Ports are taken from below those that the system gives to whoever connects: there a server that is down would lose its
// port to any connection of the tests beside.
const firstPort, ports = 10_000, 22_000

var given struct {
	mu    sync.Mutex // guards ports
	ports map[int]bool
}

// freePort returns a port that was free a moment ago, and that no other server of this process has.
func freePort(t testing.TB) int {
	t.Helper()
	given.mu.Lock()
	defer given.mu.Unlock()
	if given.ports == nil {
		given.ports = make(map[int]bool)
	}
	var err error
	for range 1000 {
		port := firstPort + rand.IntN(ports)
		if given.ports[port] {
			continue
		}
		var l net.Listener
		if l, err = net.Listen("tcp", Address(port)); err == nil {
			given.ports[port] = true
			_ = l.Close()
			return port
		}
	}
	t.Fatalf("no port is free: %v", err)
	return 0
}

// Address is where this machine reaches itself on the port.
func Address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
