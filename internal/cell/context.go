package cell

import (
	"iter"
	"slices"
	"sync/atomic"

	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/tree"
)

// Context is the causal context of a node: the dots it has had. A dot is in it
// only if the node holds that cell or a higher one of its address once existed.
// A Context is an immutable value; the zero Context is empty.
//
// Each write changes the entry of its origin, and hardly anybody asks for the
// fingerprints of a version. So what changed last waits beside the tree, and is
// sealed and put into it when somebody asks.
type Context struct {
	entries tree.Tree[*Entry]
	late    *late // nil: all is in entries
}

// late is the entries that stand in for those of the tree.
type late struct {
	drafts []draft
	all    atomic.Pointer[tree.Tree[*Entry]] // of all entries, once somebody has asked
	room   [1]draft
}

// Has reports that d is in the context.
func (c Context) Has(d Dot) bool {
	spans, ok := c.Seen(d.O)
	return ok && covers(spans, Span{d.N, 1})
}

// Seen is the numbers of the dots of an origin, in normal form, and whether the
// origin is known. They are shared: do not write into them.
func (c Context) Seen(o Origin) ([]Span, bool) {
	if c.late != nil {
		if d := find(c.late.drafts, o); d != nil {
			return d.spans, true
		}
	}
	if entry, ok := c.entries.Get(originKey(o)); ok {
		return entry.Spans, true
	}
	return nil, false
}

// Entry returns what is known of an origin.
func (c Context) Entry(o Origin) (*Entry, bool) { return c.Tree().Get(originKey(o)) }

// Tree is the entries by origin, with their fingerprints. It is the same one
// whenever it is asked for.
func (c Context) Tree() tree.Tree[*Entry] {
	if c.late == nil {
		return c.entries
	}
	if all := c.late.all.Load(); all != nil {
		return *all
	}
	var s Sealer
	e := c.entries.Edit()
	for i := range c.late.drafts {
		e.Put(c.late.drafts[i].seal(&s))
	}
	all := e.Tree()
	if !c.late.all.CompareAndSwap(nil, &all) {
		return *c.late.all.Load() // somebody else was faster
	}
	return all
}

// Len is the number of origins.
func (c Context) Len() int { return c.Tree().Len() }

// Spans is the number of spans of all origins: how fragmented the context is.
func (c Context) Spans() int { return int(c.Tree().Agg().Live) }

// StaleBefore yields the entries whose LastT is before the given unix
// milliseconds, by origin, and passes over the others quickly.
func (c Context) StaleBefore(ms int64) iter.Seq[*Entry] { return c.Tree().ExpiredBefore(ms + 1) }

// Edit begins a new version of c. c itself never changes.
func (c Context) Edit() *ContextEditor {
	e := &ContextEditor{entries: c.entries.Edit(), last: c}
	if c.late != nil {
		e.drafts = slices.Clone(c.late.drafts)
	}
	return e
}

// ContextEditor makes a new Context out of an old one. It is for one goroutine.
//
// Few origins write much. So the entries that were last changed are kept open as
// drafts, from version to version, and are sealed and put into the tree when
// there are too many.
type ContextEditor struct {
	entries *tree.Editor[*Entry]
	drafts  []draft
	sealer  Sealer
	last    Context // the version before
	moved   bool    // entries are not those of last
}

// maxDrafts bounds what is kept open, as it is searched one by one.
const maxDrafts = 8

// draft is an entry being changed.
type draft struct {
	o       Origin
	key     string // of its entry
	lastT   hlc.Time
	spans   []Span
	own     bool // spans are nobody else's
	changed bool // since it was in the tree
	fresh   bool // since the version before
}

// find returns the draft of an origin, or nil.
func find(drafts []draft, o Origin) *draft {
	for i := range drafts {
		if drafts[i].o == o {
			return &drafts[i]
		}
	}
	return nil
}

// seal makes an entry of the draft, which keeps its spans.
func (d *draft) seal(s *Sealer) *Entry {
	entry := &Entry{O: d.o, LastT: d.lastT, Spans: d.spans, key: d.key}
	s.entry(entry)
	return entry
}

// Context is the present version. The editor may be used further and makes new
// versions.
func (e *ContextEditor) Context() Context {
	changed, fresh := 0, false
	for i := range e.drafts {
		if d := &e.drafts[i]; d.changed {
			changed++
			fresh = fresh || d.fresh
		}
	}
	if !e.moved && !fresh {
		return e.last
	}
	if e.moved {
		e.last.entries, e.moved = e.entries.Tree(), false
	}
	e.last.late = e.publish(changed)
	return e.last
}

