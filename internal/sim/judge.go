package sim

import (
	"fmt"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/wire"
)

// maxFound bounds how many violations one seed reports.
const maxFound = 20

// judge holds the oracles of one seed.
type judge struct {
	d       *drama
	found   []Violation
	history history
	lives   []*life // the present process of each node
	maxWall int64   // the latest that the clock of any process has shown, in unix ms
	saved   []map[cell.Dot]bool
	hash    map[cell.Dot][16]byte
	origins map[cell.Origin]*life
	intent  *intent // the write that is being committed now
	calm    calm
	idle    idle
}

// life is one process of one node, as the oracles see it.
type life struct {
	node    *Node
	ever    map[cell.Dot]bool // dots it ever stored
	lastT   hlc.Time          // of its own last write
	seenT   hlc.Time          // the highest T it ever stored
	maxWall int64
	rev     uint64
	ctx     cell.Context // when its soundness was last checked
	holds   holding      // since when an address holds its cell
	lost    holding      // when an address last lost its cell
}

// intent is what a client is about to write, and what its node knew.
type intent struct {
	node  *Node
	saw   map[string]map[cell.Dot]bool
	stood map[string]map[cell.Dot]bool
}

func newJudge(d *drama) *judge {
	return &judge{
		d: d, history: newHistory(), hash: map[cell.Dot][16]byte{},
		origins: map[cell.Origin]*life{}, calm: newCalm(),
	}
}

// fail reports a violation.
func (j *judge) fail(oracle string, n *Node, format string, args ...any) {
	if len(j.found) >= maxFound {
		return
	}
	name := "-"
	if n != nil {
		name = n.Name
	}
	j.found = append(j.found, Violation{Oracle: oracle, At: j.d.now, Node: name, What: fmt.Sprintf(format, args...)})
}

// Restarted begins the life of a new process.
func (j *judge) Restarted(n *Node) {
	for len(j.lives) <= n.Index {
		j.lives, j.saved = append(j.lives, nil), append(j.saved, nil)
	}
	l := &life{node: n, ever: map[cell.Dot]bool{}, holds: holding{}, lost: holding{}}
	if n.disk != nil {
		for d := range j.saved[n.Index] {
			l.ever[d] = true
		}
		l.maxWall = n.disk.Clock.Milli() // the clock goes on where it was
	}
	o := n.eng.Origin()
	if j.origins[o] != nil {
		j.fail("I4", n, "origin %v is used by a second process", o)
	}
	j.origins[o] = l
	j.lives[n.Index] = l
	j.d.rewatch(n)
}

// savedDisk notes what the life that wrote the disk had held.
func (j *judge) savedDisk(n *Node) {
	held := make(map[cell.Dot]bool, len(j.lives[n.Index].ever))
	for d := range j.lives[n.Index].ever {
		held[d] = true
	}
	j.saved[n.Index] = held
}

// writing notes what a node knows before a client's write.
func (j *judge) writing(n *Node, tx engine.Tx) {
	in := &intent{node: n, saw: map[string]map[cell.Dot]bool{}, stood: map[string]map[cell.Dot]bool{}}
	r := n.Root()
	for _, w := range tx.Writes {
		key := w.Addr.Key()
		in.saw[key] = j.history.seenBy(key, r.Ctx)
		stood := map[cell.Dot]bool{}
		lo, hi := cell.KeyRange(key)
		for s := range r.Tree.Range(lo, hi) {
			stood[s.Dot()] = true
		}
		in.stood[key] = stood
	}
	j.intent = in
}

// wrote ends what writing began: every cell of an acknowledged write stands.
func (j *judge) wrote(n *Node, tx engine.Tx, err error) {
	j.intent = nil
	for _, w := range tx.Writes {
		s, ok := n.Root().Tree.Get(string(w.Addr))
		mine := ok && s.Dot().O == n.eng.Origin() && string(s.Body) == string(w.Body) && s.Tomb == w.Tomb
		if err == nil && !mine {
			j.fail("I2", n, "an acknowledged write of %q does not stand on its own node", w.Addr)
		}
	}
}

// Stepped looks at every cell that changed on a node, and at what it told.
func (j *judge) Stepped(n *Node, before *engine.Root, fx *engine.Effects) {
	l := j.lives[n.Index]
	l.maxWall = max(l.maxWall, n.reading().Wall)
	j.maxWall = max(j.maxWall, l.maxWall)
	r := n.Root()
	if r.Rev < before.Rev || r.Rev < l.rev {
		j.fail("I7", n, "the revision fell from %d to %d", max(before.Rev, l.rev), r.Rev)
	}
	l.rev = r.Rev
	j.bounded(n, fx)
	for _, a := range fx.Changed {
		j.changed(l, a, r)
	}
	for _, ev := range fx.Events {
		j.told(n, ev)
	}
	if len(fx.Changed) > 0 || !before.Ctx.Tree().Same(r.Ctx.Tree()) {
		j.idle.moved = j.d.now
	}
	if len(fx.Changed) > 0 {
		j.d.wakeWatches(n, fx.Changed)
	}
}

