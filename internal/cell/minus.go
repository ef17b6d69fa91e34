package cell

// Minus is what runs names and less does not, in the order of runs. It writes
// into neither.
func Minus(runs, less []Run) []Run {
	var out []Run
	for _, r := range runs {
		out = append(out, minusOne(r, less)...)
	}
	return out
}

// minusOne cuts less out of one run.
func minusOne(r Run, less []Run) []Run {
	left := []Run{r}
	for _, l := range less {
		if l.O != r.O || l.Len == 0 {
			continue
		}
		var next []Run
		for _, p := range left {
			next = append(next, cutOut(p, l)...)
		}
		left = next
	}
	return left
}

// cutOut is p without the numbers of l, both of one origin.
func cutOut(p, l Run) []Run {
	ps, ls := Span{p.From, p.Len}, Span{l.From, l.Len}
	if ls.last() < ps.From || ps.last() < ls.From {
		return []Run{p}
	}
	var out []Run
	if ls.From > ps.From {
		out = append(out, Run{p.O, ps.From, ls.From - ps.From})
	}
	if ls.last() < ps.last() {
		out = append(out, Run{p.O, ls.last() + 1, ps.last() - ls.last()})
	}
	return out
}
