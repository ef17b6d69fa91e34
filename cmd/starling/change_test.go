package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/web"
)

func TestVerbsThatChangeMuch(t *testing.T) {
	runAll(t, []verbCase{
		{line: "update b v", code: exitUsage, after: "get b", then: "text"},
		{line: "update b v --version wrong", code: exitConflict, after: "get b", then: "text"},
		{line: "update none v --version wrong", code: exitConflict, after: "ls none"},

		{line: "del --prefix a/ --yes", after: "ls", then: "b\n"},
		{line: "del --prefix a/ --yes -o jsonl", out: `{"key":"a/1","tombstone":true}` + "\n" + `{"key":"a/2","tombstone":true}` + "\n"},
		{line: "del --prefix none --yes -o json", out: "[]\n", after: "ls", then: "a/1\na/2\nb\n"},
		{line: "del --prefix= --yes", code: exitUsage, after: "ls", then: "a/1\na/2\nb\n"},
		{line: "del --prefix a/", code: exitUsage, after: "ls", then: "a/1\na/2\nb\n"},
		{line: "del --prefix a/ --yes --if-version x", code: exitUsage, after: "ls", then: "a/1\na/2\nb\n"},
		{line: "del b --prefix a/ --yes", code: exitUsage, after: "ls", then: "a/1\na/2\nb\n"},
		{line: "del", code: exitUsage, after: "ls", then: "a/1\na/2\nb\n"},

		{line: "export b", out: `{"key":"b","version":"V","updated_at":"T","size":4,"codec":"bytes","value":"text"}` + "\n"},
		{line: "export none"},
		{line: "export none -o json", out: "[]\n"},
		{line: "export a/ -o raw", out: "one\n\n\xff\x00\n"},
		{line: "export b -o table", out: "KEY  VERSION CODEC  VALUE\nb    Vbytes  text\n"},

		{line: "import", stdin: `[{"key":"c/x","flags":0,"value":"aGk="},{"key":"c/dir/","flags":0,"value":""}]`, after: "get c/x", then: "hi"},
		{line: "import", stdin: `[{"key":"c/x","flags":0,"value":"no base64!"}]`, code: exitError, after: "ls c"},
		{line: "import", stdin: `[{"key":"c/x","value":"aGk="}]`, after: "get c/x", then: "aGk="},
		{line: "import", stdin: `[{"key":"c/x"`, code: exitError, after: "ls c"},
		{line: "import", stdin: `{"key":"old","value":"x","expires_at":"2001-01-01T00:00:00Z"}`, after: "ls old"},

		{line: "edit none", code: exitNotFound},

		{line: "check", out: "OK n1: 2 of 2 agree\n"},
		{line: "check -o raw --members 2", out: "OK\n"},
		{line: "check --members 3", code: exitCheck, out: "CRITICAL n1: 2 of 2 agree; 2 live members, want 3\n"},
		{line: "members --state dead", out: "NAME  ADDR           STATE  SINCE\nn2    10.0.0.2:7171  dead   -\n"},
		{line: "members --state asleep", code: exitUsage},
		{line: "members forget", code: exitUsage},
		{line: "members forget n2 --gone", code: exitUsage},
		{line: "members forget n1", code: exitError},
		{line: "members forget n9", code: exitNotFound},
		{line: "members forget n2", out: "n2\n"},
		{line: "diff one", code: exitUsage},
		{line: "leave", out: "n1 left\n"},
		{line: "completion tcsh", code: exitUsage},
		{line: "completion", code: exitUsage},
	})
}

// TestCheckFails says why, in its one line.
func TestCheckFails(t *testing.T) {
	differs, starting := goodStatus(), goodStatus()
	differs.Agreement.Agree = 1
	differs.Agreement.Differ = []web.Difference{{Member: "n2", Reason: "differs in 3 places"}}
	starting.Ready, starting.State = false, "starting"
	for want, status := range map[string]web.Status{
		"CRITICAL n1: 1 of 2 agree; n2 differs in 3 places\n":                   differs,
		"CRITICAL n1: 2 of 2 agree; the node takes no writes: it is starting\n": starting,
	} {
		_, addr := fixture(t, status)
		if got := run(t, addr, "", nil, "check"); got.code != exitCheck || got.out != want {
			t.Errorf("exit code %d, %q, want %d, %q", got.code, got.out, exitCheck, want)
		}
	}
}

// TestCompletionIsAScript has the shell read what it prints.
func TestCompletionIsAScript(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		got := run(t, "", "", nil, "completion", shell)
		if got.code != exitOK || !strings.Contains(got.out, "starling") {
			t.Errorf("%s: exit code %d, %q", shell, got.code, got.out)
		}
		if shell != "bash" {
			continue
		}
		cmd := exec.CommandContext(t.Context(), "bash", "-n")
		cmd.Stdin = strings.NewReader(got.out)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("bash cannot read it: %v\n%s", err, out)
		}
	}
	if got := run(t, "", "", nil, "__complete", "mem"); !strings.Contains(got.out, "members\t") {
		t.Errorf("mem completes to %q", got.out)
	}
}

