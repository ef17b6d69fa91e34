package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/starlingkv/starling/internal/plot"
	"github.com/starlingkv/starling/internal/sim"
)

// figureOf draws one panel for each loss and dead share: how the clusters of
// all sizes come to hold an update. If there are several sizes, a second row
// tells what depends on the size.
func figureOf(results []*sim.ScaleResult) plot.Figure {
	f := plot.Figure{
		Title: "One write on its way to all members",
		Note:  fmt.Sprintf("real engines, virtual time; links of 0.5 to 1.5 ms; values of %d bytes", results[0].Scale.Body),
	}
	conditions := conditionsOf(results)
	for _, c := range conditions {
		f.Panels = append(f.Panels, curves(c, results))
	}
	if slices.ContainsFunc(results, func(r *sim.ScaleResult) bool { return r.Scale.Nodes != results[0].Scale.Nodes }) {
		f.Columns = 3
		for _, s := range bySize {
			f.Panels = append(f.Panels, s.panel(conditions, results))
		}
	}
	return f
}

// condition is what clusters of several sizes were measured under.
type condition struct{ loss, dead float64 }

func (c condition) of(r *sim.ScaleResult) bool {
	return r.Scale.Loss == c.loss && r.Scale.Dead == c.dead
}

// String names the line of a condition.
func (c condition) String() string {
	s := fmt.Sprintf("%g %% loss", c.loss*100)
	if c.loss == 0 {
		s = "no loss"
	}
	if c.dead > 0 {
		s += fmt.Sprintf(", %g %% dead", c.dead*100)
	}
	return s
}

func conditionsOf(results []*sim.ScaleResult) []condition {
	var all []condition
	for _, r := range results {
		if c := (condition{r.Scale.Loss, r.Scale.Dead}); !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b condition) int { return cmp.Or(cmp.Compare(a.dead, b.dead), cmp.Compare(a.loss, b.loss)) })
	return all
}

// curves is the panel of one condition: a line per size.
func curves(c condition, results []*sim.ScaleResult) plot.Panel {
	p := plot.Panel{
		Title: c.String(),
		X:     plot.Axis{Name: "time since the write", Scale: plot.Logarithmic, Min: 0.001, Max: 3, Label: plot.Seconds},
		Y:     plot.Axis{Name: "members that hold it", Max: 1, Label: plot.Percent},
	}
	for _, r := range results {
		if !c.of(r) {
			continue
		}
		l := plot.Line{Name: plot.Count(float64(r.Scale.Nodes)) + " members"}
		for _, q := range r.Curve {
			l.Points = append(l.Points, plot.Point{X: q.At.Seconds(), Y: q.Share})
		}
		p.Lines = append(p.Lines, l)
	}
	return p
}

// sized is a figure of merit that may depend on the size of the cluster.
type sized struct {
	title string
	y     plot.Axis
	of    func(*sim.ScaleResult) float64
}

var bySize = []sized{
	{
		"until all members have it (median)",
		plot.Axis{Name: "time", Scale: plot.Logarithmic, Min: 0.001, Max: 10, Label: plot.Seconds},
		func(r *sim.ScaleResult) float64 { return r.All.P50.Seconds() },
	},
	{
		"cells pushed per member that must get it",
		plot.Axis{Name: "payloads", Max: 2},
		func(r *sim.ScaleResult) float64 { return r.Payloads },
	},
	{
		"bytes per update and member",
		plot.Axis{Name: "bytes of DELTA, HAVE, WANT", Max: 1200},
		func(r *sim.ScaleResult) float64 { return r.Bytes },
	},
}

// panel draws it over the size, a line per condition.
func (s sized) panel(conditions []condition, results []*sim.ScaleResult) plot.Panel {
	least, most := math.MaxInt, 0
	for _, r := range results {
		least, most = min(least, r.Scale.Nodes), max(most, r.Scale.Nodes)
	}
	p := plot.Panel{Title: s.title, Y: s.y, X: plot.Axis{
		Name: "members", Scale: plot.Logarithmic, Min: float64(least), Max: float64(most),
		Label: plot.Count,
	}}
	for _, r := range results {
		p.X.Ticks = append(p.X.Ticks, float64(r.Scale.Nodes))
	}
	slices.Sort(p.X.Ticks)
	p.X.Ticks = slices.Compact(p.X.Ticks)
	for _, c := range conditions {
		l := plot.Line{Name: c.String(), Set: plot.Conditions}
		for _, r := range results {
			if c.of(r) {
				l.Points = append(l.Points, plot.Point{X: float64(r.Scale.Nodes), Y: s.of(r)})
			}
		}
		p.Lines = append(p.Lines, l)
	}
	return p
}
