package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/starlingkv/starling/lab/dskit/bench"
)

// table is all figures, in the order in which they came.
type table struct {
	peer, own   string   // names of the systems
	built       []string // with what, by system
	lines       []*line
	statesEqual int      // in how many pairs of runs
	failures    []string // of others
}

// add takes two reports of the same topic.
func (t *table) add(peer, own bench.Report) error {
	fails := failed(peer)
	switch {
	case peer.Topic != own.Topic || len(peer.Rows) != len(own.Rows):
		return fmt.Errorf("%s of %s and %s of %s do not belong together", peer.Topic, peer.System, own.Topic, own.System)
	case own.State == "" || failed(own) || !fails && peer.State != own.State:
		return fmt.Errorf("%s: %s ended with %q, %s with %q", peer.Topic, peer.System, peer.State, own.System, own.State)
	}
	t.peer, t.own, t.built = peer.System, own.System, []string{peer.Built, own.Built}
	if !fails {
		t.statesEqual++
	}
	for i, row := range peer.Rows {
		if row.Name != own.Rows[i].Name {
			return fmt.Errorf("%q of %s stands beside %q of %s", row.Name, peer.System, own.Rows[i].Name, own.System)
		}
		l := t.line(row)
		if l.addOwn(own.Rows[i]); row.Fails != "" {
			l.fails = row.Fails
		} else {
			l.peers = append(l.peers, row.Value)
		}
	}
	return nil
}

// addTuned takes what the peer found with other settings. Of each figure the best
// one stands beside starling's, in a line of its own.
func (t *table) addTuned(settings []bench.Report, own bench.Report) error {
	name := func(row string) string { return row + ", the peer tuned" }
	own.Rows = slices.Clone(own.Rows)
	for i := range own.Rows {
		own.Rows[i].Name = name(own.Rows[i].Name)
	}
	var each table // checks them one by one
	for _, peer := range settings {
		for i := range peer.Rows {
			peer.Rows[i].Name = name(peer.Rows[i].Name)
		}
		if err := each.add(peer, own); err != nil {
			return err
		}
	}
	for _, l := range each.lines {
		l.owns = l.owns[:1] // the same run stands beside every setting
		if len(l.peers) > 0 {
			l.peers, l.fails = []float64{slices.Min(l.peers)}, ""
		}
		t.lines = append(t.lines, l)
	}
	t.statesEqual += each.statesEqual
	return nil
}

// failed reports whether a store could not do its work.
func failed(r bench.Report) bool {
	for _, row := range r.Rows {
		if row.Fails != "" {
			return true
		}
	}
	return false
}

// alone takes a report of starling, to which there is none of the peer.
func (t *table) alone(own bench.Report) error {
	if own.State == "" || failed(own) {
		return fmt.Errorf("%s: %s ended with %q", own.Topic, own.System, own.State)
	}
	t.own = own.System
	if len(t.built) == 0 {
		t.built = []string{own.Built}
	}
	for _, row := range own.Rows {
		t.line(row).addOwn(row)
	}
	return nil
}

func (t *table) line(row bench.Row) *line {
	if l := t.find(row.Name); l != nil {
		return l
	}
	l := &line{row: row}
	t.lines = append(t.lines, l)
	return l
}

func (t *table) find(name string) *line {
	for _, l := range t.lines {
		if l.row.Name == name {
			return l
		}
	}
	return nil
}

// String is the tables in Markdown: all figures, the targets, and what becomes of
// them with more cells.
func (t *table) String() string {
	var b strings.Builder
	b.WriteString(t.figures())
	for _, l := range t.lines {
		if l.fails != "" {
			fmt.Fprintf(&b, "\n%s fails: %s: %s\n", t.peer, l.row.Name, l.fails)
		}
	}
	b.WriteString(t.targets())
	b.WriteString(t.growth())
	for _, f := range t.failures {
		fmt.Fprintf(&b, "\nFailed: %s\n", f)
	}
	return b.String()
}

// figures puts starling beside the peer, and beside the limits.
func (t *table) figures() string {
	var b strings.Builder
	for _, l := range t.lines {
		if len(l.tenths) > 0 {
			continue
		}
		if b.Len() == 0 {
			fmt.Fprintf(&b, "| work | %s | %s | ratio | limit | × limit | runs |\n|---|--:|--:|--:|--:|--:|--:|\n", t.theirName(), t.own)
		}
		limit, times := l.limit()
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %d |\n",
			l.row.Name, l.theirs(), show(l.row.Unit, median(l.owns)), l.ratio(), limit, times, len(l.owns))
	}
	return b.String()
}

// theirName is what stands over the column of the peer.
func (t *table) theirName() string { return cmp.Or(t.peer, "-") }

// growth puts what was measured with a tenth of the cells beside the whole.
func (t *table) growth() string {
	var b strings.Builder
	for _, l := range t.lines {
		if len(l.tenths) == 0 {
			continue
		}
		if b.Len() == 0 {
			b.WriteString("\n| processor time, if not said otherwise | 100,000 cells | 1,000,000 cells | ratio |\n|---|--:|--:|--:|\n")
		}
		ratio := digits(l.grown())
		if l.grown() > mostGrown {
			ratio = "**" + ratio + "**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n",
			l.row.Name, show(l.row.Unit, median(l.tenths)), show(l.row.Unit, median(l.owns)), ratio)
	}
	return b.String()
}

// mostGrown is how many times slower anything may be with ten times the cells.
const mostGrown = 2

// wrong is why the run fails, one sentence each. Targets that are missed are told
// in their table only.
func (t *table) wrong() []string {
	wrong := t.failures
	for _, l := range t.lines {
		if len(l.tenths) > 0 && l.grown() > mostGrown {
			wrong = append(wrong, fmt.Sprintf("%s: %s with 1,000,000 cells, %s times the %s with 100,000; %d times are allowed",
				l.row.Name, show(l.row.Unit, median(l.owns)), digits(l.grown()), show(l.row.Unit, median(l.tenths)), mostGrown))
		}
	}
	return wrong
}
