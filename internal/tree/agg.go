package tree

// Agg is what a tree knows of a range of items without visiting them. It is a
// commutative monoid under Add, and the zero Agg is its identity; so a MinExp
// of 0 says that nothing expires, and an item's own expiry is never 0.
type Agg struct {
	Count  uint64    // items
	Live   uint64    // items that are to be counted as values
	FP     [2]uint64 // fingerprint: sum of item hashes, each lane modulo 2^64
	FPLive [2]uint64 // fingerprint of the live items
	MaxRev uint64    // highest revision
	MinExp int64     // earliest expiry, 0 if none
	Top    uint64    // highest place in an order that the items have beside their keys
}

// Add is the aggregate of what a and b stand for together.
func (a Agg) Add(b Agg) Agg {
	return Agg{
		Count:  a.Count + b.Count,
		Live:   a.Live + b.Live,
		FP:     [2]uint64{a.FP[0] + b.FP[0], a.FP[1] + b.FP[1]},
		FPLive: [2]uint64{a.FPLive[0] + b.FPLive[0], a.FPLive[1] + b.FPLive[1]},
		MaxRev: max(a.MaxRev, b.MaxRev),
		MinExp: earlier(a.MinExp, b.MinExp),
		Top:    max(a.Top, b.Top),
	}
}

// swap replaces the share of old in a by that of new. Sums can be taken back, a
// maximum cannot: it reports false if MaxRev, Top or MinExp may have been old's,
// and then only a visit of the rest can tell.
func (a *Agg) swap(old, new *Agg) bool {
	exact := (old.MaxRev < a.MaxRev || new.MaxRev >= old.MaxRev) &&
		(old.Top < a.Top || new.Top >= old.Top) &&
		(old.MinExp == 0 || old.MinExp != a.MinExp || new.MinExp != 0 && new.MinExp <= old.MinExp)
	a.Count += new.Count - old.Count
	a.Live += new.Live - old.Live
	for i := range a.FP {
		a.FP[i] += new.FP[i] - old.FP[i]
		a.FPLive[i] += new.FPLive[i] - old.FPLive[i]
	}
	a.MaxRev = max(a.MaxRev, new.MaxRev)
	a.MinExp = earlier(a.MinExp, new.MinExp)
	a.Top = max(a.Top, new.Top)
	return exact
}

func earlier(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// Sum is the part of an Agg that can be taken back.
type Sum struct {
	Count uint64
	FP    [2]uint64
}

// Sum is the part of a that can be taken back.
func (a Agg) Sum() Sum { return Sum{a.Count, a.FP} }

// Plus is the sum of s and t together.
func (s Sum) Plus(t Sum) Sum {
	return Sum{s.Count + t.Count, [2]uint64{s.FP[0] + t.FP[0], s.FP[1] + t.FP[1]}}
}

// Minus is s without t, which is in it.
func (s Sum) Minus(t Sum) Sum {
	return Sum{s.Count - t.Count, [2]uint64{s.FP[0] - t.FP[0], s.FP[1] - t.FP[1]}}
}
