package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/web"
)

// fakeNode is the node of a store in memory. What it tells is fixed.
type fakeNode struct {
	status web.Status
	found  web.Examination
}

func (fakeNode) Name() string  { return "n1" }
func (f fakeNode) Ready() bool { return f.status.Ready }

func (fakeNode) Members(context.Context) ([]web.Member, error) {
	return []web.Member{
		{Name: "n1", Addr: "10.0.0.1:7171", State: "alive", Self: true, Native: true},
		{Name: "n2", Addr: "10.0.0.2:7171", State: "dead", Native: true},
	}, nil
}

func (f fakeNode) Status(context.Context) (web.Status, error) { return f.status, nil }

func (fakeNode) Leave(context.Context) error { return nil }

func (fakeNode) Forget(_ context.Context, name string) (bool, error) {
	if name == "n1" {
		return true, web.ErrAlive
	}
	return name == "n2", nil
}

func (f fakeNode) Examine(context.Context) (web.Examination, error) { return f.found, nil }

func goodStatus() web.Status {
	return web.Status{
		Node: "n1", Cluster: "prod", Backend: "gossip", State: "running", Ready: true, UptimeSeconds: 90, Keys: 2,
		Agreement: web.Agreement{Members: 2, Agree: 2},
	}
}

// fixture is a server with a few keys in it.
func fixture(t *testing.T, status web.Status) (*memkv.Client, string) {
	t.Helper()
	return fixtureOf(t, fakeNode{status: status})
}

