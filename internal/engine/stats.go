package engine

// Stats returns the sizes and counts of now.
func (e *Engine) Stats() Stats {
	r := e.root.Load()
	agg := r.Tree.Agg()
	return Stats{
		Counters: e.counters,
		Cells:    agg.Count,
		Live:     agg.Live,
		Origins:  r.Ctx.Len(),
		Spans:    r.Ctx.Spans(),
		Fresh:    e.push.fresh.len(),
		Dirty:    len(e.sync.dirt),
		Pending:  len(e.push.wanted.byDot) + len(e.push.fetches.byAddr),
	}
}