// changed judges one address of a node that changed.
func (j *judge) changed(l *life, a cell.Addr, r *engine.Root) {
	s, ok := r.Tree.Get(string(a))
	if !ok {
		l.lost[a] = j.d.now
		return
	}
	l.holds[a] = j.d.now
	d := s.Dot()
	if h, known := j.hash[d]; known && h != s.Hash() {
		j.fail("I4", l.node, "dot %v has two contents at %q", d, a)
	}
	j.hash[d] = s.Hash()
	own := s.Dot().O == l.node.eng.Origin()
	if own && j.intent != nil && j.intent.node == l.node && j.history.byDot[d] == nil {
		j.record(l, s)
	}
	if x := j.history.byDot[d]; x != nil && !l.ever[d] {
		x.stored = j.d.now
	}
	l.ever[d] = true
	l.seenT = max(l.seenT, s.Ver.T)
}

// record takes a new write into the history and checks its time.
func (j *judge) record(l *life, s *cell.Stored) {
	key := s.Addr.Key()
	x := &write{cell: s.Cell, at: j.d.now, node: l.node, saw: j.intent.saw[key], stood: j.intent.stood[key]}
	j.history.add(x)
	j.calm.written(j, x)
	t := s.Ver.T
	if t < l.lastT {
		j.fail("L8", l.node, "T fell from %v to %v", l.lastT, t)
	}
	if t <= l.seenT && l.lastT != t {
		j.fail("L8", l.node, "T %v is not above %v, which was received", t, l.seenT)
	}
	if ahead := t.Milli() - max(l.maxWall, l.seenT.Milli()+1); ahead > 0 {
		j.fail("L8", l.node, "T %v is %d ms ahead of every wall time and T this node has seen", t, ahead)
	}
	l.lastT = t
}

// told judges what an engine said.
func (j *judge) told(n *Node, ev engine.Event) {
	switch ev.Kind {
	case engine.EventConflict:
		if x := j.history.byDot[ev.Winner]; x != nil && x.stood[ev.Dot] {
			j.fail("told", n, "conflict told for %v at %q, which stood at the author of %v when it wrote", ev.Dot, ev.Addr, ev.Winner)
		}
	case engine.EventSession:
		j.sound(n)
		j.agreed(n, ev)
	case engine.EventDominated, engine.EventDeadUnderFloor:
		j.heard(n, ev.Dot)
	case engine.EventReturner: // it held nothing of it in this life
		clear(j.lives[n.Index].ever)
	case engine.EventClash:
		if j.d.plant != engine.PlantReuseOrigin {
			j.fail("I4", n, "told a clash of origin %v", ev.Peer)
		}
	}
}

// sound checks I5 on one node: a dot in its context that tops its address is
// stored there.
func (j *judge) sound(n *Node) {
	l := j.lives[n.Index]
	r := n.Root()
	if r.Ctx.Tree().Same(l.ctx.Tree()) {
		return
	}
	l.ctx = r.Ctx
	j.soundRemoves(n)
	for _, x := range j.history.order {
		c := x.cell
		if j.history.top[c.Addr] != x || c.Tomb || c.ExpMS() != 0 || !r.Ctx.Has(c.Dot()) {
			continue
		}
		if s, ok := r.Tree.Get(string(c.Addr)); !ok || s.Dot() != c.Dot() {
			j.fail("I5", n, "dot %v of %q is in the context, is the highest ever, and is not stored", c.Dot(), c.Addr)
		}
	}
}

// Delivered checks that a packet with nothing but old cells shows nothing.
func (j *judge) Delivered(n *Node, f wire.Frame, before *engine.Root) {
	m, ok := f.Msg.(*wire.Delta)
	if !ok {
		return
	}
	line := n.reading().Wall - (j.d.Config.StaleAge + j.d.Config.MaxSkew).Milliseconds()
	for _, g := range m.Groups {
		for _, c := range g.Cells {
			if c.Ver.T.Milli() >= line {
				continue
			}
			was, _ := before.Tree.Get(string(c.Addr))
			is, _ := n.Root().Tree.Get(string(c.Addr))
			if is != nil && is.Dot() == c.Dot() && (was == nil || was.Dot() != c.Dot()) {
				j.fail("I3", n, "a packet of a cell %d ms older than the stale age shows %v at %q", line-c.Ver.T.Milli(), c.Dot(), c.Addr)
			}
		}
	}
}

// disturbed ends the calm: from here on payloads are not counted.
func (j *judge) disturbed() { j.calm.over = true }
