package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
)

// verdict judges the end of a seed: everything has been quiet for long enough.
func (j *judge) verdict() {
	if !j.converged() {
		return
	}
	for _, n := range j.d.nodes {
		j.lives[n.Index].ctx = cell.Context{}
		j.sound(n)
	}
	j.judgeKeys()
	j.judgeWatches()
	j.settleSums()
	j.beginIdle()
	j.d.Advance(5 * time.Second)
	j.endIdle()
	j.judgeQueues()
}

// converged judges I1 for what readers see.
func (j *judge) converged() bool {
	first := j.d.nodes[0]
	want := visible(first.Root())
	ok := true
	for _, n := range j.d.nodes[1:] {
		if got := visible(n.Root()); !slices.Equal(got, want) {
			j.fail("I1", n, "sees something else than %s: %s", first.Name, firstDifference(want, got))
			ok = false
		}
	}
	return ok
}

// visible lists what readers see, in order.
func visible(r *engine.Root) []string {
	var out []string
	for s := range r.Tree.All() {
		if s.Visible() {
			out = append(out, fmt.Sprintf("%q %v", s.Addr, s.Dot()))
		}
	}
	return out
}

func firstDifference(a, b []string) string {
	for i := range max(len(a), len(b)) {
		x, y := "nothing", "nothing"
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			return x + " against " + y
		}
	}
	return "none"
}

// settleSums judges I1 for both fingerprints. Nodes collect and forget at
// common epochs, but their clocks differ, so it looks for a moment at which
// all agree.
func (j *judge) settleSums() {
	cfg := j.d.Config
	limit := j.d.now + cfg.MinTombstoneAge + cfg.OriginEpoch + 8*cfg.SyncInterval
	if cfg.OriginRetention == time.Hour {
		limit -= cfg.OriginEpoch
	}
	for {
		if j.sameSums() {
			return
		}
		if j.d.now >= limit {
			break
		}
		j.d.Advance(100 * time.Millisecond)
	}
	a := j.d.nodes[0].Root()
	for _, n := range j.d.nodes[1:] {
		b := n.Root()
		if a.Tree.Agg().FP != b.Tree.Agg().FP {
			j.fail("I1", n, "its tree has another fingerprint than that of %s: %d and %d cells", j.d.nodes[0].Name, b.Tree.Len(), a.Tree.Len())
		}
		if a.Ctx.Tree().Agg().FP != b.Ctx.Tree().Agg().FP {
			j.fail("I1", n, "its context has another fingerprint than that of %s: %d and %d origins", j.d.nodes[0].Name, b.Ctx.Len(), a.Ctx.Len())
		}
	}
}

func (j *judge) sameSums() bool {
	a := j.d.nodes[0].Root()
	for _, n := range j.d.nodes[1:] {
		b := n.Root()
		if a.Tree.Agg().FP != b.Tree.Agg().FP || a.Ctx.Tree().Agg().FP != b.Ctx.Tree().Agg().FP {
			return false
		}
	}
	return true
}

// survivors reports whether a process that runs now ever held a dot.
func (j *judge) survivors(d cell.Dot) bool {
	return slices.ContainsFunc(j.lives, func(l *life) bool { return l.ever[d] })
}

// judgeKeys judges I2 and I3 on the common final state.
func (j *judge) judgeKeys() {
	final := j.d.nodes[0].Root()
	seen := map[cell.Addr]bool{}
	for _, x := range j.history.order {
		if seen[x.cell.Addr] {
			continue
		}
		seen[x.cell.Addr] = true
		var fin *cell.Cell
		if s, ok := final.Tree.Get(string(x.cell.Addr)); ok && s.Visible() {
			fin = s.Cell
		}
		j.judgeLost(x.cell.Addr, fin)
		if fin != nil {
			j.judgeReturn(fin)
		}
	}
}

// judgeLost judges I2 at one address: the highest write that a survivor ever
// held is there, unless something higher ever said that it is gone.
func (j *judge) judgeLost(a cell.Addr, fin *cell.Cell) {
	var top *write
	for _, x := range j.history.byKey[a.Key()] {
		if x.cell.Addr == a && j.survivors(x.cell.Dot()) && (top == nil || cell.Compare(top.cell, x.cell) < 0) {
			top = x
		}
	}
	if top == nil || top.cell.Tomb || top.cell.ExpMS() != 0 {
		return
	}
	for _, x := range j.history.byKey[a.Key()] {
		if x.deletes() && x.kills(top.cell) {
			return
		}
		if x.cell.Addr == a && x.cell.ExpMS() != 0 && cell.Compare(x.cell, top.cell) > 0 {
			return // it stood above, has expired and was collected
		}
	}
	if fin == nil || cell.Compare(fin, top.cell) < 0 {
		j.fail("I2", top.node, "the acknowledged write %v of %q at %v is lost", top.cell.Dot(), a, top.at)
	}
}

// judgeReturn judges I3 for one visible cell: no survivor ever held a delete
// whose author had seen it.
func (j *judge) judgeReturn(fin *cell.Cell) {
	shown := j.history.byDot[fin.Dot()]
	for _, x := range j.history.byKey[fin.Addr.Key()] {
		if !x.deletes() || !x.kills(fin) || !x.saw[fin.Dot()] || !j.survivors(x.cell.Dot()) {
			continue
		}
		retention := j.d.Config.OriginRetention - j.d.Config.OriginEpoch
		switch {
		case shown != nil && shown.stored-x.at > retention:
			j.d.Counts.Note("returned after the retention")
		case x.cell.PrevWasCut():
			j.d.Counts.Note("returned, the chain was cut")
		default:
			j.fail("I3", x.node, "%v of %q is visible; %v deleted it at %v and had seen it", fin.Dot(), fin.Addr, x.cell.Dot(), x.at)
		}
		return
	}
}
