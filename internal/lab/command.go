package lab

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// product is the module of the starling command.
const product = "github.com/starlingkv/starling"

// endsWithin is how long a starling server may take to leave and end.
const endsWithin = 15 * time.Second

// Starling builds the starling command and returns its path.
func Starling(t testing.TB) string {
	t.Helper()
	dir, err := moduleDir(t.Context(), product)
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "starling")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/starling")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// Serve runs a starling server until the test ends, which it must do in order, and returns its URL.
func Serve(t testing.TB, binary string, args ...string) string {
	t.Helper()
	args = append([]string{"server", "-o", "json", "--http", "127.0.0.1:0"}, args...)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary, args...)
	cmd.SysProcAttr = withParent()
	var talk bytes.Buffer
	cmd.Stderr = &talk
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(endsWithin, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Errorf("the server ends with %v\n%s", err, talk.String())
		}
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var running struct{ HTTP string }
	if err == nil {
		err = json.Unmarshal(line, &running)
	}
	if err != nil {
		t.Fatalf("the server does not say where it is: %v", err)
	}
	return running.HTTP
}

// Answer is what a server answered.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Request is what it is asked.
type Request struct {
	Method, URL, Body string
	Header            http.Header
}

// Call sends a request and returns the answer, whatever its status.
func Call(t testing.TB, r Request) Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), r.Method, r.URL, strings.NewReader(r.Body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Answer{resp.StatusCode, resp.Header, string(all)}
}
