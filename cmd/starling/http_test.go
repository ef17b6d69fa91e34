package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/web"
)

// TestHTTPPage runs every line of docs/http.md: a failing curl or an answer that is a problem breaks it.
func TestHTTPPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	n := open(t, starling.Options{Name: "n1"})
	ran := 0
	for line := range strings.Lines(string(page)) {
		command, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "    ")
		if !ok {
			continue
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
		cmd.Env = append(os.Environ(), "A="+n.url, "no_proxy=*")
		out, err := cmd.CombinedOutput()
		if err != nil || len(out) == 0 || strings.Contains(string(out), "docs/errors") {
			t.Errorf("%s\n%v\n%s", command, err, out)
		}
		ran++
	}
	if ran < 20 {
		t.Errorf("%d lines were run only", ran)
	}
}

// TestHostileKeys writes with a curl that follows redirects: each key is stored as it is, or refused, and none else is there.
func TestHostileKeys(t *testing.T) {
	n := open(t, starling.Options{Name: "n1"})
	c := n.node.Client(crdt.Register(kv.Bytes))
	longest := strings.Repeat("k", kv.MaxKey)
	for path, key := range map[string]string{
		"a//b": "", "a/../b": "", "../b": "", "a/./b": "", "%zz": "", "": "", "a%00b": "", "%ff": "", longest + "k": "",
		"a%2F%2Fb": "a//b", "a/%2e%2e/b": "a/../b", "%2E%2E%2Fb": "../b", "sp%20ace": "sp ace", "a+b": "a+b",
		"%F0%9F%90%A6": "🐦", "🐦🐦": "🐦🐦", "100%25": "100%", "q%3Fx=y%23z": "q?x=y#z", longest: longest,
	} {
		out, err := exec.CommandContext(t.Context(), "curl", "-sSL", "--path-as-is", "--globoff", "--noproxy", "*",
			"-o", os.DevNull, "-w", "%{http_code}", "-X", "PUT", "--data-raw", path, n.url+"/v1/kv/"+path).Output()
		if err != nil {
			t.Fatalf("%q: %v", path, err)
		}
		keys, err := c.List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		want, status := []string{}, "400"
		if key != "" {
			want, status = []string{key}, "201"
		}
		if string(out) != status || fmt.Sprint(keys) != fmt.Sprint(want) {
			t.Errorf("%.40q: got %s and the keys %.60q, want %s and %.60q", path, out, keys, status, want)
		}
		for _, k := range keys {
			if v, err := c.Get(t.Context(), k); err != nil || string(v.([]byte)) != path {
				t.Errorf("%.40q: got %.40q, %v", k, v, err)
			}
			if err := c.Delete(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// curled is what a curl that follows redirects comes to: the status, and the body.
func curled(t *testing.T, args ...string) (status, body string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "curl", append([]string{
		"-sSL", "--path-as-is", "--globoff", "--noproxy", "*", "-w", "\n%{http_code}",
	}, args...)...).Output()
	if err != nil {
		t.Fatalf("%.60q: %v", args, err)
	}
	at := strings.LastIndexByte(string(out), '\n')
	return string(out[at+1:]), string(out[:at])
}

// TestHostileKeysOnEveryRoute reads, lists, watches and deletes odd keys, and writes odd fields: each is exactly that key, and
// none else is touched.
func TestHostileKeysOnEveryRoute(t *testing.T) {
	n := open(t, starling.Options{Name: "n1"})
	c := n.node.Client(crdt.Register(kv.Bytes))
	for _, key := range []string{
		"a//b", "a/../b", "../b", "..", ".", "a/./b", "/", "a b", "a+b", "🐦", "100%", "q?x=y#z", "a&b=c", `quo"te\`, "<b>", strings.Repeat("é", kv.MaxKey/2),
	} {
		for _, k := range []string{key, "b", "a/b"} { // the others are what a router would make of some of them
			if _, err := c.Put(t.Context(), k, []byte("value of "+k)); err != nil {
				t.Fatal(err)
			}
		}
		at, query := n.url+"/v1/kv/"+web.EscapeKey(key), url.QueryEscape(key)
		quoted, err := json.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		named := `"key":` + strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(quoted))
		for what, args := range map[string][]string{
			"GET":  {at},
			"JSON": {at, "-H", "Accept: application/json"},
			"list": {n.url + "/v1/kv?prefix=" + query},
		} {
			status, body := curled(t, args...)
			if status != "200" || !strings.Contains(body, "value of ") || what != "GET" && !strings.Contains(body, named) {
				t.Errorf("%s of %.30q: got %s %.200s", what, key, status, body)
			}
		}
		if got := run(t, n.url, "", nil, "watch", key, "--once", "-o", "raw"); got.out != "value of "+key+"\n" {
			t.Errorf("watch of %.30q: %q, %s", key, got.out, got.err)
		}
		if status, body := curled(t, "-X", "PUT", "--data-raw", "v", n.url+"/v1/kv/fields?field="+query); status != "201" {
			t.Errorf("the field %.30q: got %s %s", key, status, body)
		}
		if status, body := curled(t, n.url+"/v1/kv/fields?field="+query); status != "200" || body != "v" {
			t.Errorf("the field %.30q: got %s %s", key, status, body)
		}
		if status, _ := curled(t, "-X", "DELETE", at); status != "200" {
			t.Errorf("DELETE of %.30q: got %s", key, status)
		}
		if keys, err := c.List(t.Context(), ""); err != nil || fmt.Sprint(keys) != "[a/b b]" {
			t.Errorf("after the DELETE of %.30q: %.80q, %v", key, keys, err)
		}
	}
}