// publish returns the n drafts that have changed, and writes to them no more.
func (e *ContextEditor) publish(n int) *late {
	if n == 0 {
		return nil
	}
	l := &late{}
	if l.drafts = l.room[:0]; n > len(l.room) {
		l.drafts = make([]draft, 0, n)
	}
	for i := range e.drafts {
		if d := &e.drafts[i]; d.changed {
			d.own, d.fresh = false, false
			l.drafts = append(l.drafts, *d)
		}
	}
	return l
}

// Has reports that d is in the context as it is now.
func (e *ContextEditor) Has(d Dot) bool {
	spans, ok := e.Seen(d.O)
	return ok && covers(spans, Span{d.N, 1})
}

// Seen is Context.Seen as it is now. The numbers are good until the next change.
func (e *ContextEditor) Seen(o Origin) ([]Span, bool) {
	if d := find(e.drafts, o); d != nil {
		return d.spans, true
	}
	if entry, ok := e.entries.Get(originKey(o)); ok {
		return entry.Spans, true
	}
	return nil, false
}

// Add enters a dot and lifts the LastT of its origin to t.
func (e *ContextEditor) Add(d Dot, t hlc.Time) { e.AddRun(RunOf(d), t) }

// AddRun enters the dots of a run and lifts the LastT of their origin to t. An
// empty run enters nothing.
func (e *ContextEditor) AddRun(r Run, t hlc.Time) {
	if r.Len == 0 {
		return
	}
	d := e.open(r.O)
	if d == nil {
		e.drafts = append(e.drafts, draft{o: r.O, key: originKey(r.O), changed: true, fresh: true})
		d = &e.drafts[len(e.drafts)-1]
	}
	d.include(Span{r.From, r.Len})
	d.lift(t)
}

// Touch lifts the LastT of an origin to t, if the origin is known.
func (e *ContextEditor) Touch(o Origin, t hlc.Time) {
	if d := e.open(o); d != nil {
		d.lift(t)
	}
}

// Merge enters what another context knows of an origin: the union of the dots,
// and the later LastT.
func (e *ContextEditor) Merge(other *Entry) {
	d := e.open(other.O)
	if d == nil {
		e.entries.Put(other)
		e.moved = true
		return
	}
	d.join(other.Spans)
	d.lift(other.LastT)
}

// Drop forgets an origin.
func (e *ContextEditor) Drop(o Origin) {
	if _, known := e.Seen(o); !known {
		return
	}
	e.flush()
	e.entries.Delete(originKey(o))
	e.moved = true
}

// open returns the draft of an origin, nil if it is not known. The draft is
// good until the next open.
func (e *ContextEditor) open(o Origin) *draft {
	if d := find(e.drafts, o); d != nil {
		return d
	}
	if len(e.drafts) == maxDrafts {
		e.flush()
	}
	entry, ok := e.entries.Get(originKey(o))
	if !ok {
		return nil
	}
	e.drafts = append(e.drafts, draft{o: o, key: entry.key, lastT: entry.LastT, spans: entry.Spans})
	return &e.drafts[len(e.drafts)-1]
}

// flush puts the drafts into the tree.
func (e *ContextEditor) flush() {
	for i := range e.drafts {
		if d := &e.drafts[i]; d.changed {
			e.entries.Put(d.seal(&e.sealer))
			e.moved = true
		}
	}
	clear(e.drafts) // the spans belong to entries now
	e.drafts = e.drafts[:0]
}

func (d *draft) include(x Span) {
	if covers(d.spans, x) {
		return
	}
	if !d.own {
		d.spans = append(make([]Span, 0, len(d.spans)+1), d.spans...)
		d.own = true
	}
	d.spans = include(d.spans, x)
	d.changed, d.fresh = true, true
}

// join includes a normal list. One span after the other would move all that lie
// behind each: of two long lists that interleave that is their product.
func (d *draft) join(spans []Span) {
	const few = 16
	if len(spans) <= few {
		for _, x := range spans {
			d.include(x)
		}
		return
	}
	if both := union(d.spans, spans); !slices.Equal(both, d.spans) {
		d.spans, d.own, d.changed, d.fresh = both, true, true, true
	}
}

func (d *draft) lift(t hlc.Time) {
	if t > d.lastT {
		d.lastT, d.changed, d.fresh = t, true, true
	}
}
