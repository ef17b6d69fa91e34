package plot

import (
	"math"
	"strconv"
)

// Scale is how an axis spreads its values.
type Scale uint8

const (
	Linear      Scale = iota
	Logarithmic       // Min must be more than zero
)

// Axis is one direction of a panel.
type Axis struct {
	Name     string
	Scale    Scale
	Min, Max float64
	Ticks    []float64            // where there are grid lines; nil: chosen
	Label    func(float64) string // of a tick; nil: as a number
}

// place is where a value stands: 0 at Min, 1 at Max, never outside.
func (a Axis) place(v float64) float64 {
	from, to := a.Min, a.Max
	if a.Scale == Logarithmic {
		from, to, v = math.Log(from), math.Log(to), math.Log(max(v, a.Min))
	}
	if to <= from {
		return 0
	}
	return min(max((v-from)/(to-from), 0), 1)
}

// ticks are where the grid lines stand.
func (a Axis) ticks() []float64 {
	switch {
	case a.Ticks != nil:
		return a.Ticks
	case a.Scale == Logarithmic:
		return a.decades()
	case a.Max <= a.Min:
		return []float64{a.Min}
	}
	step := math.Pow(10, math.Floor(math.Log10((a.Max-a.Min)/2)))
	for _, m := range []float64{1, 2, 5, 10} {
		if (a.Max-a.Min)/(step*m) <= 6 {
			step *= m
			break
		}
	}
	var out []float64
	for i := math.Ceil(a.Min / step); i*step <= a.Max*(1+1e-9); i++ {
		out = append(out, i*step)
	}
	return out
}

// decades are the powers of ten on the axis, every other one if they are many.
func (a Axis) decades() []float64 {
	from, to := math.Ceil(math.Log10(a.Min)-1e-9), math.Floor(math.Log10(a.Max)+1e-9)
	step := math.Ceil((to - from) / 7)
	var out []float64
	for e := from; e <= to; e += max(step, 1) {
		out = append(out, math.Pow(10, e))
	}
	return out
}

func (a Axis) label(v float64) string {
	if a.Label != nil {
		return a.Label(v)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// Seconds labels a tick that is in seconds.
func Seconds(v float64) string {
	if v < 1 {
		return strconv.FormatFloat(v*1000, 'g', 4, 64) + " ms"
	}
	return strconv.FormatFloat(v, 'g', 4, 64) + " s"
}

// Count labels a tick that is a whole number, with commas between thousands.
func Count(v float64) string {
	s := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Percent labels a tick that is a share.
func Percent(v float64) string { return strconv.FormatFloat(v*100, 'g', 4, 64) + " %" }

// Powers labels a tick as a power of ten.
func Powers(v float64) string { return "1e" + strconv.Itoa(int(math.Round(math.Log10(v)))) }
