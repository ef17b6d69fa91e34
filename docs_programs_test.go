package starling_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocPrograms holds every block of Go in docs to a test or an example that has the same lines: those are compiled.
func TestDocPrograms(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	compiled := compiledText(t)
	programs := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range fencedBlocks(string(text)) {
			if b.language != "go" {
				continue
			}
			programs++
			if !strings.Contains(compiled, plain(b.text)) {
				t.Errorf("%s: no test has this program, so nothing compiles it:\n%s", page, b.text)
			}
		}
	}
	if programs < 2 {
		t.Errorf("found %d programs: the search is broken", programs)
	}
}

// compiledText is the tests and examples of the tree, as plain has them.
func compiledText(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := os.ReadFile(name)
		all.WriteString(plain(string(text)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// comment is one at the end of a line, or a whole line.
var comment = regexp.MustCompile(`(?m)\s*// .*$`)

// plain is code without its comments, indentation and empty lines.
func plain(code string) string {
	var out strings.Builder
	for line := range strings.Lines(comment.ReplaceAllString(code, "")) {
		if line = strings.TrimSpace(line); line != "" {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}
