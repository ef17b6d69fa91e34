package engine

import (
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
)

// What a peer may make this node remember. An entry over one of these bounds is
// left out whole: to know less than one could is safe, to know a part would
// look like all of it to the next peer.
const (
	// maxCounter bounds the numbers of an origin. Nobody writes so much: a
	// million cells a second would take nine years. A run beyond it claims what
	// its origin will write one day, and all of that would be ignored and purged.
	maxCounter = 1 << 48
	// maxEntrySpans bounds the spans of one origin. They are few when a node has
	// what its peers have: a span begins where a write was never heard of.
	maxEntrySpans = 1 << 16
	// maxSpansEach bounds the spans of all origins, by what may be remembered of them.
	maxSpansEach = 4
)

// Why an entry of a peer's context is left out; Text of EventRefusedContext.
const (
	refusedCounter = "numbers that nobody has issued"
	refusedSpans   = "too many spans"
	refusedOrigins = "too many origins"
)

// mergeEntry takes one entry of a peer's pinned context. Only after a complete
// session. If it remembers writes of this node that it never made, those that it
// will make would be taken for them, and purged: that is a clash, too.
func (e *Engine) mergeEntry(in *cell.Entry) {
	if in.LastT < e.forgetBefore() && e.stored[in.O] == 0 {
		return
	}
	if why := e.unfit(in); why != "" {
		e.event(Event{Kind: EventRefusedContext, Peer: in.O, N: uint64(len(in.Spans)), Text: why})
		return
	}
	if s := lastSpan(in); e.unissued(in.O, s.From+(s.Len-1)) {
		e.clash("", cell.Dot{O: in.O, N: s.From})
	}
	e.edit().ctx.Merge(in)
}

// unfit is why an entry must not be merged, "" if it may.
func (e *Engine) unfit(in *cell.Entry) string {
	if s := lastSpan(in); s.Len > maxCounter || s.From > maxCounter-s.Len {
		return refusedCounter
	}
	have := e.root.Load().Ctx // of the begin of the Step: it holds few entries
	mine, known := e.edit().ctx.Seen(in.O)
	switch {
	case !known && have.Len() >= e.cfg.MaxCtxEntries:
		return refusedOrigins
	case len(in.Spans) > maxEntrySpans, len(mine) > maxEntrySpans,
		have.Spans()+len(in.Spans) > maxSpansEach*e.cfg.MaxCtxEntries:
		return refusedSpans
	}
	return ""
}

// lastSpan is the highest span of an entry; it has one at least.
func lastSpan(in *cell.Entry) cell.Span { return in.Spans[len(in.Spans)-1] }

// forgetBefore is the line below which a context entry without stored cells is
// no longer kept or taken.
func (e *Engine) forgetBefore() hlc.Time {
	return floorTo(e.clock.Physical()-e.cfg.OriginRetention.Milliseconds(), e.cfg.OriginEpoch)
}
