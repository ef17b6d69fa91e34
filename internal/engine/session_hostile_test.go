package engine

import (
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

func TestBrokenBodiesEndTheSession(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	n.meet()
	n.run(time.Second)
	x := n.nodes[0]
	c := cellAt("k", 5, "0123456789")
	av := wire.AddrVer{Addr: c.Addr, Ver: c.Ver}
	bare := c.Spec()
	bare.Body = nil
	begin := &wire.Cells{Cells: []*cell.Cell{cell.New(bare)}, Deferred: []wire.Deferral{{Len: 10}}}
	half := &wire.Body{AddrVer: av, Total: 10, Bytes: []byte("01234")}
	for name, frames := range map[string][]wire.Msg{
		"nothing awaited": {half},
		"another address": {begin, &wire.Body{AddrVer: wire.AddrVer{Addr: cell.At("x", "r"), Ver: c.Ver}, Total: 10, Bytes: []byte("01234")}},
		"another length":  {begin, &wire.Body{AddrVer: av, Total: 11, Bytes: []byte("01234")}},
		"a gap":           {begin, half, &wire.Body{AddrVer: av, Total: 10, Offset: 6, Bytes: []byte("6789")}},
		"twice the same":  {begin, half, half},
		"too much":        {begin, half, &wire.Body{AddrVer: av, Total: 10, Offset: 5, Bytes: []byte("567890")}},
		"nothing in it":   {begin, &wire.Body{AddrVer: av, Total: 10}},
		"another frame":   {begin, &wire.Shown{}},
		"a bad index":     {&wire.Cells{Cells: begin.Cells, Deferred: []wire.Deferral{{Index: 1, Len: 10}}}},
		"too long":        {&wire.Cells{Cells: begin.Cells, Deferred: []wire.Deferral{{Len: wire.MaxValue + 1}}}},
	} {
		s := newSession(x.e, x.e.sync.pinNow(n.nodes[1].e.Origin()), answering)
		for i, m := range frames {
			if state := s.Receive(m, x.step); (state == SessionOver) != (i == len(frames)-1) {
				t.Errorf("%s: state %v after frame %d", name, state, i)
			}
		}
		if m, ok := s.Next(); !ok || m.Type() != wire.TypeErr || s.Err() == nil {
			t.Errorf("%s: the peer was not told", name)
		}
		if x.value("k") != "-" || s.end != EndAborted {
			t.Errorf("%s: k = %q, end %v", name, x.value("k"), s.end)
		}
		x.e.sync.served = 0
	}
	s := newSession(x.e, x.e.sync.pinNow(n.nodes[1].e.Origin()), answering)
	for _, m := range []wire.Msg{begin, half, &wire.Body{AddrVer: av, Total: 10, Offset: 5, Bytes: []byte("56789")}} {
		s.Receive(m, x.step)
	}
	if x.value("k") != "0123456789" {
		t.Errorf("a whole body: k = %q", x.value("k"))
	}
}

func TestFramesOutOfTurnEndTheSession(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	n.meet()
	n.run(time.Second)
	x := n.nodes[0]
	x.put("k", "1")
	open := &wire.Ranges{Ranges: []wire.Range{{Mode: wire.ModeSkip}}}
	compare := &wire.Ranges{Ranges: []wire.Range{{Mode: wire.ModeList}}}
	ctx := &wire.Ranges{Phase: wire.PhaseCtx, Ranges: open.Ranges}
	for name, frames := range map[string][]wire.Msg{
		"the contexts twice":          {ctx, ctx},
		"a tree without its context":  {open},
		"CTX before SHOWN":            {&wire.Ctx{}},
		"ACCEPTED before SHOWN":       {&wire.Accepted{Yes: true}},
		"SHOWN twice":                 {&wire.Shown{}, &wire.Shown{}},
		"ACCEPTED twice":              {&wire.Shown{}, &wire.Accepted{}, &wire.Accepted{}},
		"more to compare after SHOWN": {ctx, &wire.Shown{}, compare},
		"more after what was all":     {ctx, open, compare},
		"more after DONE":             {ctx, &wire.Shown{}, open, ctx},
		"DONE before SHOWN":           {ctx, &wire.Done{}},
		"DONE before ACCEPTED":        {ctx, &wire.Shown{}, &wire.Done{}},
		"DONE before its context":     {&wire.Shown{}, &wire.Accepted{}, ctx, &wire.Done{}},
		"a HELLO":                     {&wire.Hello{Kind: wire.TypeHello}},
		"gossip":                      {&wire.Delta{}},
		"an ERR":                      {&wire.Err{Code: wire.CodeLimit}},
	} {
		s := newSession(x.e, x.e.sync.pinNow(n.nodes[1].e.Origin()), answering)
		for i, m := range frames {
			if state := s.Receive(m, x.step); (state == SessionOver) != (i == len(frames)-1) {
				t.Errorf("%s: state %v after frame %d", name, state, i)
			}
		}
		if s.end != EndAborted {
			t.Errorf("%s: end %v", name, s.end)
		}
		x.e.sync.served = 0
	}
	probe := x.e.sync.pinNow(n.nodes[1].e.Origin())
	probe.flags = wire.HelloProbe
	for _, m := range []wire.Msg{&wire.Cells{}, &wire.Purge{}, &wire.Ctx{}, &wire.Shown{}, &wire.Accepted{}} {
		if s := newSession(x.e, probe, answering); s.Receive(m, x.step) != SessionOver {
			t.Errorf("a read-only session took %v", m.Type())
		}
		x.e.sync.served = 0
	}
}

// TestMissedCellsKeepTheContextOut: who has not got all that SHOWN counts would
// remember dots of cells that it does not have.
func TestMissedCellsKeepTheContextOut(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	n.meet()
	n.run(time.Second)
	x := n.nodes[0]
	one := &wire.Cells{Cells: []*cell.Cell{n.foreign("k", "1", 0)}}
	x.e.hasher.Seal(one.Cells[0])
	for _, c := range []struct {
		came []wire.Msg
		sent uint64
		end  SessionState
	}{
		{nil, 0, SessionRunning},
		{nil, 1, SessionOver},
		{[]wire.Msg{one}, 1, SessionRunning},
		{[]wire.Msg{one}, 0, SessionOver},
		{[]wire.Msg{one}, 2, SessionOver},
		{[]wire.Msg{one, one}, 2, SessionRunning},
	} {
		s := newSession(x.e, x.e.sync.pinNow(n.nodes[1].e.Origin()), answering)
		for _, m := range append(c.came, &wire.Shown{Sent: c.sent}) {
			s.Receive(m, x.step)
		}
		if s.state != c.end || c.end == SessionOver && s.Err() != errCellsMissed {
			t.Errorf("%d cells came of %d: state %v, %v", len(c.came), c.sent, s.state, s.Err())
		}
		x.e.sync.served = 0
	}
}

func TestUnknownFramesAreIgnored(t *testing.T) {
	n := newSyncNet(t, 1, nil)
	x := n.nodes[0]
	s := newSession(x.e, x.e.sync.pinNow(7), answering)
	if s.Receive(nil, x.step) != SessionRunning {
		t.Error("a frame of a later version ended the session")
	}
}

// TestNothingIsShownBeforeThePeerIsDone: a leg that is full may come from a peer
// that has more to say; of any other what it has caused is the end.
func TestNothingIsShownBeforeThePeerIsDone(t *testing.T) {
	n := newSyncNet(t, 2, nil)
	n.meet()
	n.run(time.Second)
	x := n.nodes[0]
	for _, c := range []struct {
		says  string
		leg   wire.Range
		after wire.Type
	}{
		{"much", wire.Range{Mode: wire.ModeWant, Want: make([]uint64, legBytes/8)}, wire.TypeRanges},
		{"little", wire.Range{Mode: wire.ModeWant, Want: []uint64{4711}}, wire.TypeShown},
		{"nothing", wire.Range{Mode: wire.ModeSkip}, wire.TypeShown},
	} {
		s := newSession(x.e, x.e.sync.pinNow(n.nodes[1].e.Origin()), answering)
		s.Receive(&wire.Ranges{Phase: wire.PhaseCtx, Ranges: []wire.Range{{Mode: wire.ModeSkip}}}, x.step)
		s.Receive(&wire.Ranges{Ranges: []wire.Range{c.leg}}, x.step)
		if m, ok := s.Next(); !ok || m.Type() != c.after {
			t.Errorf("a leg that says %s is answered with %v", c.says, m)
		}
	}
}