// TestExportThenImport carries everything that an export holds into another store, whichever form it has.
func TestExportThenImport(t *testing.T) {
	from, addr := fixture(t, goodStatus())
	if _, err := from.With(kv.String).Put(t.Context(), "s", "typed", kv.TTL(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"json", "jsonl"} {
		exported := run(t, addr, "", nil, "export", "-o", form)
		to, toAddr := fixture(t, goodStatus())
		for _, key := range []string{"a/1", "a/2", "b"} {
			if err := to.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		if got := run(t, toAddr, exported.out, nil, "import"); got.code != exitOK {
			t.Fatalf("%s: exit code %d: %s", form, got.code, got.err)
		}
		for _, key := range []string{"a/1", "a/2", "b", "s"} {
			want, _, _ := from.Entry(t.Context(), key)
			got, ok, _ := to.Entry(t.Context(), key)
			if !ok || fmt.Sprint(got.Value) != fmt.Sprint(want.Value) || got.Codec != want.Codec {
				t.Errorf("%s: %s came as %v %q, want %v %q", form, key, got.Value, got.Codec, want.Value, want.Codec)
			}
			if got.Expires.IsZero() != want.Expires.IsZero() || got.Expires.Sub(want.Expires).Abs() > time.Minute {
				t.Errorf("%s: %s expires at %v, want %v", form, key, got.Expires, want.Expires)
			}
		}
	}
}

func TestDeletePrefixAsks(t *testing.T) {
	for answer, left := range map[string]string{"y\n": "b\n", "YES\n": "b\n", "n\n": "a/1\na/2\nb\n", "\n": "a/1\na/2\nb\n", "": "a/1\na/2\nb\n"} {
		_, addr := fixture(t, goodStatus())
		got := run(t, addr, answer, func(p *program) { p.asks = true }, "del", "--prefix", "a/")
		if !strings.Contains(got.err, `delete 2 keys with the prefix "a/"? [y/N] `) {
			t.Errorf("the question is %q", got.err)
		}
		if (got.code == exitOK) != (left == "b\n") {
			t.Errorf("%q: exit code %d", answer, got.code)
		}
		if then := run(t, addr, "", nil, "ls"); then.out != left {
			t.Errorf("%q leaves %q, want %q", answer, then.out, left)
		}
	}
}

func TestEdit(t *testing.T) {
	mem, addr := fixture(t, goodStatus())
	if got := run(t, addr, "", editor("sed -i s/text/changed/"), "edit", "b"); got.code != exitOK || got.out == "" {
		t.Fatalf("exit code %d, %q, %s", got.code, got.out, got.err)
	}
	if got := run(t, addr, "", nil, "get", "b"); got.out != "changed" {
		t.Errorf("got %q, want changed", got.out)
	}
	before, _, _ := mem.Entry(t.Context(), "b")
	if got := run(t, addr, "", editor("true"), "edit", "b"); got.code != exitOK || got.out != "" {
		t.Errorf("nothing changed: exit code %d, %q, %s", got.code, got.out, got.err)
	}
	if after, _, _ := mem.Entry(t.Context(), "b"); after.Version != before.Version {
		t.Error("what was not changed was written")
	}
	if got := run(t, addr, "", editor("false"), "edit", "b"); got.code != exitError {
		t.Errorf("an editor that fails: exit code %d", got.code)
	}
}

// TestEditConflict has another write come while the editor is open: it stands, and the edited text is not lost.
func TestEditConflict(t *testing.T) {
	_, addr := fixture(t, goodStatus())
	got := run(t, addr, "", editor("curl -sS -o /dev/null -X PUT --data-raw other "+addr+"/v1/kv/b && sed -i s/text/mine/"), "edit", "b")
	if got.code != exitConflict {
		t.Fatalf("exit code %d, want %d: %s", got.code, exitConflict, got.err)
	}
	_, rest, _ := strings.Cut(got.err, "what was edited is in ")
	name, _, _ := strings.Cut(rest, "\n")
	if text, err := os.ReadFile(name); err != nil || string(text) != "mine" {
		t.Errorf("the edited text: %q, %v", text, err)
	}
	_ = os.Remove(name)
	if then := run(t, addr, "", nil, "get", "b"); then.out != "other" {
		t.Errorf("got %q, want the other write", then.out)
	}
}

// TestCurl hands what --curl prints to a shell, and holds the answer against that of the verb.
func TestCurl(t *testing.T) {
	for _, c := range []struct{ line, then, out string }{
		{"get a/1", "", "one\n"},
		{"put quo'ted it's", "get quo'ted", "it's"},
		{"put a//../b v", "get a//../b", "v"},
		{"create b v", "get b", "text"},
		{"update b v --version wrong", "get b", "text"},
		{"del b", "ls", "a/1\na/2\n"},
		{"members forget n2", "", `{"name":"n2","forgotten":true}` + "\n"},
		{"leave", "", `{"node":"n1","left":true}` + "\n"},
	} {
		_, addr := fixture(t, goodStatus())
		shown := run(t, addr, "", nil, append([]string{"--curl"}, strings.Fields(c.line)...)...)
		if shown.code != exitOK || strings.Count(shown.out, "curl ") != 1 {
			t.Fatalf("%s --curl: exit code %d, %q, %s", c.line, shown.code, shown.out, shown.err)
		}
		if got := run(t, addr, "", nil, "ls"); got.out != "a/1\na/2\nb\n" {
			t.Errorf("%s --curl was sent: %q", c.line, got.out)
		}
		out, err := exec.CommandContext(t.Context(), "sh", "-c", shown.out).Output()
		if err != nil {
			t.Fatalf("%s: %v", shown.out, err)
		}
		if c.then == "" && string(out) != c.out {
			t.Errorf("%s\n answers %q, want %q", shown.out, out, c.out)
		}
		if c.then != "" {
			if got := run(t, addr, "", nil, strings.Fields(c.then)...); got.out != c.out {
				t.Errorf("after %s\n %s prints %q, want %q", shown.out, c.then, got.out, c.out)
			}
		}
	}
}

// TestCurlOfAnyBytes writes bytes that no argument of a command can hold.
func TestCurlOfAnyBytes(t *testing.T) {
	_, addr := fixture(t, goodStatus())
	const value = "\x00%\xff'\\\n"
	shown := run(t, addr, value, nil, "put", "bin", "--curl")
	if _, err := exec.CommandContext(t.Context(), "sh", "-c", shown.out).Output(); err != nil {
		t.Fatalf("%s: %v", shown.out, err)
	}
	if got := run(t, addr, "", nil, "get", "bin"); got.out != value {
		t.Errorf("%s\nwrites %q, want %q", shown.out, got.out, value)
	}
}

func TestCurlKnowsEveryVerb(t *testing.T) {
	for _, line := range everyVerb {
		_, addr := fixture(t, goodStatus())
		got := run(t, addr, "", nil, append(lineFor(t, line, addr), "--curl")...)
		first := strings.Fields(line)[0]
		switch {
		case withoutCurl[first] && got.code != exitUsage:
			t.Errorf("%s --curl: exit code %d", line, got.code)
		case !withoutCurl[first] && (got.code != exitOK || !strings.Contains(got.out, "curl -sS") || got.err != ""):
			t.Errorf("%s --curl: exit code %d, %q, %s", line, got.code, got.out, got.err)
		}
	}
}

// TestTimeout asks a server that never answers.
func TestTimeout(t *testing.T) {
	stuck := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stuck }))
	defer srv.Close()
	defer close(stuck)
	for _, line := range everyVerb {
		if line == "version" || strings.HasPrefix(line, "config ") { // they ask no server
			continue
		}
		line = strings.NewReplacer("ADDR", srv.URL, "VERSION", "v").Replace(line)
		got := run(t, srv.URL, `{"key":"k","value":"v"}`, nil, append(strings.Fields(line), "--timeout", "20ms")...)
		if got.code != exitUnreachable {
			t.Errorf("%s: exit code %d, want %d: %s", line, got.code, exitUnreachable, got.err)
		}
	}
}

