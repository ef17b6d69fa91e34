package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/starlingkv/starling/lab/dskit/bench"
)

func report(system, state string, values ...float64) bench.Report {
	r := bench.Report{System: system, Topic: "get", State: state}
	for i, v := range values {
		r.Rows = append(r.Rows, bench.Row{Name: string(rune('a' + i)), Unit: bench.Nanoseconds, Value: v})
	}
	return r
}

func TestTable(t *testing.T) {
	var table table
	for _, pair := range [][2]bench.Report{
		{report("peer", "s", 1000, 10, 0, 5), report("own", "s", 100, 20, 0, 0)},
		{report("peer", "s", 4000, 10, 0, 5), report("own", "s", 100, 40, 0, 0)},
		{report("peer", "s", 2000, 10, 0, 5), report("own", "s", 500, 20, 0, 0)},
	} {
		if err := table.add(pair[0], pair[1]); err != nil {
			t.Fatal(err)
		}
	}
	table.failures = []string{"peer: it broke"}
	want := `| work | peer | own | ratio | runs |
|---|--:|--:|--:|--:|
| a | 2µs | 100ns | 10 | 3 |
| b | 10ns | 20ns | **0.5** | 3 |
| c | 0s | 0s | 1 | 3 |
| d | 5ns | 0s | ∞ | 3 |

Failed: peer: it broke
`
	if got := table.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTableRefuses(t *testing.T) {
	other := report("own", "s", 1)
	other.Rows[0].Name = "b"
	topic := report("own", "s", 1)
	topic.Topic = "cas"
	for name, own := range map[string]bench.Report{
		"another state": report("own", "z", 1), "more rows": report("own", "s", 1, 2), "another row": other, "another topic": topic,
	} {
		if err := new(table).add(report("peer", "s", 1), own); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := new(table).add(report("peer", "", 1), report("own", "", 1)); err == nil {
		t.Error("runs that compared no state: accepted")
	}
}

func TestShow(t *testing.T) {
	for _, c := range []struct {
		unit  bench.Unit
		value float64
		want  string
	}{
		{bench.Nanoseconds, 1234567, "1.23ms"},
		{bench.Bytes, 111, "111 B"},
		{bench.Bytes, 28_400_000, "28.4 MB"},
		{bench.Bytes, 9999, "9999 B"},
		{bench.Count, 31.26, "31.3"},
		{bench.Count, 0, "0"},
	} {
		if got := show(c.unit, c.value); got != c.want {
			t.Errorf("%v: got %s, want %s", c.value, got, c.want)
		}
	}
}

func TestInsert(t *testing.T) {
	file := filepath.Join(t.TempDir(), "doc.md")
	write(t, file, "before\n"+from+"old\n"+upTo+"after\n")
	for range 2 { // what was inserted is replaced
		if err := insert(file, "new\n"); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if want := "before\n" + from + "\nnew\n\n" + upTo + "after\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	write(t, file, "no marks")
	if err := insert(file, "new\n"); err == nil || !strings.Contains(err.Error(), "marks") {
		t.Errorf("got %v, want that the marks are missing", err)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
