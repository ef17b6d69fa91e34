package etcdlab

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

// TestServerProcess runs the starling command before a cluster: the same requests as to a node, on what others use too.
func TestServerProcess(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "starling")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/starling")
	build.Dir = "../../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cluster := Start(t, 1)
	plain := cluster.plain(t)
	base := serving(t, binary, "--store", "etcd://"+strings.Join(cluster.Endpoints(), ",")+"/app/?origin=front&patience=2s")

	put := call(t, http.MethodPut, base+"/v1/kv/k", "ours", http.Header{"Content-Type": {"text/plain"}, "Starling-Require": {"linearizable"}})
	if put.status != http.StatusCreated || put.header.Get("Starling-Consistency") != "linearizable" {
		t.Fatalf("PUT: %+v", put)
	}
	if now, err := plain.Get(t.Context(), "app/k"); err != nil || len(now.Kvs) != 1 || string(now.Kvs[0].Value) != "ours" {
		t.Errorf("etcd holds %v, %v; want the value as it is", now, err)
	}
	if got := call(t, http.MethodGet, base+"/v1/kv/k", "", nil); got.body != "ours" || got.header.Get("Content-Type") != "text/plain" || got.header.Get("Starling-Origin") != "front" {
		t.Errorf("GET: %+v", got)
	}
	if got := call(t, http.MethodPut, base+"/v1/kv/k", "late", http.Header{"If-None-Match": {"*"}}); got.status != http.StatusPreconditionFailed {
		t.Errorf("PUT of what is there already: %+v, want 412", got)
	}
	if _, err := plain.Put(t.Context(), "app/theirs", "by etcdctl"); err != nil {
		t.Fatal(err)
	}
	if got := call(t, http.MethodGet, base+"/v1/kv/theirs", "", nil); got.body != "by etcdctl" {
		t.Errorf("GET of what others wrote: %+v", got)
	}
	if status := call(t, http.MethodGet, base+"/v1/status", "", nil); !strings.Contains(status.body, `"backend":"etcd"`) || !strings.Contains(status.body, `"keys":2`) {
		t.Errorf("status: %+v", status)
	}

	cluster.Members[0].Kill()
	for _, path := range []string{"/readyz", "/v1/kv/k"} {
		if got := call(t, http.MethodGet, base+path, "", nil); got.status != http.StatusServiceUnavailable {
			t.Errorf("%s without etcd: %+v, want 503", path, got)
		} else if path != "/readyz" && !strings.Contains(got.body, cluster.Members[0].Endpoint) {
			t.Errorf("%s without etcd: %+v, want which server is away", path, got)
		}
	}
	if err := cluster.Members[0].Restart(); err != nil {
		t.Fatal(err)
	}
	if got := call(t, http.MethodGet, base+"/v1/kv/k", "", nil); got.body != "ours" {
		t.Errorf("when etcd is back: %+v", got)
	}
}

// serving runs a server until the test ends, which it does in order, and returns where it listens.
func serving(t *testing.T, binary string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary, append([]string{"server", "-o", "json", "--http", "127.0.0.1:0"}, args...)...)
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
		late := time.AfterFunc(within, func() { _ = cmd.Process.Kill() })
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

// answer is what a server answered.
type answer struct {
	status int
	header http.Header
	body   string
}

func call(t *testing.T, method, url, body string, header http.Header) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
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
	return answer{resp.StatusCode, resp.Header, string(all)}
}
