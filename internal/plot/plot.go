// Package plot draws figures of lines as SVG: panels side by side, linear or
// logarithmic axes, a legend of all lines below. A figure is one text without
// scripts or outside fonts, follows the light or dark scheme of its reader, and
// is the same, byte for byte, for the same numbers.
package plot

import (
	"bytes"
	"fmt"
	"html"
	"io"
)

// Figure is a title, panels in rows, and a legend of their lines.
type Figure struct {
	Title   string
	Note    string // small, under the title
	Columns int    // panels in a row; 0 is all of them
	Panels  []Panel
}

// Panel is one coordinate system with its lines.
type Panel struct {
	Title string
	X, Y  Axis
	Lines []Line
}

// Stroke is how a line is drawn.
type Stroke uint8

const (
	Solid  Stroke = iota // with a dot at every point, if there are few
	Dashed               // what was expected, or another limit
)

// Set is a group of lines that are told apart by their colours, and stand in a
// row of the legend.
type Set uint8

const (
	Sizes Set = iota
	Conditions
)

// Line is a series of points. Lines of one name have one colour in all panels.
type Line struct {
	Name   string
	Set    Set
	Stroke Stroke
	Points []Point
}

// Point is in the units of the axes. Points outside of a logarithmic axis, zero
// among them, stand on its lower end.
type Point struct{ X, Y float64 }

// The measures of a figure, in pixels.
const (
	panelWidth, panelHeight = 390, 300
	left, right             = 70, 22 // around the lines of a panel
	above, below            = 38, 48
	headHeight              = 62
	legendHeight            = 22 // of a row
	fewPoints               = 20
)

// palettes give the lines of a set their colours in the order in which they
// come, on a light ground and on a dark one. Sizes go from dark to bright, or
// from bright to dark, so that they read as such; conditions are two groups of
// three that get stronger.
var palettes = map[Set][]colour{
	Sizes: {
		{"#414487", "#9a93f0"},
		{"#2a788e", "#5aa9dd"},
		{"#1d9a73", "#35c9a0"},
		{"#62b53c", "#8fdc5f"},
		{"#c9a90c", "#f1d84a"},
		{"#7f7f7f", "#a8a8a8"},
	},
	Conditions: {
		{"#74b9e6", "#3f78a8"},
		{"#2f7fc1", "#5aa5e0"},
		{"#123f80", "#b3d9ff"},
		{"#f5b05c", "#a8692c"},
		{"#df6f1e", "#ea8a3f"},
		{"#94300a", "#ffcf9e"},
	},
}

type colour struct{ light, dark string }

const style = `text { font-family: system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #24292f; font-size: 12px }
.title { font-size: 18px; font-weight: 600 } .panel { font-size: 13px; font-weight: 600 } .note, .tick { fill: #656d76; font-size: 11px }
.ground { fill: #ffffff } .grid { stroke: #e4e8ec; stroke-width: 1 } .frame { stroke: #8c959f; stroke-width: 1; fill: none }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round } .dashed { stroke-dasharray: 5 5; stroke-width: 1.5; opacity: .75 }
`

const darkStyle = `text { fill: #e6edf3 } .note, .tick { fill: #9198a1 } .ground { fill: #0d1117 } .grid { stroke: #22282f } .frame { stroke: #6e7681 }
`

// WriteSVG draws the figure.
func (f Figure) WriteSVG(w io.Writer) error {
	columns := f.Columns
	if columns <= 0 || columns > len(f.Panels) {
		columns = max(len(f.Panels), 1)
	}
	rows := (len(f.Panels) + columns - 1) / columns
	d := &drawing{classes: make(map[string]string)}
	legend := d.name(f.Panels, float64(columns*panelWidth))
	width, height := columns*panelWidth, headHeight+rows*panelHeight+len(legend)*legendHeight+8
	d.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", width, height, width, height)
	d.printf("<title>%s</title>\n", html.EscapeString(f.Title))
	d.style()
	d.printf(`<rect class="ground" width="%d" height="%d"/>`+"\n", width, height)
	d.text(20, 30, "title", "start", f.Title)
	d.text(20, 50, "note", "start", f.Note)
	for i, p := range f.Panels {
		d.panel(p, float64(i%columns*panelWidth), float64(headHeight+i/columns*panelHeight))
	}
	for i, row := range legend {
		d.legend(row, float64(height-legendHeight*(len(legend)-i))+8)
	}
	d.printf("</svg>\n")
	_, err := w.Write(d.b.Bytes())
	return err
}

// drawing is the text of a figure as far as it is drawn.
type drawing struct {
	b       bytes.Buffer
	classes map[string]string // by the name of a line
	colours []colour          // of the classes
}

// The measures of a legend, in pixels.
const (
	legendLeft, legendGap = 20, 22
	legendStroke          = 28  // with the space behind it
	letterWidth           = 6.3 // on average
)

