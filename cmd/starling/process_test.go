package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/httpkv"
)

// theBinary is built once, for the tests that need real processes.
var theBinary struct {
	once sync.Once
	dir  string
	err  error
}

// TestMain gives the tests a place for temporary files: an edit that is refused leaves the text of the user there.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "starling-test-")
	if err == nil {
		err = os.Setenv("TMPDIR", dir)
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// binary builds the command, as a user does.
func binary(t testing.TB) string {
	t.Helper()
	b := &theBinary
	b.once.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "starling-test-"); b.err != nil {
			return
		}
		if out, err := exec.Command("go", "build", "-o", b.dir, ".").CombinedOutput(); err != nil {
			b.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return filepath.Join(b.dir, "starling")
}

// binaryAhead builds the command with the wall clock of its nodes ahead of that of the machine: no process has a clock of
// its own that a test could set.
func binaryAhead(t *testing.T, by time.Duration) string {
	t.Helper()
	dir := t.TempDir()
	source, err := filepath.Abs("../../node.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	const wall = "Wall: now.UnixMilli(),"
	if bytes.Count(text, []byte(wall)) != 1 {
		t.Fatalf("%s does not read its wall clock in one place, by %q", source, wall)
	}
	ahead := bytes.Replace(text, []byte(wall), fmt.Appendf(nil, "Wall: now.UnixMilli() + %d,", by.Milliseconds()), 1)
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {source: filepath.Join(dir, "node.go")}})
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string][]byte{"node.go": ahead, "overlay.json": overlay} {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", dir, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return filepath.Join(dir, "starling")
}

// process is a running starling server.
type process struct {
	running
	cmd  *exec.Cmd
	talk *bytes.Buffer // what it wrote to stderr; read it only after the end
	gone chan struct{}
}

// start starts a server and waits until it says where it is.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startOf(t, binary(t), args...)
}

// startOf starts a server of this binary.
func startOf(t *testing.T, binary string, args ...string) *process {
	t.Helper()
	p := &process{talk: new(bytes.Buffer), gone: make(chan struct{})}
	p.cmd = exec.Command(binary, append([]string{"server", "-o", "json"}, args...)...)
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	p.cmd.Stderr = p.talk
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("stderr of %q:\n%s", args, p.talk)
		}
	})
	said := make(chan error, 1)
	go func() {
		in := bufio.NewReader(out)
		line, err := in.ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &p.running)
		}
		said <- err
		_, _ = io.Copy(io.Discard, in)
		_ = p.cmd.Wait()
		close(p.gone)
	}()
	select {
	case err := <-said:
		if err != nil {
			<-p.gone
			t.Fatalf("server %q did not say where it is: %v\n%s", args, err, p.talk)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("server %q says nothing", args)
	}
	return p
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.gone
}

// signal sends the process a signal.
func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("%s: %v: %v", p.Node, s, err)
	}
}

// leave stops the process as a service manager does, and waits for its end.
func (p *process) leave(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	select {
	case <-p.gone:
	case <-time.After(30 * time.Second):
		t.Fatalf("%s: SIGTERM does not end it", p.Node)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != exitOK {
		t.Errorf("%s: exit code %d\n%s", p.Node, code, p.talk)
	}
}

// client returns a client of the process.
func (p *process) client(t *testing.T) *httpkv.Client {
	t.Helper()
	c, err := httpkv.New(p.HTTP, kv.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// verb runs one verb of the binary to its end.
func verb(t *testing.T, stdin io.Reader, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, talk bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary(t), args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &talk
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%q: %v", args, err)
	}
	return out.String(), talk.String(), cmd.ProcessState.ExitCode()
}

// shows asks the process by a verb until the answer is one that is wanted.
func (p *process) shows(t *testing.T, want string, args ...string) {
	t.Helper()
	match := regexp.MustCompile(want)
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	overdue := time.After(30 * time.Second)
	for {
		out, talk, _ := verb(t, nil, append(args, "--addr", p.HTTP)...)
		if match.MatchString(out) {
			return
		}
		select {
		case <-look.C:
		case <-overdue:
			t.Fatalf("%s: %q shows no %s:\n%s%s", p.Node, args, want, out, talk)
		}
	}
}
