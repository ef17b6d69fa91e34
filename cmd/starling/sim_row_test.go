package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestAddRow: a row belongs to its table, whatever stands behind that.
func TestAddRow(t *testing.T) {
	for name, c := range map[string]struct{ before, after string }{
		"behind the table": {"# T\n\n| a |\n|---|\n| 1 |\n\n## More\n\ntext | with a bar\n", "# T\n\n| a |\n|---|\n| 1 |\n| 2 |\n\n## More\n\ntext | with a bar\n"},
		"no table":         {"# T\n", "# T\n| 2 |\n"},
		"no document":      {"", "| 2 |\n"},
	} {
		file := filepath.Join(t.TempDir(), "doc.md")
		if c.before != "" {
			if err := os.WriteFile(file, []byte(c.before), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := addRow(file, "| 2 |\n"); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != c.after {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, c.after)
		}
	}
}