// TestMediaTypeStays puts with a media type, edits, exports, and imports elsewhere.
func TestMediaTypeStays(t *testing.T) {
	mem, addr := fixture(t, goodStatus())
	other, there := fixture(t, goodStatus())
	if got := run(t, addr, "", nil, "put", "page", "<b>text</b>", "--media-type", "text/html"); got.code != exitOK {
		t.Fatal(got.err)
	}
	if got := run(t, addr, "", editor("sed -i s/text/edited/"), "edit", "page"); got.code != exitOK {
		t.Fatal(got.err)
	}
	lines := run(t, addr, "", nil, "export", "page")
	if !strings.Contains(lines.out, `"media_type":"text/html"`) {
		t.Errorf("export prints %s", lines.out)
	}
	if got := run(t, there, lines.out, nil, "import"); got.code != exitOK {
		t.Fatal(got.err)
	}
	for _, c := range []*memkv.Client{mem, other} {
		if e, _, err := c.Entry(t.Context(), "page"); err != nil || e.Media != "text/html" || string(e.Value.([]byte)) != "<b>edited</b>" {
			t.Errorf("got %+v, %v", e, err)
		}
	}
	if got := run(t, there, `{"key":"x","value":"v","media_type":"html"}`, nil, "import"); got.code != exitError || !strings.Contains(got.err, "line 1") {
		t.Errorf("a wrong media type: exit code %d, %s", got.code, got.err)
	}
}
