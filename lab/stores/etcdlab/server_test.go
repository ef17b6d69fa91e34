package etcdlab

import (
	"net/http"
	"strings"
	"testing"

	"github.com/starlingkv/starling/internal/lab"
)

// TestServerProcess runs the starling command before a cluster: the same requests as to a node, on what others use too.
func TestServerProcess(t *testing.T) {
	t.Parallel()
	cluster := Start(t, 1)
	plain := cluster.plain(t)
	base := lab.Serve(t, lab.Starling(t), "--store", "etcd://"+strings.Join(cluster.Endpoints(), ",")+"/app/?origin=front&patience=2s")

	put := lab.Call(t, lab.Request{Method: http.MethodPut, URL: base + "/v1/kv/k", Body: "ours", Header: http.Header{"Content-Type": {"text/plain"}, "Starling-Require": {"linearizable"}}})
	if put.Status != http.StatusCreated || put.Header.Get("Starling-Consistency") != "linearizable" {
		t.Fatalf("PUT: %+v", put)
	}
	if now, err := plain.Get(t.Context(), "app/k"); err != nil || len(now.Kvs) != 1 || string(now.Kvs[0].Value) != "ours" {
		t.Errorf("etcd holds %v, %v; want the value as it is", now, err)
	}
	if got := lab.Call(t, lab.Request{Method: http.MethodGet, URL: base + "/v1/kv/k"}); got.Body != "ours" || got.Header.Get("Content-Type") != "text/plain" || got.Header.Get("Starling-Origin") != "front" {
		t.Errorf("GET: %+v", got)
	}
	if got := lab.Call(t, lab.Request{Method: http.MethodPut, URL: base + "/v1/kv/k", Body: "late", Header: http.Header{"If-None-Match": {"*"}}}); got.Status != http.StatusPreconditionFailed {
		t.Errorf("PUT of what is there already: %+v, want 412", got)
	}
	if _, err := plain.Put(t.Context(), "app/theirs", "by etcdctl"); err != nil {
		t.Fatal(err)
	}
	if got := lab.Call(t, lab.Request{Method: http.MethodGet, URL: base + "/v1/kv/theirs"}); got.Body != "by etcdctl" {
		t.Errorf("GET of what others wrote: %+v", got)
	}
	if status := lab.Call(t, lab.Request{Method: http.MethodGet, URL: base + "/v1/status"}); !strings.Contains(status.Body, `"backend":"etcd"`) || !strings.Contains(status.Body, `"keys":2`) {
		t.Errorf("status: %+v", status)
	}

	cluster.Members[0].Kill()
	for _, path := range []string{"/readyz", "/v1/kv/k"} {
		if got := lab.Call(t, lab.Request{Method: http.MethodGet, URL: base + path}); got.Status != http.StatusServiceUnavailable {
			t.Errorf("%s without etcd: %+v, want 503", path, got)
		} else if path != "/readyz" && !strings.Contains(got.Body, cluster.Members[0].Endpoint) {
			t.Errorf("%s without etcd: %+v, want which server is away", path, got)
		}
	}
	cluster.Members[0].Restart()
	if got := lab.Call(t, lab.Request{Method: http.MethodGet, URL: base + "/v1/kv/k"}); got.Body != "ours" {
		t.Errorf("when etcd is back: %+v", got)
	}
}
