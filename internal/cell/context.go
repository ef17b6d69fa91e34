package cell

import (
	"iter"
	"slices"

	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/tree"
)

// Context is the causal context of a node: the dots it has had. A dot is in it
// only if the node holds that cell or a higher one of its address once existed.
// A Context is an immutable value; the zero Context is empty.
type Context struct{ entries tree.Tree[*Entry] }

// Has reports that d is in the context.
func (c Context) Has(d Dot) bool {
	e, ok := c.Entry(d.O)
	return ok && e.Has(d.N)
}

// Entry returns what is known of an origin.
func (c Context) Entry(o Origin) (*Entry, bool) { return c.entries.Get(originKey(o)) }

// Tree is the entries by origin, with their fingerprints.
func (c Context) Tree() tree.Tree[*Entry] { return c.entries }

// Len is the number of origins.
func (c Context) Len() int { return c.entries.Len() }

// Spans is the number of spans of all origins: how fragmented the context is.
func (c Context) Spans() int { return int(c.entries.Agg().Live) }

// StaleBefore yields the entries whose LastT is before the given unix
// milliseconds, by origin, and passes over the others quickly.
func (c Context) StaleBefore(ms int64) iter.Seq[*Entry] { return c.entries.ExpiredBefore(ms + 1) }

// Edit begins a new version of c. c itself never changes.
func (c Context) Edit() *ContextEditor { return &ContextEditor{entries: c.entries.Edit()} }

// ContextEditor makes a new Context out of an old one. It is for one goroutine.
//
// A batch of cells has few origins and many dots of each. So the entries that
// were last changed are kept open as drafts and are sealed and put into the
// tree once.
type ContextEditor struct {
	entries *tree.Editor[*Entry]
	drafts  []draft
	sealer  Sealer
}

// maxDrafts bounds what is kept open, as it is searched one by one.
const maxDrafts = 8

// draft is an entry being changed.
type draft struct {
	o       Origin
	key     string // of its entry
	lastT   hlc.Time
	spans   []Span
	own     bool // spans are not those of the sealed entry
	changed bool
}

// Context is the present version. The editor may be used further and makes new
// versions.
func (e *ContextEditor) Context() Context {
	e.flush()
	return Context{e.entries.Tree()}
}

// Has reports that d is in the context as it is now.
func (e *ContextEditor) Has(d Dot) bool {
	for i := range e.drafts {
		if e.drafts[i].o == d.O {
			return covers(e.drafts[i].spans, Span{d.N, 1})
		}
	}
	entry, ok := e.entries.Get(originKey(d.O))
	return ok && entry.Has(d.N)
}

// Entry returns what is known of an origin now.
func (e *ContextEditor) Entry(o Origin) (*Entry, bool) {
	e.flush()
	return e.entries.Get(originKey(o))
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
		e.drafts = append(e.drafts, draft{o: r.O, key: originKey(r.O), changed: true})
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
		return
	}
	d.join(other.Spans)
	d.lift(other.LastT)
}

// Drop forgets an origin.
func (e *ContextEditor) Drop(o Origin) {
	e.flush()
	e.entries.Delete(originKey(o))
}

// open returns the draft of an origin, nil if it is not known. The draft is
// good until the next open.
func (e *ContextEditor) open(o Origin) *draft {
	for i := range e.drafts {
		if e.drafts[i].o == o {
			return &e.drafts[i]
		}
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
			entry := &Entry{O: d.o, LastT: d.lastT, Spans: d.spans, key: d.key}
			e.sealer.entry(entry)
			e.entries.Put(entry)
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
	d.changed = true
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
		d.spans, d.own, d.changed = both, true, true
	}
}

func (d *draft) lift(t hlc.Time) {
	if t > d.lastT {
		d.lastT, d.changed = t, true
	}
}
