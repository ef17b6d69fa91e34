package engine

import (
	"math"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/wire"
)

// gaps is so many spans of one number each.
func gaps(n int) []cell.Span {
	out := make([]cell.Span, n)
	for i := range out {
		out[i] = cell.Span{From: uint64(2*i + 1), Len: 1}
	}
	return out
}

// TestHostileContextIsLeftOut merges entries that claim more than can be. None
// may enter, all are told with their reason, and what is sound enters after them.
func TestHostileContextIsLeftOut(t *testing.T) {
	now := hlc.Make(wallStart, 0)
	for why, en := range map[string]*cell.Entry{
		refusedCounter: cell.NewEntry(7, now, []cell.Span{{From: 1, Len: math.MaxUint64 - 1}}),
		refusedSpans:   cell.NewEntry(7, now, gaps(maxEntrySpans+1)),
	} {
		b := newBench(t, 1, nil)
		b.merge(en)
		if b.told(EventRefusedContext) != 1 || b.fx.Events[0].Text != why {
			t.Errorf("%s: told %v", why, b.fx.Events)
		}
		if b.e.Root().Ctx.Len() != 0 {
			t.Errorf("%s: it entered", why)
		}
		b.merge(cell.NewEntry(7, now, gaps(10)))
		if b.e.Root().Ctx.Spans() != 10 {
			t.Errorf("%s: a sound entry after it did not enter", why)
		}
	}
}

// TestContextStaysWithinItsBounds feeds ever new origins and spans.
func TestContextStaysWithinItsBounds(t *testing.T) {
	const most = 50
	b := newBench(t, 1, func(c *Config) { c.MaxCtxEntries = most })
	now := hlc.Make(wallStart, 0)
	for o := range cell.Origin(3 * most) {
		b.merge(cell.NewEntry(o+10, now, gaps(1)))
	}
	if got := b.e.Root().Ctx.Len(); got != most {
		t.Errorf("%d origins are remembered, want %d", got, most)
	}
	if got := b.e.counters.Events[EventRefusedContext]; got != 2*most {
		t.Errorf("told %d times, want %d", got, 2*most)
	}
	for i := range 100 {
		b.merge(cell.NewEntry(10+cell.Origin(i%most), now, []cell.Span{{From: uint64(10 + 10*i), Len: 1}, {From: uint64(13 + 10*i), Len: 1}}))
	}
	if got := b.e.Root().Ctx.Spans(); got > maxSpansEach*most {
		t.Errorf("%d spans are remembered, want at most %d", got, maxSpansEach*most)
	}
}

// TestHostilePrevIsLeftOut takes a cell that claims to replace all that another
// origin will ever write.
func TestHostilePrevIsLeftOut(t *testing.T) {
	b := newBench(t, 1, nil)
	c := cell.New(cell.Spec{
		Addr: cell.At("k", "r"), Ver: cell.Ver{T: hlc.Make(wallStart, 0), O: 7, N: 1}, Body: []byte("v"),
		Prev: []cell.Run{{O: 8, From: 1, Len: 1 << 60}, {O: 9, From: 1, Len: 3}},
	})
	h := b.e.Hasher()
	h.Seal(c)
	if v := b.join(c); v != raised || b.told(EventRefusedContext) != 1 {
		t.Errorf("the cell: %v, told %v", v, b.fx.Events)
	}
	if ctx := b.e.Root().Ctx; ctx.Has(cell.Dot{O: 8, N: 5}) || !ctx.Has(cell.Dot{O: 9, N: 2}) {
		t.Error("the context took what nobody has issued, or not what was")
	}
	b.join(newBench(t, 8, nil).put("other", "v"))
	b.want("other", "v")
}

// TestMoreContextThanAnnouncedEndsTheSession sends entries without end.
func TestMoreContextThanAnnouncedEndsTheSession(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	n.meet()
	n.run(time.Second)
	x := n.nodes[0]
	s := newSession(x.e, x.e.sync.pinNow(n.nodes[1].e.Origin()), answering)
	for _, m := range []wire.Msg{&wire.Shown{}, &wire.Accepted{Yes: true}} {
		s.Receive(m, x.step)
	}
	ctx := &wire.Ctx{Entries: []*cell.Entry{cell.NewEntry(7, hlc.Make(wallStart, 0), gaps(1))}}
	taken := 0
	for ; s.Receive(ctx, x.step) == SessionRunning && taken < 2*entrySlack; taken++ {
	}
	if taken != entrySlack+int(entrySlack/spansPerPart) || s.Err() == nil {
		t.Errorf("%d entries are taken of a peer that has none: %v", taken, s.Err())
	}
}
