package cell

import "slices"

// MaxRuns bounds the runs that a cell carries as its Prev, and those that are
// kept as displaced below a stored cell.
const MaxRuns = 16

// Run is the dots of one origin from From on, Len of them.
type Run struct {
	O         Origin
	From, Len uint64
}

// RunOf is the run of one dot.
func RunOf(d Dot) Run { return Run{d.O, d.N, 1} }

// Has reports that d is in r.
func (r Run) Has(d Dot) bool { return r.O == d.O && d.N >= r.From && d.N-r.From < r.Len }

// span is the numbers of r.
func (r Run) span() Span { return Span{r.From, r.Len} }

// Contains reports that d is in one of runs.
func Contains(runs []Run, d Dot) bool {
	return slices.ContainsFunc(runs, func(r Run) bool { return r.Has(d) })
}

// AppendDot returns runs with d in it, as the last if it adjoins none. It does
// not write into runs. There is no bound on the result: see MergeRuns.
func AppendDot(runs []Run, d Dot) []Run {
	if Contains(runs, d) {
		return runs
	}
	return absorb(slices.Clone(runs), RunOf(d))
}

// MergePrev is the Prev of a write over a cell: the cell's dot, what a join has
// displaced below it, and the cell's own Prev. It is cut at MaxRuns, the oldest
// going first, and says so. It writes into none of its arguments.
func MergePrev(overwritten Dot, displaced, prev []Run) (runs []Run, cut bool) {
	return MergeRuns([]Run{RunOf(overwritten)}, displaced, prev)
}

// MergeRuns joins lists of runs, the newest first, to one of at most MaxRuns.
// Cut reports that there were more, of which the last were left out. It writes
// into none of its arguments.
func MergeRuns(lists ...[]Run) (runs []Run, cut bool) {
	var m Merge
	for _, list := range lists {
		m.Add(list...)
	}
	return m.Runs()
}

// Merge is MergeRuns list by list. The zero Merge has none yet.
type Merge struct {
	room [MaxRuns + 1]Run
	n    int
	cut  bool
}

// Add joins more runs to those before.
func (m *Merge) Add(runs ...Run) {
	for _, r := range runs {
		if r.Len == 0 {
			continue
		}
		m.n = len(absorb(m.room[:m.n], r))
		if m.n > MaxRuns {
			m.n, m.cut = MaxRuns, true
		}
	}
}

// Runs is what MergeRuns returns.
func (m *Merge) Runs() (runs []Run, cut bool) {
	return append([]Run(nil), m.room[:m.n]...), m.cut
}

// absorb adds r to runs in place. The runs that it adjoins or overlaps become
// one with it, which stands where the first of them stood; else r is the last.
func absorb(runs []Run, r Run) []Run {
	at := len(runs)
	for i := 0; i < len(runs); {
		if !touch(runs[i], r) {
			i++
			continue
		}
		r = hull(runs[i], r)
		at = min(at, i)
		runs = slices.Delete(runs, i, i+1)
		i = 0 // r has grown and may touch more
	}
	return slices.Insert(runs, min(at, len(runs)), r)
}

// touch reports that two runs are of one origin and leave no gap.
func touch(a, b Run) bool {
	if a.O != b.O {
		return false
	}
	if b.From < a.From {
		a, b = b, a
	}
	return b.From-a.From <= a.Len
}

// hull is the run of all that two runs which touch hold.
func hull(a, b Run) Run {
	s := a.span().hull(b.span())
	return Run{a.O, s.From, s.Len}
}
