package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/web"
)

// lone is the node of a store without a cluster.
type lone struct{ starting bool }

func (lone) Name() string  { return "n1" }
func (l lone) Ready() bool { return !l.starting }

func (lone) Members(context.Context) ([]web.Member, error) {
	return []web.Member{{Name: "n1", Addr: "127.0.0.1:7171", State: "alive", Self: true}}, nil
}

func (l lone) Status(context.Context) (web.Status, error) {
	return web.Status{
		Node: "n1", Cluster: "local", Backend: "memory", State: "running", Ready: l.Ready(),
		Agreement: web.Agreement{Members: 1, Agree: 1},
	}, nil
}

// serve serves a fresh memkv over a real socket.
func serve(t *testing.T, edit func(*web.Config)) (*memkv.Client, string) {
	t.Helper()
	return serveWith(t, edit, func(*web.Handler) {})
}

// serveWith hands out the handler too.
func serveWith(t *testing.T, edit func(*web.Config), made func(*web.Handler)) (*memkv.Client, string) {
	t.Helper()
	mem := memkv.New(kv.Bytes)
	cfg := web.Config{Client: func(c kv.Codec) kv.Client { return mem.With(c) }, Node: lone{}}
	if edit != nil {
		edit(&cfg)
	}
	h := web.New(cfg)
	made(h)
	srv := httptest.NewServer(h)
	t.Cleanup(h.Close)
	t.Cleanup(srv.Close)
	t.Cleanup(func() { mem.Close() }) // first: it ends the watches that srv would wait for
	return mem, srv.URL
}

// answer is a response that was read.
type answer struct {
	*http.Response
	body string
}

// call sends a request to the path exactly as given. Headers are "Name: value".
func call(t *testing.T, method, base, target, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, base, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	raw, query, _ := strings.Cut(target, "?")
	req.URL.Opaque, req.URL.RawQuery = "//"+req.URL.Host+raw, query
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Add(name, value)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	return answer{resp, string(text)}
}

// problem reads the answer as a problem of this kind and status.
func (a answer) problem(t *testing.T, status int, slug string) map[string]any {
	t.Helper()
	if a.StatusCode != status || a.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("got %d %s %s, want a problem of %d", a.StatusCode, a.Header.Get("Content-Type"), a.body, status)
	}
	var p map[string]any
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	if want := web.ErrorPages + slug + ".md"; p["type"] != want {
		t.Fatalf("got the type %v, want %s: %s", p["type"], want, a.body)
	}
	if _, err := os.Stat(path.Join("..", "docs", "errors", slug+".md")); err != nil {
		t.Fatalf("the type leads nowhere: %v", err)
	}
	if p["status"] != float64(status) || p["node"] != "n1" || p["title"] == "" {
		t.Errorf("got %s, want the status, the node and a title", a.body)
	}
	return p
}

func (a answer) is(t *testing.T, status int, body string) answer {
	t.Helper()
	if a.StatusCode != status || a.body != body {
		t.Fatalf("got %d %q, want %d %q", a.StatusCode, a.body, status, body)
	}
	return a
}

