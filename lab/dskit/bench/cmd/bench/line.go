package main

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/starlingkv/starling/lab/dskit/bench"
)

// line is one figure of both systems in all its runs.
type line struct {
	row    bench.Row
	peers  []float64 // none: the peer did not play, or failed
	owns   []float64
	limits []float64
	tenths []float64
	fails  string // what became of the peer instead
}

// addOwn takes what starling found.
func (l *line) addOwn(row bench.Row) {
	l.owns = append(l.owns, row.Value)
	if row.Limit > 0 {
		l.limits = append(l.limits, row.Limit)
	}
	if row.Tenth > 0 {
		l.tenths = append(l.tenths, row.Tenth)
	}
}

// times is how many times less starling needs: the median of the runs that
// followed upon each other.
func (l *line) times() float64 {
	ratios := make([]float64, len(l.peers))
	for i, peer := range l.peers {
		switch own := l.owns[i]; {
		case own == 0 && peer == 0:
			ratios[i] = 1
		case own == 0:
			ratios[i] = math.Inf(1)
		default:
			ratios[i] = peer / own
		}
	}
	return median(ratios)
}

// grown is how many times more it is than with a tenth of the cells.
func (l *line) grown() float64 { return median(l.owns) / median(l.tenths) }

// theirs is the cell of the peer.
func (l *line) theirs() string {
	switch {
	case l.fails != "":
		return "fails"
	case len(l.peers) == 0:
		return "-"
	}
	return show(l.row.Unit, median(l.peers))
}

// ratio is in bold where starling needs more.
func (l *line) ratio() string {
	if len(l.peers) == 0 {
		return "-"
	}
	switch t := l.times(); {
	case math.IsInf(t, 1):
		return "∞"
	case t < 1:
		return "**" + digits(t) + "**"
	default:
		return digits(t)
	}
}

// limit is the cell of the limit, and that of how far starling is from it.
func (l *line) limit() (least, times string) {
	if len(l.limits) == 0 {
		return "", ""
	}
	m := median(l.limits)
	return show(l.row.Unit, m), digits(median(l.owns) / m)
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
	case bench.Percent:
		return digits(v) + " %"
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
