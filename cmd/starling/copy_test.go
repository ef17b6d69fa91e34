package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

func TestCopyBetweenServers(t *testing.T) {
	from, source := fixture(t, goodStatus())
	to, target := fixture(t, goodStatus())
	for i := range 600 {
		if _, err := from.Put(t.Context(), fmt.Sprintf("bulk/%03d", i), []byte("value")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := from.With(kv.JSON[int]("numbers")).Put(t.Context(), "numbers", 7); err != nil {
		t.Fatal(err)
	}
	if _, err := to.Put(t.Context(), "only here", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := to.Delete(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	got := run(t, "", "", nil, "copy", "--from", source, "--to", target)
	if got.code != exitOK || !strings.Contains(got.err, "602 written") || !strings.Contains(got.err, "0 missing, 0 differ, 1 only at the target") {
		t.Errorf("copy: %+v", got)
	}
	if v, err := to.With(kv.JSON[int]("numbers")).Get(t.Context(), "numbers"); v != 7 {
		t.Errorf("a value of another codec came as %v, %v", v, err)
	}
	got = run(t, "", "", nil, "copy", "--from", source, "--to", target, "--delete", "-o", "json")
	var r copyReport
	if err := json.Unmarshal([]byte(got.out), &r); err != nil || r.Copied != 0 || r.Removed != 1 || r.Extra != 0 || !r.Verified {
		t.Errorf("copy --delete: %+v, %v", got, err)
	}
}

func TestCopyThatCannotBeWhole(t *testing.T) {
	_, source := fixture(t, goodStatus())
	to, target := fixture(t, goodStatus())
	if err := to.Delete(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if _, err := to.With(kv.String).Put(t.Context(), "b", "held as text"); err != nil {
		t.Fatal(err)
	}
	got := run(t, "", "", nil, "copy", "--from", source, "--to", target)
	if got.code != exitCheck || !strings.Contains(got.out, "b    differs") || !strings.Contains(got.err, "another kind of value") {
		t.Errorf("copy onto another kind: %+v", got)
	}
	got = run(t, "", "", nil, "copy", "--from", source, "--to", "http://127.0.0.1:1", "--timeout", "200ms")
	if got.code != exitUnreachable || !strings.Contains(got.err, "127.0.0.1:1") {
		t.Errorf("copy to nobody: %+v", got)
	}
	for _, args := range [][]string{{"copy"}, {"copy", "--from", source}, {"copy", "--from", source, "--to", "mem://", "x"}} {
		if got := run(t, "", "", nil, args...); got.code != exitUsage {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

func TestCopyFromFiles(t *testing.T) {
	_, source := fixture(t, goodStatus())
	for name, tc := range map[string]struct {
		content string
		want    map[string]string
	}{
		"export":     {run(t, source, "", nil, "export").out, map[string]string{"a/1": "one\n", "a/2": "\xff\x00", "b": "text"}},
		"consul":     {`[{"key":"app/x","flags":0,"value":"aGVsbG8="}]`, map[string]string{"app/x": "hello"}},
		"etcd":       {`{"header":{"cluster_id":1,"revision":5},"kvs":[{"key":"YXBwL3g=","mod_revision":3,"value":"aGVsbG8="},{"key":"eQ==","value":""}],"count":2}` + "\n", map[string]string{"app/x": "hello", "y": ""}},
		"etcd empty": {`{"header":{"cluster_id":1}}`, nil},
	} {
		file := filepath.Join(t.TempDir(), "dump.json")
		if err := os.WriteFile(file, []byte(tc.content), 0o600); err != nil {
			t.Fatal(err)
		}
		to, target := fixture(t, goodStatus())
		for _, key := range []string{"a/1", "a/2", "b"} {
			if err := to.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		got := run(t, "", tc.content, nil, "copy", "--from", file, "--to", target)
		again := run(t, "", tc.content, nil, "copy", "--from", "-", "--to", target)
		if got.code != exitOK || again.code != exitOK || !strings.Contains(again.err, " 0 written") {
			t.Errorf("%s: %+v, again %+v", name, got, again)
		}
		for key, want := range tc.want {
			if v, err := to.Get(t.Context(), key); err != nil || string(v.([]byte)) != want {
				t.Errorf("%s: %q = %q, %v; want %q", name, key, v, err, want)
			}
		}
	}
	if got := run(t, "", `{"header":{},"kvs":[{"key":"!"}]}`, nil, "copy", "--from", "-", "--to", "mem://"); got.code != exitError {
		t.Errorf("a broken document: %+v", got)
	}
}

func TestCopyFollowsUntilCutOver(t *testing.T) {
	from, source := fixture(t, goodStatus())
	to, target := fixture(t, goodStatus())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan result, 1)
	go func() {
		var out, talk strings.Builder
		p := program{in: strings.NewReader(""), out: &out, err: &talk, getenv: func(string) string { return "" }}
		code := p.run(ctx, []string{"copy", "--watch", "--from", source, "--to", target})
		ended <- result{out: out.String(), err: talk.String(), code: code}
	}()
	if _, err := from.Put(t.Context(), "b", []byte("changed")); err != nil {
		t.Fatal(err)
	}
	await(t, to, "b", "changed")
	if _, err := from.Put(t.Context(), "late", []byte("1")); err != nil {
		t.Fatal(err)
	}
	await(t, to, "late", "1")
	if err := from.Delete(t.Context(), "a/1"); err != nil {
		t.Fatal(err)
	}
	await(t, to, "a/1", "")
	cancel()
	got := <-ended
	if got.code != exitOK || !strings.Contains(got.err, "following changes") || !strings.Contains(got.err, "0 missing, 0 differ, 0 only") {
		t.Errorf("copy --watch: %+v", got)
	}
}

// await waits for the value of a key, "" for its absence.
func await(t *testing.T, c *memkv.Client, key, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, errors.New("not copied in time"))
	defer cancel()
	held := ""
	for ev, err := range c.Events(ctx, key) {
		switch {
		case err != nil:
			t.Fatalf("%q did not become %q: %v", key, want, err)
		case ev.Kind == kv.Put && ev.Key == key:
			held = string(ev.Value.([]byte))
		case ev.Kind == kv.Delete && ev.Key == key:
			held = ""
		}
		if held == want && (ev.Kind == kv.Synced || ev.Key == key) {
			return
		}
	}
}

func TestBar(t *testing.T) {
	for _, tc := range []struct {
		done, total int
		want        string
	}{
		{0, 0, "[..............................]   0 %"},
		{5, 10, "[###############...............]  50 %"},
		{10, 10, "[##############################] 100 %"},
		{12, 10, "[##############################] 100 %"}, // more came meanwhile
	} {
		if got := bar(tc.done, tc.total); got != tc.want {
			t.Errorf("bar(%d, %d) = %q, want %q", tc.done, tc.total, got, tc.want)
		}
	}
}
