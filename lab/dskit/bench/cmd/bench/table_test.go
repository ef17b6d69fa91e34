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
	limited := report("own", "s", 600)
	limited.Rows[0].Name, limited.Rows[0].Limit = "alone", 200
	if err := table.alone(limited); err != nil {
		t.Fatal(err)
	}
	table.failures = []string{"peer: it broke"}
	want := `| work | peer | own | ratio | limit | × limit | runs |
|---|--:|--:|--:|--:|--:|--:|
| a | 2µs | 100ns | 10 |  |  | 3 |
| b | 10ns | 20ns | **0.5** |  |  | 3 |
| c | 0s | 0s | 1 |  |  | 3 |
| d | 5ns | 0s | ∞ |  |  | 3 |
| alone | - | 600ns | - | 200ns | 3 | 1 |

Failed: peer: it broke
`
	if got := table.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestTargets holds the second table to say which targets are missed, in either
// way of being asked.
func TestTargets(t *testing.T) {
	const absolute, relative = "table of 10: Get", "16 nodes heartbeat in a registry of 1,000: bytes per second, streams included"
	of := func(name string, peer, own float64) (p, o bench.Report) {
		p, o = report("peer", "s", peer), report("own", "s", own)
		p.Rows[0].Name, o.Rows[0].Name = name, name
		return p, o
	}
	var met, missed table
	for _, c := range []struct {
		into      *table
		line      string
		peer, own float64
	}{{&met, absolute, 1, 300}, {&missed, absolute, 1, 301}, {&met, relative, 20, 1}, {&missed, relative, 19, 1}} {
		if err := c.into.add(of(c.line, c.peer, c.own)); err != nil {
			t.Fatal(err)
		}
	}
	head := "\n| target | at most | own | met |\n|---|--:|--:|---|\n"
	if got, want := met.targets(), head+"| "+absolute+" | 300ns | 300ns | yes |\n| "+relative+" | 1/20 of peer | 1ns | yes |\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, want := missed.targets(), head+"| "+absolute+" | 300ns | 301ns | **no** |\n| "+relative+" | 1/20 of peer | 1ns | **no** |\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := met.untested(); len(got) != len(targets)-2 {
		t.Errorf("%d targets without a line, want all of %d but two", len(got), len(targets))
	}
}

// TestGrowth holds a run to fail on what got more than twice as slow.
func TestGrowth(t *testing.T) {
	var table table
	own := report("own", "s", 200, 201)
	own.Rows[0].Tenth, own.Rows[1].Tenth, own.Built = 100, 100, "go0"
	if err := table.alone(own); err != nil {
		t.Fatal(err)
	}
	if got := about().sofar(&table); strings.Contains(got, "pairs") || !strings.Contains(got, "Built with go0.") {
		t.Errorf("got %s, want what it was built with, and nothing of pairs", got)
	}
	wrong := table.wrong()
	if len(wrong) != 1 || !strings.HasPrefix(wrong[0], "b: 201ns with 1,000,000 cells, 2.01 times the 100ns") {
		t.Errorf("got %q, want one sentence about b", wrong)
	}
	if got := table.String(); strings.Contains(got, "| work |") || !strings.HasPrefix(got, "\n| processor time, if not said otherwise |") {
		t.Errorf("got %s, want the table of growth alone", got)
	}
	if got := table.growth(); !strings.Contains(got, "| a | 100ns | 200ns | 2 |\n| b | 100ns | 201ns | **2.01** |\n") {
		t.Errorf("got %s", got)
	}
}

// TestTuned puts the best of the peer's settings beside starling, line by line.
func TestTuned(t *testing.T) {
	settings := []bench.Report{report("peer+off", "s", 100, 30), report("peer+snappy", "s", 200, 20)}
	var table table
	if err := table.addTuned(settings, report("own", "s", 10, 10)); err != nil {
		t.Fatal(err)
	}
	got := table.String()
	for _, want := range []string{"| a, the peer tuned | 100ns | 10ns | 10 |  |  | 1 |", "| b, the peer tuned | 20ns | 10ns | 2 |  |  | 1 |"} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant a line %s", got, want)
		}
	}
	if err := table.addTuned([]bench.Report{report("peer+off", "z", 1)}, report("own", "s", 1)); err == nil {
		t.Error("another state: accepted")
	}
}

// TestPeerFails lets the peer fail, and starling not.
func TestPeerFails(t *testing.T) {
	broken := report("peer", "", 1000)
	broken.Rows[0].Fails = "nothing came"
	var table table
	if err := table.add(broken, report("own", "s", 100)); err != nil {
		t.Fatal(err)
	}
	if got := table.String(); !strings.Contains(got, "| a | fails | 100ns | - |") || !strings.Contains(got, "\npeer fails: a: nothing came\n") {
		t.Errorf("got %s", got)
	}
	if table.statesEqual != 0 {
		t.Error("a peer that failed counts as equal")
	}
	if err := table.add(report("peer", "s", 1), broken); err == nil {
		t.Error("starling failed, and it was accepted")
	}
	if err := table.alone(broken); err == nil {
		t.Error("starling failed alone, and it was accepted")
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
		{bench.Percent, 9.75, "9.75 %"},
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
