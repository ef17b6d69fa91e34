package engine

import (
	"slices"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/tree"
)

// surveyFrom is how many cells a key has at least for a Survey of it.
const surveyFrom = 1024

// Survey is what the delete of a key of very many cells must know of them all,
// found before its Commit, which is short then. It stays good when the key
// changes: Commit looks at what has changed since.
type Survey struct {
	root *Root
	top  hlc.Time   // the highest time in any of the cells
	runs []cell.Run // what a Floor would name as replaced
	cut  bool
}

// NewSurvey surveys a key. It returns nil for a key of few cells, of which a
// Commit looks at each.
func NewSurvey(r *Root, key string) *Survey {
	lo, hi := cell.KeyRange(key)
	n := r.Tree.AggOf(lo, hi).Count
	if n < surveyFrom {
		return nil
	}
	cells := newestFirst(r.Tree.Take(lo, hi, make([]*cell.Stored, 0, n)))
	s := &Survey{root: r, top: topOf(cells)}
	s.runs, s.cut = runsOver(cells, nil, cells)
	return s
}

// topOf is the highest time in any of some cells.
func topOf(cells []*cell.Stored) (t hlc.Time) {
	for _, s := range cells {
		t = max(t, s.Highest())
	}
	return t
}

// since lists the cells of a key that have come since its survey, newest first.
func (s *Survey) since(now tree.Tree[*cell.Stored], key string) []*cell.Stored {
	var came []*cell.Stored
	lo, hi := cell.KeyRange(key)
	for _, is := range tree.Diff(s.root.Tree, now, lo, hi) {
		if is != nil {
			came = append(came, is)
		}
	}
	return newestFirst(came)
}

func newestFirst(cells []*cell.Stored) []*cell.Stored {
	slices.SortStableFunc(cells, func(a, b *cell.Stored) int { return -a.Ver.Compare(b.Ver) })
	return cells
}

// runsOver is the Prev of a write that replaces cells: their dots, what stood
// below them as far as it is known already, and what stood below the cells of
// a chain.
func runsOver(cells []*cell.Stored, known []cell.Run, chain []*cell.Stored) (runs []cell.Run, cut bool) {
	var m cell.Merge
	for _, s := range cells {
		m.Add(cell.RunOf(s.Dot()))
	}
	m.Add(known...)
	for _, s := range chain {
		m.Add(s.Under()...)
		m.Add(s.PrevRuns()...)
		cut = cut || s.PrevWasCut()
	}
	runs, more := m.Runs()
	return runs, cut || more
}
