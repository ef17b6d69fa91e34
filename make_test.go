package starling_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMissingTools runs the Makefile's checks where a tool is missing or too old: each is named in one line that says
// what to do.
func TestMissingTools(t *testing.T) {
	oldGo := "#!/bin/sh\necho go1.20.1\n"
	noCompiler := "#!/bin/sh\ncase $2 in GOVERSION) echo go1.99 ;; CC) echo no-such-compiler -pthread ;; esac\n"
	for _, c := range []struct {
		target string
		goTool string // a script that stands in for go, or none
		want   string
	}{
		{"need-go", "", "go is missing: install Go"},
		{"need-go", oldGo, "go is too old: go1.20.1; install Go"},
		{"need-git", "", "git is missing: install it"},
		{"need-cc", noCompiler, "a C compiler is missing, the race detector needs one: install gcc"},
		{"test", "", "go is missing: install Go"},
		{"dev", "", "go is missing: install Go"},
	} {
		out, err := runMake(t, c.target, toolDir(t, c.goTool))
		if err == nil {
			t.Errorf("make %s passed without its tool: %s", c.target, out)
		}
		said := strings.SplitN(out, "\n", 2)[0]
		if !strings.HasPrefix(said, c.want) {
			t.Errorf("make %s: got %q, want a line that begins with %q", c.target, said, c.want)
		}
	}
	present := toolDir(t, "#!/bin/sh\ncase $2 in GOVERSION) echo go1.99 ;; CC) echo sort ;; esac\n")
	if out, err := runMake(t, "need-cc", present); err != nil {
		t.Errorf("make need-cc with everything there: %v\n%s", err, out)
	}
}

// toolDir makes a directory to be the whole PATH: what the checks themselves call, and perhaps a go.
func toolDir(t *testing.T, goTool string) string {
	t.Helper()
	dir := t.TempDir()
	for _, tool := range []string{"sort", "head"} {
		target, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
	if goTool != "" {
		if err := os.WriteFile(filepath.Join(dir, "go"), []byte(goTool), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func runMake(t *testing.T, target, path string) (string, error) {
	t.Helper()
	makeTool, err := exec.LookPath("make")
	if err != nil {
		t.Fatal("make is missing: install it with your package manager (apt-get install make)")
	}
	command := exec.Command(makeTool, "--no-print-directory", target)
	command.Env = []string{"PATH=" + path}
	out, err := command.CombinedOutput()
	return string(out), err
}