func TestPutGetDelete(t *testing.T) {
	_, base := serve(t, nil)
	const value = "a\x00b\xff<c>\r\n"
	put := call(t, "PUT", base, "/v1/kv/k", value)
	tag := put.Header.Get("ETag")
	put.is(t, http.StatusCreated, `{"key":"k","version":`+tag+"}\n")

	got := call(t, "GET", base, "/v1/kv/k", "").is(t, http.StatusOK, value)
	for name, want := range map[string]string{
		"ETag": tag, "Starling-Codec": "bytes", "Starling-Consistency": "linearizable",
		"Content-Type": "application/octet-stream", "X-Content-Type-Options": "nosniff", "Content-Length": "9",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if at, err := http.ParseTime(got.Header.Get("Last-Modified")); err != nil || time.Since(at) > time.Minute {
		t.Errorf("Last-Modified: got %v, %v, want now", at, err)
	}
	head := call(t, "HEAD", base, "/v1/kv/k", "").is(t, http.StatusOK, "")
	if head.Header.Get("ETag") != tag || head.Header.Get("Content-Length") != "9" {
		t.Errorf("HEAD: got %v, want the headers of GET", head.Header)
	}
	call(t, "GET", base, "/v1/kv/k", "", `If-None-Match: "x", `+tag).is(t, http.StatusNotModified, "")
	call(t, "GET", base, "/v1/kv/k", "", `If-None-Match: "x"`).is(t, http.StatusOK, value)

	if again := call(t, "PUT", base, "/v1/kv/k", value); again.StatusCode != http.StatusOK || again.Header.Get("ETag") == tag {
		t.Errorf("a second write: got %d and %s, want 200 and another version", again.StatusCode, again.Header.Get("ETag"))
	}
	call(t, "DELETE", base, "/v1/kv/k", "").is(t, http.StatusOK, `{"key":"k","tombstone":true}`+"\n")
	for _, method := range []string{"GET", "DELETE"} {
		if p := call(t, method, base, "/v1/kv/k", "").problem(t, 404, "not-found"); p["key"] != "k" {
			t.Errorf("%s: got %v, want the key named", method, p)
		}
	}
}

func TestConditions(t *testing.T) {
	_, base := serve(t, nil)
	first := call(t, "PUT", base, "/v1/kv/k", "1", "If-None-Match: *").is(t, 201, `{"key":"k","version":`+tagOf(t, base, "k")+"}\n").Header.Get("ETag")
	p := call(t, "PUT", base, "/v1/kv/k", "2", "If-None-Match: *").problem(t, 412, "precondition-failed")
	if quoted(p["current_version"]) != first {
		t.Errorf("got current_version %v, want %s", p["current_version"], first)
	}
	second := call(t, "PUT", base, "/v1/kv/k", "2", "If-Match: "+first).Header.Get("ETag")
	if p := call(t, "PUT", base, "/v1/kv/k", "3", "If-Match: "+first).problem(t, 412, "precondition-failed"); quoted(p["current_version"]) != second {
		t.Errorf("got current_version %v, want %s", p["current_version"], second)
	}
	call(t, "DELETE", base, "/v1/kv/k", "", "If-Match: "+first).problem(t, 412, "precondition-failed")
	call(t, "GET", base, "/v1/kv/k", "").is(t, 200, "2")
	call(t, "DELETE", base, "/v1/kv/k", "", "If-Match: "+second).is(t, 200, `{"key":"k","tombstone":true}`+"\n")
	if p := call(t, "PUT", base, "/v1/kv/k", "3", "If-Match: "+second).problem(t, 412, "precondition-failed"); p["current_version"] != nil {
		t.Errorf("got current_version %v of an absent key", p["current_version"])
	}
}

func quoted(v any) string { return `"` + v.(string) + `"` }

func tagOf(t *testing.T, base, key string) string {
	t.Helper()
	return call(t, "HEAD", base, "/v1/kv/"+key, "").Header.Get("ETag")
}

func TestRefusals(t *testing.T) {
	mem, base := serve(t, nil)
	if _, err := mem.With(kv.String).Put(t.Context(), "text", "abc"); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("k", kv.MaxKey+1)
	for _, c := range []struct {
		method, target, header string
		status                 int
		slug                   string
	}{
		{"GET", "/v1/kv/", "", 400, "bad-key"},
		{"GET", "/v1/kv/" + long, "", 400, "bad-key"},
		{"GET", "/v1/kv/a%0Ab", "", 400, "bad-key"},
		{"GET", "/v1/kv/%ff", "", 400, "bad-key"},
		{"GET", "/nowhere", "", 404, "not-found"},
		{"GET", "/v1/kvx", "", 404, "not-found"},
		{"POST", "/v1/kv/k", "", 405, "bad-request"},
		{"DELETE", "/v1/kv?prefix=", "", 405, "bad-request"},
		{"PUT", "/v1/kv/k?tll=3s", "", 400, "bad-request"},
		{"PUT", "/v1/kv/k?ttl=3s&ttl=4s", "", 400, "bad-request"},
		{"PUT", "/v1/kv/k?ttl=soon", "", 400, "bad-request"},
		{"PUT", "/v1/kv/k?ttl=-1s", "", 400, "bad-request"},
		{"PUT", "/v1/kv/k", "If-Match: bare", 400, "bad-request"},
		{"PUT", "/v1/kv/k", `If-Match: "a" "b"`, 400, "bad-request"},
		{"PUT", "/v1/kv/k", "If-None-Match: v", 400, "bad-request"},
		{"PUT", "/v1/kv/k", "Starling-Codec: a b", 400, "bad-request"},
		{"PUT", "/v1/kv/text", "", 409, "type"},
		{"PUT", "/v1/kv/k", "Starling-Require: persistent", 501, "unsupported"},
		{"GET", "/v1/kv?prefix=&limit=0", "", 400, "bad-request"},
		{"GET", "/v1/kv?prefix=&values=no", "", 400, "bad-request"},
		{"GET", "/v1/watch?prefix=a&key=b", "", 400, "bad-request"},
		{"GET", "/v1/watch?key=", "", 400, "bad-key"},
		{"GET", "/v1/members?all=1", "", 400, "bad-request"},
	} {
		t.Run(c.method+" "+c.target+" "+c.header, func(t *testing.T) {
			var headers []string
			if c.header != "" {
				headers = append(headers, c.header)
			}
			call(t, c.method, base, c.target, "v", headers...).problem(t, c.status, c.slug)
		})
	}
	if keys, err := mem.List(t.Context(), ""); err != nil || len(keys) != 1 {
		t.Errorf("a refused request wrote: got %q, %v", keys, err)
	}
	call(t, "PUT", base, "/v1/kv/text", "def", "Starling-Codec: string").is(t, 200, `{"key":"text","version":`+tagOf(t, base, "text")+"}\n")
}

func TestKeysThatARouterWouldClean(t *testing.T) {
	mem, base := serve(t, nil)
	for _, key := range []string{"a//b", "/registry/x", "a/../b", "a/./b", "..", ".", "a/..", "//"} {
		p := call(t, "PUT", base, "/v1/kv/"+key, "v").problem(t, 400, "bad-key")
		encoded, _ := p["encoded_path"].(string)
		if p["key"] != key || encoded == "" {
			t.Fatalf("%q: got %v, want the key and its encoded path", key, p)
		}
		if put := call(t, "PUT", base, encoded, key); put.StatusCode != http.StatusCreated {
			t.Fatalf("%q as %s: got %d %s", key, encoded, put.StatusCode, put.body)
		}
		if v, err := mem.Get(t.Context(), key); err != nil || v == nil || string(v.([]byte)) != key {
			t.Errorf("%q as %s was stored as %v, %v", key, encoded, v, err)
		}
	}
	for _, key := range []string{"a/b", "a/", "a%2Fb%2F%2Fc", "%2e%2e", "a/%2e%2e/b", "grün", "a+b&c=d;e"} {
		want, err := url.PathUnescape(key)
		if err != nil {
			t.Fatal(err)
		}
		call(t, "PUT", base, "/v1/kv/"+key, "v")
		if v, err := mem.Get(t.Context(), want); err != nil || v == nil {
			t.Errorf("%q: got %v, %v under %q", key, v, err, want)
		}
	}
}

func TestTTL(t *testing.T) {
	mem, base := serve(t, nil)
	call(t, "PUT", base, "/v1/kv/k?ttl=1h", "v")
	e, _, err := mem.Entry(t.Context(), "k")
	if left := time.Until(e.Expires); err != nil || left < 59*time.Minute || left > time.Hour {
		t.Errorf("got %v left, %v; want an hour", left, err)
	}
	if got := call(t, "GET", base, "/v1/kv/k", "").Header.Get("Starling-Expires"); got != e.Expires.UTC().Format(time.RFC3339Nano) {
		t.Errorf("Starling-Expires: got %q, want %v", got, e.Expires)
	}
	call(t, "PUT", base, "/v1/kv/k", "v")
	if e, _, err = mem.Entry(t.Context(), "k"); err != nil || !e.Expires.IsZero() {
		t.Errorf("a write without ttl: got %v, %v; want no expiry", e.Expires, err)
	}
}

func TestLargestValue(t *testing.T) {
	mem, base := serve(t, nil)
	largest := strings.Repeat("x", kv.MaxValue)
	if a := call(t, "PUT", base, "/v1/kv/k", largest); a.StatusCode != http.StatusCreated {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	if a := call(t, "GET", base, "/v1/kv/k", ""); a.body != largest {
		t.Errorf("got %d bytes back", len(a.body))
	}
	call(t, "PUT", base, "/v1/kv/l", largest+"x").problem(t, 413, "too-large")
	if v, err := mem.Get(t.Context(), "l"); v != nil || err != nil {
		t.Errorf("got %v, %v; want nothing stored", v, err)
	}
}

// weak is a store that promises nothing, as gossip does.
type weak struct{ *memkv.Client }

func (weak) Capabilities() kv.Capabilities { return kv.Capabilities{MaxValue: 8} }

func TestRequire(t *testing.T) {
	_, base := serve(t, func(cfg *web.Config) {
		open := cfg.Client
		cfg.Client = func(c kv.Codec) kv.Client { return weak{open(c).(*memkv.Client)} }
	})
	for _, line := range []string{
		"GET /v1/kv/k", "PUT /v1/kv/k", "DELETE /v1/kv/k", "GET /v1/kv", "GET /v1/digest", "GET /v1/watch",
		"GET /v1/kv/m?field=x", "PUT /v1/kv/m?field=x", "DELETE /v1/kv/m?field=x",
	} {
		method, target, _ := strings.Cut(line, " ")
		call(t, method, base, target, "", "Starling-Require: linearizable").problem(t, 501, "not-linearizable")
		call(t, method, base, target, "", "Starling-Require: ttl, what-is-this").problem(t, 501, "unsupported")
		if method == "GET" && target != "/v1/watch" {
			if got := call(t, "HEAD", base, target, "").Header.Get("Starling-Consistency"); got != "local" {
				t.Errorf("%s: got the consistency %q, want local", target, got)
			}
		}
	}
	call(t, "PUT", base, "/v1/kv/k", "123456789").problem(t, 413, "too-large")
	call(t, "PUT", base, "/v1/kv/k", "12345678")
	if got := call(t, "GET", base, "/v1/kv/k", "").Header.Get("Starling-Consistency"); got != "local" {
		t.Errorf("got %q, want local", got)
	}
	_, strong := serve(t, nil)
	call(t, "PUT", strong, "/v1/kv/k", "v")
	call(t, "GET", strong, "/v1/kv/k", "", "Starling-Require: linearizable").is(t, 200, "v")
}

func TestClosedStore(t *testing.T) {
	mem, base := serve(t, nil)
	mem.Close()
	a := call(t, "GET", base, "/v1/kv/k", "")
	a.problem(t, 503, "closed")
	if a.Header.Get("Retry-After") == "" {
		t.Error("a 503 does not say when to come back")
	}
}

// TestCancelledWrite cancels a write as a server that ends does: it must not look as if it was done.
func TestCancelledWrite(t *testing.T) {
	mem := memkv.New(kv.Bytes)
	defer mem.Close()
	h := web.New(web.Config{Client: func(c kv.Codec) kv.Client { return mem.With(c) }, Node: lone{}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "PUT", "/v1/kv/k", strings.NewReader("v")))
	answer{w.Result(), w.Body.String()}.problem(t, 503, "closed")
}

func TestSlowBody(t *testing.T) {
	mem, base := serve(t, func(cfg *web.Config) { cfg.BodyWait = 20 * time.Millisecond })
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "PUT /v1/kv/k HTTP/1.1\r\nHost: n1\r\nContent-Length: 9\r\n\r\nhalf"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusRequestTimeout {
		t.Fatalf("got %v, %v, want 408", resp, err)
	}
	if v, err := mem.Get(t.Context(), "k"); v != nil || err != nil {
		t.Errorf("half a value was stored: %s, %v", v, err)
	}
}

func TestNode(t *testing.T) {
	_, base := serve(t, nil)
	call(t, "GET", base, "/livez", "").is(t, 200, "ok\n")
	call(t, "GET", base, "/readyz", "").is(t, 200, "ok\n")
	call(t, "GET", base, "/v1/members", "").is(t, 200, `{"members":[{"name":"n1","addr":"127.0.0.1:7171","state":"alive","self":true,"native":false}]}`+"\n")
	call(t, "GET", base, "/v1/status", "").is(t, 200, `{"node":"n1","cluster":"local","backend":"memory","state":"running",`+
		`"ready":true,"uptime_seconds":0,"keys":0,"tombstones":0,"agreement":{"members":1,"agree":1,"differ":[]},"foreign":[],`+
		`"capabilities":{"linearizable_cas":true,"ordered_watch":true,"ttl":true,"ttl_slack_seconds":0.25,"persistent":false,"max_value":16777216,"media_types":true}}`+"\n")
	_, base = serve(t, func(cfg *web.Config) { cfg.Node = lone{starting: true} })
	call(t, "GET", base, "/livez", "").is(t, 200, "ok\n")
	call(t, "GET", base, "/readyz", "").problem(t, 503, "not-ready")
}

func TestMountedElsewhere(t *testing.T) {
	mem := memkv.New(kv.Bytes)
	defer mem.Close()
	h := web.New(web.Config{Client: func(c kv.Codec) kv.Client { return mem.With(c) }, Node: lone{}})
	srv := httptest.NewServer(http.StripPrefix("/starling", h))
	defer srv.Close()
	call(t, "PUT", srv.URL, "/starling/v1/kv/%2Fa%2F%2Fb", "v")
	if v, err := mem.Get(t.Context(), "/a//b"); v == nil || err != nil {
		t.Errorf("got %v, %v; want the value", v, err)
	}
}