func fixtureOf(t *testing.T, node fakeNode) (*memkv.Client, string) {
	t.Helper()
	mem := memkv.New(kv.Bytes)
	srv := httptest.NewServer(web.New(web.Config{
		Client: func(c kv.Codec) kv.Client { return mem.With(c) },
		Node:   node,
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { mem.Close() })
	for key, value := range map[string]string{"a/1": "one\n", "a/2": "\xff\x00", "b": "text"} {
		if _, err := mem.Put(t.Context(), key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	return mem, srv.URL
}

// result is what one command line came to.
type result struct {
	out, err string
	code     int
}

// run runs a command line in this process.
func run(t *testing.T, addr, stdin string, edit func(*program), args ...string) result {
	t.Helper()
	var out, talk bytes.Buffer
	env := map[string]string{"STARLING_ADDR": addr}
	p := program{in: strings.NewReader(stdin), out: &out, err: &talk, getenv: func(name string) string { return env[name] }}
	if edit != nil {
		edit(&p)
	}
	code := p.run(t.Context(), args)
	return result{out: out.String(), err: talk.String(), code: code}
}

// vary replaces what differs from run to run.
var vary = regexp.MustCompile(`[0-9a-z]{9,13}-[0-9]+ *|"updated_at": ?"[^"]*"|VERSION +`)

func (r result) steady() string {
	return vary.ReplaceAllStringFunc(r.out, func(s string) string {
		switch {
		case strings.HasPrefix(s, `"`):
			return `"updated_at":"T"`
		case strings.HasPrefix(s, "VERSION"):
			return "VERSION " // as wide as the versions below it
		}
		return "V"
	})
}

func TestStatusThatIsNotGood(t *testing.T) {
	differs := goodStatus()
	differs.Agreement.Agree = 1
	differs.Agreement.Differ = []web.Difference{{Member: "n2", Reason: "differs in 3 places", Keys: []string{"k"}}}
	starting := goodStatus()
	starting.Ready, starting.State = false, "starting"
	for _, c := range []struct {
		status    web.Status
		out, talk string
	}{
		{differs, `n2: differs in 3 places, as in ["k"]`, "does not agree"},
		{starting, "starting", "does not take writes"},
	} {
		_, addr := fixture(t, c.status)
		got := run(t, addr, "", nil, "status")
		if got.code != exitCheck || !strings.Contains(got.out, c.out) || !strings.Contains(got.err, c.talk) || !strings.Contains(got.err, "next: ") {
			t.Errorf("got exit code %d, %q and %q, want %d, %q and %q", got.code, got.out, got.err, exitCheck, c.out, c.talk)
		}
	}
}

func TestUnauthorised(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer srv.Close()
	if got := run(t, srv.URL, "", nil, "get", "k"); got.code != exitUnauthorised {
		t.Errorf("got exit code %d, want %d", got.code, exitUnauthorised)
	}
}

// TestEnvironment gives flags by their variables: the line goes before them, they before the default.
func TestEnvironment(t *testing.T) {
	_, addr := fixture(t, goodStatus())
	env := func(pairs ...string) func(*program) {
		return func(p *program) {
			outer := p.getenv
			p.getenv = func(name string) string {
				for i := 0; i < len(pairs); i += 2 {
					if pairs[i] == name {
						return pairs[i+1]
					}
				}
				return outer(name)
			}
		}
	}
	if got := run(t, addr, "", env("STARLING_OUTPUT", "jsonl"), "get", "b"); !strings.HasPrefix(got.out, "{") {
		t.Errorf("STARLING_OUTPUT: got %q", got.out)
	}
	if got := run(t, addr, "", env("STARLING_OUTPUT", "jsonl"), "get", "b", "-o", "raw"); got.out != "text" {
		t.Errorf("-o over STARLING_OUTPUT: got %q", got.out)
	}
	if got := run(t, addr, "", env("STARLING_PREFIX", "a/", "STARLING_ONCE", "true", "STARLING_OUTPUT", "raw"), "watch"); got.out != "one\n\n\xff\x00\n" {
		t.Errorf("STARLING_PREFIX: got %q, %s", got.out, got.err)
	}
	if got := run(t, addr, "", env("STARLING_TIMEOUT", "soon"), "get", "b"); got.code != exitUsage || !strings.Contains(got.err, "STARLING_TIMEOUT") {
		t.Errorf("a wrong variable: got exit code %d, %s", got.code, got.err)
	}
}

// TestEveryFlagNamesItsVariable walks all verbs.
func TestEveryFlagNamesItsVariable(t *testing.T) {
	flags := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "help" {
				return
			}
			flags++
			name := "[$STARLING_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_")) + "]"
			if strings.Count(f.Usage, name) != 1 {
				t.Errorf("%s --%s: %q does not name %s once", c.CommandPath(), f.Name, f.Usage, name)
			}
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk((&program{}).rootCommand())
	if flags < 20 {
		t.Errorf("saw %d flags only", flags)
	}
}

func TestImportKeepsTheOrderOfAKey(t *testing.T) {
	mem, addr := fixture(t, goodStatus())
	var in strings.Builder
	for range 200 {
		for _, key := range []string{"x", "y", "z"} {
			in.WriteString(`{"key":"` + key + `","value":"older"}` + "\n")
		}
	}
	for _, key := range []string{"x", "y", "z"} {
		in.WriteString(`{"key":"` + key + `","value":"last"}` + "\n")
	}
	if got := run(t, addr, in.String(), nil, "import"); got.code != exitOK || !strings.Contains(got.err, "imported 603 keys") {
		t.Fatalf("got exit code %d, %s", got.code, got.err)
	}
	for _, key := range []string{"x", "y", "z"} {
		if v, err := mem.Get(t.Context(), key); err != nil || string(v.([]byte)) != "last" {
			t.Errorf("%s: got %s, %v", key, v, err)
		}
	}
}

func TestImportNamesTheLine(t *testing.T) {
	_, addr := fixture(t, goodStatus())
	got := run(t, addr, `{"key":"x","value":"v"}`+"\n"+`{"key":"y"}`, nil, "import")
	if got.code != exitError || !strings.Contains(got.err, "line 2: ") {
		t.Errorf("got exit code %d, %s", got.code, got.err)
	}
}
