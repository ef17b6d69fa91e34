package lab

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// The test binary is a server too, and the parent of one.
const roleEnv = "LAB_TEST_ROLE"

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(roleEnv) {
	case "":
		os.Exit(m.Run())
	case "server":
		err = echo(os.Args[1])
	case "parent":
		err = parent(os.Args[1])
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// echo listens on the port and closes what connects, until its standard input ends.
func echo(port string) error {
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// parent starts a server, and waits to be killed.
func parent(port string) error {
	s := &Server{t: orphan{}, program: program(port)}
	if err := startAll([]*Server{s}); err != nil {
		return err
	}
	fmt.Println("ready")
	select {}
}

// orphan is a test that is never told that it ended.
type orphan struct{ testing.TB }

func (orphan) TempDir() string { return os.Getenv("LAB_TEST_DIR") }

func program(port string) Program {
	return Program{Name: "echo", Path: "/usr/bin/env", Args: []string{roleEnv + "=server", os.Args[0], port}}
}

func echoFleet(n int) Fleet {
	return Fleet{Size: n, Ports: 1, Program: func(i int, ports [][]int) Program { return program(strconv.Itoa(ports[i][0])) }}
}

// answers reports whether the server sends back what it is sent.
func answers(address string) bool {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return false
	}
	_, err = c.Write([]byte("x"))
	if err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	return err == nil
}

func TestLifeOfServers(t *testing.T) {
	servers := Start(t, echoFleet(3))
	for i, s := range servers {
		at := Address(s.Port(0))
		if !s.Running() || s.PID() == 0 || !answers(at) {
			t.Fatalf("server %d does not run", i)
		}
		s.Kill()
		s.Kill() // one that is down already
		if s.Running() || s.PID() != 0 || answers(at) {
			t.Errorf("server %d runs after it was killed", i)
		}
		s.Restart()
		if !answers(at) {
			t.Errorf("server %d does not come back where it was", i)
		}
	}
}

// TestAPortThatIsTaken: at the first start others are chosen for the whole fleet; later the server waits for its own.
func TestAPortThatIsTaken(t *testing.T) {
	f := echoFleet(2)
	choose, asked := f.Program, 0
	var thief net.Listener
	f.Program = func(i int, ports [][]int) Program {
		if asked++; asked == 2 {
			var err error
			if thief, err = net.Listen("tcp", Address(ports[1][0])); err != nil {
				t.Fatal(err)
			}
		}
		return choose(i, ports)
	}
	servers := Start(t, f)
	defer thief.Close()
	if asked != 4 || !answers(Address(servers[0].Port(0))) || !answers(Address(servers[1].Port(0))) {
		t.Fatalf("%d programs were asked for, want those of two starts", asked)
	}
	if Address(servers[1].Port(0)) == thief.Addr().String() {
		t.Error("the second server has a port that is another's")
	}
	servers[0].Kill()
	back, err := net.Listen("tcp", Address(servers[0].Port(0)))
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(5*askAgain, func() { back.Close() })
	servers[0].Restart()
	if !answers(Address(servers[0].Port(0))) {
		t.Error("the first server did not wait for its port")
	}
}

// TestAServerThatDoesNotStart is told with what it said, and is not tried again.
func TestAServerThatDoesNotStart(t *testing.T) {
	bad := Program{Name: "bad", Path: "/bin/sh", Args: []string{"-c", "echo some; echo words >&2; exit 3"}}
	s := Down(t, Fleet{Size: 1, Program: func(int, [][]int) Program { return bad }})
	err := startAll(s)
	if want := "bad has ended: some\nwords\n"; err == nil || err.Error() != want && err.Error() != "bad has ended: words\nsome\n" {
		t.Errorf("got %v, want %q", err, want)
	}
}

// TestAServerEndsWithItsTest: however the test binary ends.
func TestAServerEndsWithItsTest(t *testing.T) {
	port := freePort(t)
	p := exec.Command(os.Args[0], strconv.Itoa(port))
	p.Env = append(os.Environ(), roleEnv+"=parent", "LAB_TEST_DIR="+t.TempDir())
	p.Stderr = os.Stderr
	out, err := p.StdoutPipe()
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "ready\n" || !answers(Address(port)) {
		t.Fatalf("the parent says %q, %v", line, err)
	}
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait() // killed
	ask := time.NewTicker(askAgain)
	defer ask.Stop()
	for end := time.Now().Add(5 * time.Second); answers(Address(port)); <-ask.C {
		if time.Now().After(end) {
			t.Fatal("the server outlives its parent")
		}
	}
}

// talking is a connection that has been answered.
func talking(t *testing.T, line *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", line.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestLine: what a line does to those who talk over it.
func TestLine(t *testing.T) {
	s := Start(t, echoFleet(1))[0]
	line := Before(t, Address(s.Port(0)))
	if !answers(line.Address) {
		t.Fatal("nothing goes through")
	}
	line.Cut()
	if answers(line.Address) {
		t.Error("a line that is cut lets something through")
	}
	line.Heal()
	b := make([]byte, 1)
	c := talking(t, line)
	line.Mute()
	if _, err := c.Write([]byte("y")); err != nil {
		t.Fatal(err)
	}
	line.Heal()
	if n, err := io.ReadFull(c, b); err == nil {
		t.Errorf("%q came over a line that has lost bytes", b[:n])
	}
	c = talking(t, line)
	line.Deafen()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	ask := time.NewTicker(askAgain)
	defer ask.Stop()
	for end := time.Now().Add(5 * time.Second); line.Lost() != 1; <-ask.C {
		if time.Now().After(end) {
			t.Fatalf("%d bytes were lost, want one", line.Lost())
		}
	}
	line.Heal()
	if n, err := io.ReadFull(c, b); err == nil {
		t.Errorf("%q came over a line that has lost what was asked", b[:n])
	}
	line.Slow(100 * time.Millisecond)
	if began := time.Now(); !answers(line.Address) || time.Since(began) < 100*time.Millisecond {
		t.Errorf("over a slow line it took %v", time.Since(began))
	}
}

// TestSource: what is built from other files is another binary.
func TestSource(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	module := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(module, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module m")
	write("go.sum", "")
	write("member/main.go", "package main")
	seen := make(map[string]bool)
	for _, change := range []func(){
		func() {},
		func() { write("go.mod", "module m2") },
		func() { write("go.sum", "x") },
		func() { write("member/main.go", "package main // other") },
		func() { write("member/more.go", "package main") },
	} {
		change()
		for range 2 {
			dir, err := cacheDir("lab-x", filepath.Join(module, "member"))
			if err != nil {
				t.Fatal(err)
			}
			seen[dir] = true
		}
	}
	if len(seen) != 5 {
		t.Errorf("%d places for five sources", len(seen))
	}
}
