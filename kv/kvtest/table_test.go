package kvtest

import (
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the table of the package doc")

// rows are the lines of the table: a check, and the sentence it checks.
func rows() []string {
	var out []string
	for _, c := range slices.Concat(checks, eventualChecks) {
		out = append(out, fmt.Sprintf("%-22s %s", c.name, c.sentence))
	}
	return out
}

// TestTable holds the table of the package doc to the checks, in both directions.
func TestTable(t *testing.T) {
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	if *rewrite {
		source = []byte(withTable(string(source)))
		if err := os.WriteFile("doc.go", source, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for line := range strings.Lines(file.Doc.Text()) {
		if row, ok := strings.CutPrefix(line, "\t"); ok {
			told = append(told, strings.TrimSpace(row))
		}
	}
	want := rows()
	for _, row := range want {
		if !slices.Contains(told, row) {
			t.Errorf("the table has no row %q", row)
		}
	}
	for _, row := range told {
		if !slices.Contains(want, row) {
			t.Errorf("the table names a check that does not exist, or does not check this: %q", row)
		}
	}
	if len(told) != len(want) {
		t.Errorf("the table has %d rows for %d checks", len(told), len(want))
	}
}

// withTable replaces the table in the source.
func withTable(source string) string {
	var out strings.Builder
	table := false
	for line := range strings.Lines(source) {
		if strings.HasPrefix(line, "//\t") {
			if !table {
				table = true
				for _, row := range rows() {
					out.WriteString("//\t" + row + "\n")
				}
			}
			continue
		}
		out.WriteString(line)
	}
	return out.String()
}

// TestNames finds a check that is listed twice, or says nothing.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range slices.Concat(checks, eventualChecks) {
		if seen[c.name] {
			t.Errorf("two checks are named %s", c.name)
		}
		seen[c.name] = true
		if !strings.HasSuffix(c.sentence, ".") || c.run == nil {
			t.Errorf("%s: no sentence %q, or nothing to run", c.name, c.sentence)
		}
	}
}
