// Package storedoc holds the table of docs/stores.md to what the conformance suite has shown of each store.
//
// The runs are in several modules, each beside the servers it needs, so every run keeps the row of its own store: it is red
// if the row is another one, and writes it with -rewrite.
package storedoc

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/kvtest"
)

// Head is the head of the table.
const Head = `| Store | Held to the contract on | One winner of concurrent CAS | Order of watches | TTL | Survives restarts | Largest value | Media types | Not asked |
|---|---|---|---|---|---|---|---|---|
`

// Row is the row of a store: against is the server, and in which shape it ran.
func Row(store, against string, r kvtest.Report) string {
	can := r.Can
	ttl := "no"
	if can.TTL {
		ttl = "to the millisecond"
		if can.TTLSlack > 0 {
			ttl = fmt.Sprintf("at most %v late", can.TTLSlack)
		}
	}
	cells := []string{
		store, against,
		either(can, kv.LinearizableCAS, "yes", "on one node"),
		either(can, kv.OrderedWatch, "over all keys", "of each key"),
		ttl,
		either(can, kv.Persistent, "yes", "no"),
		size(can.MaxValue),
		either(can, kv.MediaTypes, "kept", "refused"),
		strings.Join(r.Left, " "),
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

func either(can kv.Capabilities, what kv.Capability, with, without string) string {
	if can.Has(what) {
		return with
	}
	return without
}

func size(n int) string {
	for _, unit := range []struct {
		bytes int
		name  string
	}{{1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= unit.bytes && n%unit.bytes == 0 {
			return fmt.Sprintf("%d %s", n/unit.bytes, unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}

// Check returns an error if the table of the file has not this row.
func Check(file, row string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	_, rows, found := strings.Cut(string(page), Head)
	if !found {
		return fmt.Errorf("%s has no table of stores", file)
	}
	for line := range strings.Lines(rows) {
		switch {
		case line == row:
			return nil
		case name(line) == name(row):
			return fmt.Errorf("%s says\n%sthe run says\n%sgo test -run Contract -rewrite in the package of the run writes it", file, line, row)
		case !strings.HasPrefix(line, "|"):
			return fmt.Errorf("%s has no row of this store: go test -run Contract -rewrite in the package of the run writes\n%s", file, row)
		}
	}
	return fmt.Errorf("%s ends within the table", file)
}

// Write puts the row in the place of that of the same store, or at the end of the table.
func Write(file, row string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(page), Head)
	if !found {
		return fmt.Errorf("%s has no table of stores", file)
	}
	var rows strings.Builder
	placed := false
	for strings.HasPrefix(rest, "|") {
		line, more, _ := strings.Cut(rest, "\n")
		line, rest = line+"\n", more
		if name(line) == name(row) {
			line, placed = row, true
		}
		rows.WriteString(line)
	}
	if !placed {
		rows.WriteString(row)
	}
	return os.WriteFile(file, []byte(before+Head+rows.String()+rest), 0o644)
}

// name is the first cell of a row.
func name(row string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " |")
	return name
}

// Place is where a run keeps its row.
type Place struct {
	File    string // docs/stores.md, from the package of the run
	Store   string
	Against string // the server, and in which shape it ran
	Rewrite bool   // write the row before it is checked
}

// Keep returns what kvtest.Suite.Report of a run should be.
func Keep(t testing.TB, at Place) func(kvtest.Report) {
	return func(r kvtest.Report) {
		t.Helper()
		row := Row(at.Store, at.Against, r)
		if at.Rewrite {
			if err := Write(at.File, row); err != nil {
				t.Fatal(err)
			}
		}
		if err := Check(at.File, row); err != nil {
			t.Error(err)
		}
	}
}