func legendWidth(l Line) float64 { return legendStroke + letterWidth*float64(len(l.Name)) + legendGap }

// name gives every line its class, and orders them in the rows of a legend. A
// set begins a row.
func (d *drawing) name(panels []Panel, width float64) (rows [][]Line) {
	x := width
	used := make(map[Set]int)
	for _, p := range panels {
		for _, l := range p.Lines {
			if _, known := d.classes[l.Name]; known {
				continue
			}
			palette := palettes[l.Set]
			d.classes[l.Name] = fmt.Sprintf("c%d", len(d.colours))
			d.colours = append(d.colours, palette[used[l.Set]%len(palette)])
			used[l.Set]++
			if x += legendWidth(l); x > width || used[l.Set] == 1 {
				rows, x = append(rows, nil), legendLeft+legendWidth(l)
			}
			rows[len(rows)-1] = append(rows[len(rows)-1], l)
		}
	}
	return rows
}

// style writes how everything looks, on a light ground and on a dark one.
func (d *drawing) style() {
	d.printf("<style>\n%s", style)
	for i, c := range d.colours {
		d.printf(".c%d { stroke: %s } .p%d { fill: %s }\n", i, c.light, i, c.light)
	}
	d.printf("@media (prefers-color-scheme: dark) {\n%s", darkStyle)
	for i, c := range d.colours {
		d.printf(".c%d { stroke: %s } .p%d { fill: %s }\n", i, c.dark, i, c.dark)
	}
	d.printf("}\n</style>\n")
}

func (d *drawing) printf(format string, args ...any) { fmt.Fprintf(&d.b, format, args...) }

func (d *drawing) text(x, y float64, class, anchor, s string) {
	d.printf(`<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>`+"\n", x, y, class, anchor, html.EscapeString(s))
}

// panel draws one panel with its upper left corner at x, y.
func (d *drawing) panel(p Panel, x, y float64) {
	x0, x1 := x+left, x+panelWidth-right
	y0, y1 := y+panelHeight-below, y+above
	d.text(x0, y1-12, "panel", "start", p.Title)
	for _, t := range p.X.ticks() {
		at := x0 + p.X.place(t)*(x1-x0)
		d.printf(`<path class="grid" d="M%.1f %.1fV%.1f"/>`+"\n", at, y0, y1)
		d.text(at, y0+17, "tick", "middle", p.X.label(t))
	}
	for _, t := range p.Y.ticks() {
		at := y0 + p.Y.place(t)*(y1-y0)
		d.printf(`<path class="grid" d="M%.1f %.1fH%.1f"/>`+"\n", x0, at, x1)
		d.text(x0-7, at+4, "tick", "end", p.Y.label(t))
	}
	d.printf(`<path class="frame" d="M%.1f %.1fV%.1fH%.1f"/>`+"\n", x0, y1, y0, x1)
	d.text((x0+x1)/2, y0+36, "note", "middle", p.X.Name)
	d.printf(`<text transform="translate(%.1f %.1f) rotate(-90)" class="note" text-anchor="middle">%s</text>`+"\n",
		x+20, (y0+y1)/2, html.EscapeString(p.Y.Name))
	for _, l := range p.Lines {
		d.line(l, func(q Point) (float64, float64) {
			return x0 + p.X.place(q.X)*(x1-x0), y0 + p.Y.place(q.Y)*(y1-y0)
		})
	}
}

// class is those of the stroke of a line.
func (d *drawing) class(l Line) string {
	if l.Stroke == Dashed {
		return "line dashed " + d.classes[l.Name]
	}
	return "line " + d.classes[l.Name]
}

func (d *drawing) line(l Line, place func(Point) (x, y float64)) {
	if len(l.Points) == 0 {
		return
	}
	d.printf(`<path class="%s" d="`, d.class(l))
	for i, q := range l.Points {
		x, y := place(q)
		if i == 0 {
			d.printf("M%.1f %.1f", x, y)
		} else {
			d.printf("L%.1f %.1f", x, y)
		}
	}
	d.printf("\"/>\n")
	if l.Stroke == Solid && len(l.Points) <= fewPoints {
		for _, q := range l.Points {
			x, y := place(q)
			d.printf(`<circle class="p%s" cx="%.1f" cy="%.1f" r="3"/>`+"\n", d.classes[l.Name][1:], x, y)
		}
	}
}

// legend draws one row of the legend with its base line at y.
func (d *drawing) legend(row []Line, y float64) {
	x := float64(legendLeft)
	for _, l := range row {
		d.printf(`<path class="%s" d="M%.1f %.1fh22"/>`+"\n", d.class(l), x, y-4)
		d.text(x+legendStroke, y, "tick", "start", l.Name)
		x += legendWidth(l)
	}
}
