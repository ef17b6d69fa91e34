package main

import (
	"os"
	"strings"
	"testing"
)

// TestNextStepIsOfTheVerb makes mistakes whose next step depends on what was asked for.
func TestNextStepIsOfTheVerb(t *testing.T) {
	for _, c := range []struct {
		line, next string
		code       int
	}{
		{"copy", "starling copy --help", exitUsage},
		{"copy --from nope://x --to mem://", "starling copy --help", exitUsage},
		{"copy --from mem:// --to mem", "starling copy --help", exitUsage},
		{"copy --from http://127.0.0.1:1 --to mem://", "does the store run at http://127.0.0.1:1?", exitUnreachable},
		{"get k --addr 127.0.0.1:1", "does a node run at 127.0.0.1:1?", exitUnreachable},
		{"help nothing", "starling --help", exitUsage},
		{
			"server --bind 127.0.0.1:0 --http 127.0.0.1:0 --seed 127.0.0.1:1 --require-join --join-wait 1ms",
			"does a node of this --cluster run where --seed says?", exitUnreachable,
		},
	} {
		got := run(t, "", "", nil, strings.Fields(c.line)...)
		if got.code != c.code || !strings.Contains(got.err, "\n  next: "+c.next) {
			t.Errorf("%s: exit code %d, want %d and the step %q:\n%s", c.line, got.code, c.code, c.next, got.err)
		}
	}
}

// TestHelpShowsWhatAFlagTakes looks at flags that take nothing.
func TestHelpShowsWhatAFlagTakes(t *testing.T) {
	help := run(t, "", "", nil, "server", "--help").out
	if strings.Contains(help, "[=true]") || !strings.Contains(help, "--require-join   ") {
		t.Errorf("a flag that is there or not is shown as one that takes a value:\n%s", help)
	}
}

// TestEditLeavesNoCopy has an editor fail before anything is written: no file of the value stays behind.
func TestEditLeavesNoCopy(t *testing.T) {
	_, addr := fixture(t, goodStatus())
	t.Setenv("TMPDIR", t.TempDir())
	failing := func(p *program) {
		p.getenv = func(name string) string { return map[string]string{"EDITOR": "false"}[name] }
	}
	got := run(t, addr, "", failing, "edit", "b", "--addr", addr)
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) != 0 || got.code != exitError {
		t.Errorf("exit code %d, and %v stay, %v: %s", got.code, left, err, got.err)
	}
}
