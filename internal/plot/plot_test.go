package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

func example() Figure {
	return Figure{Title: "a < b & c", Note: "n", Columns: 1, Panels: []Panel{
		{
			Title: "one", X: Axis{Name: "time", Scale: Logarithmic, Min: 0.001, Max: 10, Label: Seconds}, Y: Axis{Max: 1, Label: Percent},
			Lines: []Line{{Name: "100", Points: []Point{{0.001, 0}, {10, 1}}}, {Name: "model", Stroke: Dashed, Points: []Point{{0, 2}}}},
		},
		{Title: "two", X: Axis{Max: 10}, Y: Axis{Max: 7}, Lines: []Line{{Name: "100", Points: []Point{{1, 1}}}}},
	}}
}

func draw(t *testing.T, f Figure) string {
	t.Helper()
	var b bytes.Buffer
	if err := f.WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestFigureIsWellFormed(t *testing.T) {
	s := draw(t, example())
	d := xml.NewDecoder(strings.NewReader(s))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, s)
		}
	}
	if strings.Contains(s, "NaN") || strings.Contains(s, "Inf") {
		t.Error("a coordinate is no number")
	}
	if n := strings.Count(s, `"line c0"`); n != 2+1 { // two paths, the legend
		t.Errorf("the line that is in both panels is drawn %d times", n)
	}
	if n := strings.Count(s, `class="p0"`); n != 3 {
		t.Errorf("it has %d dots, want 3", n)
	}
	for _, c := range []string{palettes[Sizes][0].light, palettes[Sizes][0].dark} {
		if n := strings.Count(s, c); n != 2 { // of its strokes, of its dots
			t.Errorf("its colour %s occurs %d times, want 2", c, n)
		}
	}
	if s != draw(t, example()) {
		t.Error("drawn twice, it differs")
	}
}

func TestLegendHasRows(t *testing.T) {
	f := Figure{Panels: []Panel{{X: Axis{Max: 1}, Y: Axis{Max: 1}}}}
	for i := range 9 {
		f.Panels[0].Lines = append(f.Panels[0].Lines, Line{Name: strings.Repeat("x", 10+i), Points: []Point{{0, 0}}})
	}
	d := &drawing{classes: make(map[string]string)}
	rows := d.name(f.Panels, panelWidth)
	named := 0
	for _, row := range rows {
		width := float64(legendLeft)
		for _, l := range row {
			named, width = named+1, width+legendWidth(l)
		}
		if width > panelWidth {
			t.Errorf("a row of the legend is %v wide", width)
		}
	}
	if named != 9 || len(d.colours) != 9 || len(rows) < 4 {
		t.Errorf("%d lines in %d rows, want 9", named, len(rows))
	}
	draw(t, f)
	f.Panels[0].Lines = []Line{{Name: "a"}, {Name: "b", Set: Conditions}}
	if rows := (&drawing{classes: make(map[string]string)}).name(f.Panels, panelWidth); len(rows) != 2 {
		t.Errorf("two sets in %d rows of the legend, want 2", len(rows))
	}
}

func TestPlaces(t *testing.T) {
	log := Axis{Scale: Logarithmic, Min: 1, Max: 100}
	for _, c := range []struct {
		a       Axis
		v, want float64
	}{
		{Axis{Max: 10}, 5, 0.5},
		{Axis{Min: 5, Max: 10}, 5, 0},
		{Axis{Max: 10}, 20, 1},
		{Axis{Max: 10}, -3, 0},
		{log, 10, 0.5},
		{log, 0, 0},
		{log, 1000, 1},
		{Axis{}, 3, 0},
	} {
		if got := c.a.place(c.v); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v on %+v stands at %v, want %v", c.v, c.a, got, c.want)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		a    Axis
		want []string
	}{
		{Axis{Max: 1, Label: Percent}, []string{"0 %", "20 %", "40 %", "60 %", "80 %", "100 %"}},
		{Axis{}, []string{"0"}},
		{Axis{Max: 7}, []string{"0", "2", "4", "6"}},
		{Axis{Max: 0.03}, []string{"0", "0.01", "0.02", "0.03"}},
		{Axis{Scale: Logarithmic, Min: 0.0005, Max: 10, Label: Seconds}, []string{"1 ms", "10 ms", "100 ms", "1 s", "10 s"}},
		{Axis{Scale: Logarithmic, Min: 1e-7, Max: 1, Label: Powers}, []string{"1e-7", "1e-6", "1e-5", "1e-4", "1e-3", "1e-2", "1e-1", "1e0"}},
		{Axis{Scale: Logarithmic, Min: 100, Max: 10_000}, []string{"100", "1000", "1e+04"}},
		{Axis{Scale: Logarithmic, Min: 100, Max: 1_000_000, Label: Count}, []string{"100", "1,000", "10,000", "100,000", "1,000,000"}},
		{Axis{Ticks: []float64{3}, Max: 10}, []string{"3"}},
	} {
		var got []string
		for _, v := range c.a.ticks() {
			got = append(got, c.a.label(v))
		}
		if strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("ticks of %+v: %q, want %q", c.a, got, c.want)
		}
	}
}
