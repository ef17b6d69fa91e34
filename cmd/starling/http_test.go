package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
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
