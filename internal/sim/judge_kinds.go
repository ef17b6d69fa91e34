package sim

import (
	"strings"

	"github.com/starlingkv/starling/internal/cell"
)

// judgeKinds judges what merging kinds promise on the common final state.
func (d *drama) judgeKinds() {
	if len(d.judge.found) > 0 {
		return
	}
	if d.kinds != nil {
		for i := range numElems {
			d.judge.element(elemStem(i))
		}
		d.judge.increments(countKey, d.kinds.counts)
	}
	if d.thinkers != nil {
		d.judge.increments(tallyKey, d.thinkers.added)
	}
}

// element judges one element of the set. It is in iff some process survives that
// held an add which nobody who survives has removed having seen it: adds win,
// and removes take away what they saw.
func (j *judge) element(stem string) {
	tops := map[cell.Addr]*write{}    // the newest add per author
	removed := map[cell.Addr]*write{} // the highest remove per author of the add
	gone := map[cell.Addr]*write{}    // the same, of all who ever lived
	higher := func(in map[cell.Addr]*write, x *write) {
		if t := in[x.cell.Addr]; t == nil || cell.Compare(t.cell, x.cell) < 0 {
			in[x.cell.Addr] = x
		}
	}
	for _, x := range j.history.byKey[setKey] {
		if !strings.HasPrefix(string(x.cell.Addr), stem) {
			continue
		}
		held := j.survivors(x.cell.Dot())
		switch {
		case x.cell.Tomb && held:
			higher(removed, x)
			higher(gone, x)
		case x.cell.Tomb:
			higher(gone, x)
		case held:
			higher(tops, x)
		}
	}
	above := func(in map[cell.Addr]*write, x *write) bool {
		t := in[x.cell.Addr]
		return t != nil && cell.Compare(t.cell, x.cell) > 0
	}
	var in *write
	for _, x := range tops {
		if !above(removed, x) && (in == nil || above(gone, in)) {
			in = x
		}
	}
	s, found := j.d.nodes[0].Root().Tree.FirstLive(stem)
	found = found && strings.HasPrefix(string(s.Addr), stem)
	switch {
	case in != nil && !found && above(gone, in):
		// The remove may have reached the others by the context alone, after its
		// author had collected it, and the author may be dead.
	case in != nil && !found:
		j.fail("set", in.node, "the add %v of %q at %v was removed by nobody who had seen it, and is not in", in.cell.Dot(), stem, in.at)
	case in == nil && found:
		j.fail("set", nil, "%q is in, and every add of it was removed by somebody who had seen it", stem)
	}
}

// increments judges a counter that is never deleted: it is the sum of every
// increment whose author's cell survives, from the first to the last of them.
func (j *judge) increments(key string, by map[cell.Dot]int64) {
	last := map[cell.Addr]*write{}
	for _, x := range j.history.byKey[key] {
		if t := last[x.cell.Addr]; j.survivors(x.cell.Dot()) && (t == nil || cell.Compare(t.cell, x.cell) < 0) {
			last[x.cell.Addr] = x
		}
	}
	want := int64(0)
	for _, x := range j.history.byKey[key] {
		if t := last[x.cell.Addr]; t != nil && cell.Compare(x.cell, t.cell) <= 0 {
			want += by[x.cell.Dot()]
		}
	}
	got := int64(0)
	lo, hi := cell.KeyRange(key)
	for s := range j.d.nodes[0].Root().Tree.Live(lo, hi) {
		got += counted(s.Cell)
	}
	if got != want {
		j.fail("count", nil, "the counter %q is %d, and what was counted and survives is %d", key, got, want)
	}
}

// soundRemoves is I5 for the removes of sets: one whose dot is in the context,
// that tops its address and is too young to be collected anywhere, is stored.
func (j *judge) soundRemoves(n *Node) {
	r := n.Root()
	line := j.latest() - j.d.Config.MinTombstoneAge.Milliseconds()
	for _, x := range j.history.byKey[setKey] {
		c := x.cell
		if !c.Tomb || j.history.top[c.Addr] != x || c.Ver.T.Milli() <= line || !r.Ctx.Has(c.Dot()) {
			continue
		}
		if s, ok := r.Tree.Get(string(c.Addr)); !ok || s.Dot() != c.Dot() {
			j.fail("I5", n, "the remove %v of %q is in the context, is the highest ever, and is not stored", c.Dot(), c.Addr)
		}
	}
}

// latest is the latest that any clock has shown, in unix ms: also that of a process which has ended since, as what it had
// collected is collected.
func (j *judge) latest() (ms int64) {
	ms = j.maxWall
	for _, l := range j.lives {
		ms = max(ms, l.node.reading().Wall)
	}
	return ms
}

// heard notes the time of a cell that a node took note of and did not store:
// the remove of what was added again is newer than what stands above it.
func (j *judge) heard(n *Node, d cell.Dot) {
	if x := j.history.byDot[d]; x != nil {
		l := j.lives[n.Index]
		l.seenT = max(l.seenT, x.cell.Ver.T)
	}
}
