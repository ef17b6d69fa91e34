package starling_test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// lineageRows is how many rows the table of docs/lineage.md has: what the project descends from, point by point.
const lineageRows = 21

// TestLineage holds docs/lineage.md to what the tree really has: every file and every test it names must exist.
func TestLineage(t *testing.T) {
	doc, err := os.ReadFile("docs/lineage.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := parseLineage(string(doc))
	if len(rows) != lineageRows {
		t.Errorf("got %d rows, want %d", len(rows), lineageRows)
	}
	for i, row := range rows {
		if row.number != i+1 {
			t.Errorf("row %d stands at place %d", row.number, i+1)
		}
		for _, breach := range row.breaches(readFile) {
			t.Errorf("row %d: %s", row.number, breach)
		}
	}
}

func readFile(name string) (string, error) {
	text, err := os.ReadFile(name)
	return string(text), err
}

// A lineageRow is one line of the table: | number | origin | here | files | tests |.
type lineageRow struct {
	number int
	files  string
	tests  string
}

// parseLineage finds the rows: lines of a table whose first cell is a number.
func parseLineage(doc string) []lineageRow {
	var rows []lineageRow
	for line := range strings.Lines(doc) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		number, err := strconv.Atoi(strings.TrimSpace(cells[0]))
		if err != nil || len(cells) != 5 {
			continue
		}
		rows = append(rows, lineageRow{number: number, files: cells[3], tests: cells[4]})
	}
	return rows
}

var (
	notBuilt   = regexp.MustCompile(`^not built yet: issue \d+$`)
	quotedName = regexp.MustCompile("`([^`]+)`")
)

// breaches says what the row claims and the tree does not hold. A row is built and names at least one file and one
// test (`path:Name`), or it says in both cells by which issue it will be.
func (r lineageRow) breaches(read func(name string) (string, error)) []string {
	files, tests := strings.TrimSpace(r.files), strings.TrimSpace(r.tests)
	if notBuilt.MatchString(files) && files == tests {
		return nil
	}
	var breaches []string
	for _, name := range quoted(files) {
		if _, err := read(name); err != nil {
			breaches = append(breaches, fmt.Sprintf("file %s: %v", name, err))
		}
	}
	for _, name := range quoted(tests) {
		if breach := testBreach(name, read); breach != "" {
			breaches = append(breaches, breach)
		}
	}
	if len(quoted(files)) == 0 || len(quoted(tests)) == 0 {
		breaches = append(breaches, "names no file or no test, and does not say by which issue it will be built")
	}
	return breaches
}

func quoted(cell string) []string {
	var names []string
	for _, match := range quotedName.FindAllStringSubmatch(cell, -1) {
		names = append(names, match[1])
	}
	return names
}

// testBreach says what is wrong with a test named as path:Name.
func testBreach(name string, read func(name string) (string, error)) string {
	file, function, found := strings.Cut(name, ":")
	if !found {
		return fmt.Sprintf("test %s is not of the form path:Name", name)
	}
	text, err := read(file)
	if err != nil {
		return fmt.Sprintf("test %s: %v", name, err)
	}
	if !regexp.MustCompile(`(?m)^func ` + regexp.QuoteMeta(function) + `\(`).MatchString(text) {
		return fmt.Sprintf("%s has no func %s", file, function)
	}
	return ""
}

func TestLineageRow(t *testing.T) {
	tree := map[string]string{"a.go": "package a\n", "a_test.go": "func TestA(t *testing.T) {\n"}
	read := func(name string) (string, error) {
		if text, found := tree[name]; found {
			return text, nil
		}
		return "", os.ErrNotExist
	}
	for _, c := range []struct {
		line string
		want int
	}{
		{"| 1 | x | y | `a.go` | `a_test.go:TestA` |", 0},
		{"| 1 | x | y | not built yet: issue 3 | not built yet: issue 3 |", 0},
		{"| 1 | x | y | not built yet: issue 3 | not built yet: issue 4 |", 1},
		{"| 1 | x | y | not built yet | not built yet |", 1},
		{"| 1 | x | y | `a.go` | |", 1},
		{"| 1 | x | y | `gone.go` | `a_test.go:TestA` |", 1},
		{"| 1 | x | y | `a.go` | `a_test.go:TestB` |", 1},
		{"| 1 | x | y | `a.go` | `a_test.go:Test` |", 1},
		{"| 1 | x | y | `a.go` | `a_test.go` |", 1},
	} {
		rows := parseLineage("| # | a | b | c | d |\n|---|---|---|---|---|\n" + c.line + "\n")
		if len(rows) != 1 {
			t.Fatalf("%s: got %d rows, want 1", c.line, len(rows))
		}
		if got := rows[0].breaches(read); len(got) != c.want {
			t.Errorf("%s: got %q, want %d breaches", c.line, got, c.want)
		}
	}
}
