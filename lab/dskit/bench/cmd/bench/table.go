package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

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

// line is one figure of both systems in all its runs.
type line struct {
	row   bench.Row
	peers []float64
	owns  []float64
}

// add takes two reports of the same topic.
func (t *table) add(peer, own bench.Report) error {
	switch {
	case peer.Topic != own.Topic || len(peer.Rows) != len(own.Rows):
		return fmt.Errorf("%s of %s and %s of %s do not belong together", peer.Topic, peer.System, own.Topic, own.System)
	case peer.State == "" || peer.State != own.State:
		return fmt.Errorf("%s: %s ended with %q, %s with %q", peer.Topic, peer.System, peer.State, own.System, own.State)
	}
	t.peer, t.own, t.built = peer.System, own.System, []string{peer.Built, own.Built}
	t.statesEqual++
	for i, row := range peer.Rows {
		if row.Name != own.Rows[i].Name {
			return fmt.Errorf("%q of %s stands beside %q of %s", row.Name, peer.System, own.Rows[i].Name, own.System)
		}
		l := t.line(row)
		l.peers, l.owns = append(l.peers, row.Value), append(l.owns, own.Rows[i].Value)
	}
	return nil
}

func (t *table) line(row bench.Row) *line {
	for _, l := range t.lines {
		if l.row.Name == row.Name {
			return l
		}
	}
	l := &line{row: row}
	t.lines = append(t.lines, l)
	return l
}

// String is the table in Markdown.
func (t *table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| work | %s | %s | ratio | runs |\n|---|--:|--:|--:|--:|\n", t.peer, t.own)
	for _, l := range t.lines {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %d |\n", l.row.Name,
			show(l.row.Unit, median(l.peers)), show(l.row.Unit, median(l.owns)), l.ratio(), len(l.peers))
	}
	for _, f := range t.failures {
		fmt.Fprintf(&b, "\nFailed: %s\n", f)
	}
	return b.String()
}

// ratio is how many times less starling needs; in bold where it needs more.
func (l *line) ratio() string {
	var ratios []float64
	for i, own := range l.owns {
		switch {
		case own == 0 && l.peers[i] == 0:
			ratios = append(ratios, 1)
		case own == 0:
			return "∞"
		default:
			ratios = append(ratios, l.peers[i]/own)
		}
	}
	m := median(ratios)
	if m < 1 {
		return "**" + digits(m) + "**"
	}
	return digits(m)
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// show writes a figure with three digits and the unit that suits it.
func show(u bench.Unit, v float64) string {
	switch u {
	case bench.Nanoseconds:
		return threeDigits(time.Duration(v)).String()
	case bench.Bytes:
		for _, unit := range []string{"B", "KB", "MB"} {
			if v < 10_000 {
				return digits(v) + " " + unit
			}
			v /= 1000
		}
		return digits(v) + " GB"
	}
	return digits(v)
}

func threeDigits(d time.Duration) time.Duration {
	unit := time.Nanosecond
	for d >= 1000*unit {
		unit *= 10
	}
	return d.Round(unit)
}

// digits writes at most three of them, but whole numbers whole.
func digits(v float64) string {
	if v >= 100 || v <= -100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
