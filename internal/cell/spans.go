package cell

import (
	"math"
	"slices"
	"sort"
)

// Span is the numbers from From on, Len of them. A list of spans is in normal
// form if it is in rising order, no span is empty, and between two spans at
// least one number is missing.
type Span struct{ From, Len uint64 }

// last is the highest number of a span that is not empty, at most the end of
// the numbers.
func (s Span) last() uint64 {
	if n := s.Len - 1; n <= math.MaxUint64-s.From {
		return s.From + n
	}
	return math.MaxUint64
}

func spanTo(from, last uint64) Span {
	n := last - from
	if n < math.MaxUint64 { // else one number too many for Len
		n++
	}
	return Span{from, n}
}

// hull is the span from the lower begin to the higher end of two.
func (s Span) hull(t Span) Span {
	return spanTo(min(s.From, t.From), max(s.last(), t.last()))
}

// before reports that s ends so far below t that a number between is missing.
func (s Span) before(t Span) bool {
	last := s.last()
	return last < t.From && t.From-last > 1
}

// seek returns the index of the first span of a normal list that is not before
// x: the only one that may cover it.
func seek(spans []Span, x Span) int {
	return sort.Search(len(spans), func(i int) bool { return !spans[i].before(x) })
}

// covers reports that a normal list holds all of x.
func covers(spans []Span, x Span) bool {
	if x.Len == 0 {
		return true
	}
	i := seek(spans, x)
	return i < len(spans) && spans[i].From <= x.From && x.last() <= spans[i].last()
}

// include adds x to a normal list in place and keeps it normal.
func include(spans []Span, x Span) []Span {
	if x.Len == 0 {
		return spans
	}
	x = spanTo(x.From, x.last())
	i := seek(spans, x)
	j := i
	for j < len(spans) && !x.before(spans[j]) {
		x = x.hull(spans[j])
		j++
	}
	return slices.Replace(spans, i, j, x)
}

// normal returns spans in normal form. It does not write into them.
func normal(spans []Span) []Span {
	out := make([]Span, 0, len(spans))
	for _, s := range spans {
		out = include(out, s)
	}
	return out
}

// union is what two normal lists hold together, in time of their lengths. It
// writes into neither.
func union(a, b []Span) []Span {
	out := make([]Span, 0, len(a)+len(b))
	for len(a) > 0 || len(b) > 0 {
		from := &a
		if len(a) == 0 || len(b) > 0 && b[0].From < a[0].From {
			from = &b
		}
		next := (*from)[0]
		*from = (*from)[1:]
		if last := len(out) - 1; last >= 0 && !out[last].before(next) {
			out[last] = out[last].hull(next)
		} else {
			out = append(out, next)
		}
	}
	return out
}
