package theirs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	// What the tests of dskit import: they are built in this module.
	_ "github.com/stretchr/testify/assert"
	_ "github.com/stretchr/testify/mock"
	_ "github.com/stretchr/testify/require"
	_ "go.uber.org/goleak"
	_ "golang.org/x/exp/maps"
)

// files are the test files of dskit's package ring that open a store, and which
// of their tests do, if not all.
var files = map[string][]string{
	"lifecycler_test.go":                    nil,
	"basic_lifecycler_test.go":              nil,
	"partition_instance_lifecycler_test.go": nil,
	"partition_ring_editor_test.go":         nil,
	"partition_instance_rings_test.go":      nil,
	"partition_ring_watchers_test.go":       nil,
	"partition_ring_watcher_test.go":        nil,
	"partition_ring_http_test.go":           nil,
	"ring_test.go":                          {"TestRingUpdates", "TestRing_ShuffleShard_Caching"},
}

const ringTests = 55

// notOnGossip is the tests that a store which merges cannot pass. docs/dskit.md
// says why.
var notOnGossip = []string{"TestBasicLifecycler_HeartbeatWhileStopping"}

// TestRingOnMemkv: all of them pass on the strict reference.
func TestRingOnMemkv(t *testing.T) {
	t.Parallel()
	passed, failed := runRing(t, "memkv")
	if len(passed) != ringTests || len(failed) > 0 {
		t.Errorf("%d of %d pass, %q fail", len(passed), ringTests, slices.Sorted(maps.Keys(failed)))
	}
}

// TestRingOnGossip: all but a few pass on a node.
func TestRingOnGossip(t *testing.T) {
	t.Parallel()
	passed, failed := runRing(t, "gossip")
	for name, output := range failed {
		if !slices.Contains(notOnGossip, name) {
			t.Errorf("%s fails:\n%s", name, output)
		}
	}
	if len(passed)+len(failed) != ringTests {
		t.Errorf("%d pass and %d fail, want %d in all", len(passed), len(failed), ringTests)
	}
	t.Logf("%d of %d pass, %q fail", len(passed), ringTests, slices.Sorted(maps.Keys(failed)))
}

// TestKVOnMemkv: dskit's tests of a kv.Client pass.
func TestKVOnMemkv(t *testing.T) {
	t.Parallel()
	p := open(t, "kv")
	p.rewrite("kv_test.go")
	p.add("store_test.go", read(t, "testdata/kv_store.txt"))
	passed, failed := p.run("^Test(CAS|NilCAS|WatchKey|WatchPrefix|List)$/^consul$", nil)
	if len(passed) != 5 || len(failed) > 0 {
		t.Errorf("%d of 5 pass, %v fail", len(passed), failed)
	}
}

func runRing(t *testing.T, store string) (passed []string, failed map[string]string) {
	t.Helper()
	p := open(t, "ring")
	var names []string
	for file, some := range files {
		all := p.rewrite(file)
		if some == nil {
			some = all
		}
		names = append(names, some...)
	}
	if len(names) != ringTests {
		t.Fatalf("dskit has %d such tests, want %d", len(names), ringTests)
	}
	p.add("store_test.go", read(t, "testdata/ring_store.txt"))
	for _, file := range []string{"rings.go", "desc.go", "partitions.go"} {
		// A test of package ring cannot import what imports it: our kinds go in.
		p.add("starling_"+strings.TrimSuffix(file, ".go")+"_test.go", intoRing(read(t, "../rings/"+file)))
	}
	return p.run("^("+strings.Join(names, "|")+")$", []string{"STARLING_STORE=" + store})
}

// intoRing makes a file of package rings one of package ring.
func intoRing(src string) string {
	src = strings.Replace(src, "package rings\n", "package ring\n", 1)
	src = strings.Replace(src, "\t\"github.com/grafana/dskit/ring\"\n", "", 1)
	return regexp.MustCompile(`\bring\.`).ReplaceAllString(src, "")
}

// patched is a copy of dskit, in which the files of one package are replaced.
type patched struct {
	t    *testing.T
	path string
	temp string // holds dskit, and a go.mod that says so
	dir  string // of the package
}

func open(t *testing.T, pkg string) *patched {
	t.Helper()
	const dskit = "github.com/grafana/dskit"
	p := &patched{t: t, path: dskit + "/" + pkg, temp: t.TempDir()}
	p.dir = filepath.Join(p.temp, "dskit", pkg)
	cached := strings.TrimSpace(string(p.goes("list", "-m", "-f", "{{.Dir}}", dskit)))
	if err := os.CopyFS(filepath.Join(p.temp, "dskit"), os.DirFS(cached)); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		write(t, filepath.Join(p.temp, file), read(t, "../"+file))
	}
	p.goes("mod", "edit", "-replace="+dskit+"="+filepath.Join(p.temp, "dskit"), filepath.Join(p.temp, "go.mod"))
	return p
}

// goes runs the go command.
func (p *patched) goes(args ...string) []byte {
	p.t.Helper()
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		p.t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	return out
}

var (
	constructor = regexp.MustCompile(`(?s)consul\.NewInMemoryClient(?:WithConfig)?\(([\w.]+(?:\(\)|\{\})), .*?nil\)`)
	testFunc    = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
)

// rewrite replaces the constructor in a file, and returns the tests in it.
func (p *patched) rewrite(file string) (tests []string) {
	p.t.Helper()
	src := read(p.t, filepath.Join(p.dir, file))
	out := constructor.ReplaceAllString(src, "newStarlingStore($1)")
	if out == src {
		p.t.Fatalf("%s opens no store: dskit has changed", file)
	}
	if !strings.Contains(out, "consul.") {
		out = strings.Replace(out, "\t\"github.com/grafana/dskit/kv/consul\"\n", "", 1)
	}
	if !strings.Contains(out, "log.") {
		out = strings.Replace(out, "\t\"github.com/go-kit/log\"\n", "", 1)
	}
	p.add(file, out)
	for _, m := range testFunc.FindAllStringSubmatch(out, -1) {
		tests = append(tests, m[1])
	}
	return tests
}

// add puts a file into the package.
func (p *patched) add(file, src string) {
	p.t.Helper()
	write(p.t, filepath.Join(p.dir, file), src)
}

func write(t *testing.T, file, src string) {
	t.Helper()
	if err := os.RemoveAll(file); err != nil { // copies of the module cache may be read-only
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// event is a line of go test -json.
type event struct{ Action, Test, Output string }

// run runs the tests of the package that match, and tells what became of those
// on top.
func (p *patched) run(match string, env []string) (passed []string, failed map[string]string) {
	p.t.Helper()
	cmd := exec.Command("go", "test", "-json", "-vet=off", "-count=1", "-modfile", filepath.Join(p.temp, "go.mod"), "-run", match, p.path)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output() // fails if a test does
	output := map[string]*bytes.Buffer{}
	failed = map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue
		}
		top, _, sub := strings.Cut(e.Test, "/")
		if output[top] == nil {
			output[top] = &bytes.Buffer{}
		}
		output[top].WriteString(e.Output)
		switch {
		case sub || top == "":
		case e.Action == "pass":
			passed = append(passed, top)
		case e.Action == "fail":
			failed[top] = ""
		}
	}
	for name := range failed {
		failed[name] = output[name].String()
	}
	if len(passed)+len(failed) == 0 {
		p.t.Fatalf("nothing ran: %v\n%s%s", err, &stderr, out)
	}
	return passed, failed
}
