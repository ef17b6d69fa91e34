package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/wire"
)

// syncStart is the wall clock when a syncNet begins.
const syncStart = 1_800_000_000_000

// syncNet is engines that reconcile and do not push: only HELLO, its answers
// and streams are carried, all of them through the bytes. Streams run frame by
// frame, and a test may do anything between two frames.
type syncNet struct {
	t     *testing.T
	codec *wire.Codec
	nodes []*syncNode
	now   time.Duration

	drop    func(from, to *syncNode, m wire.Msg) bool    // packets that are lost
	between func(i int, from *syncNode, m wire.Msg) bool // before the i-th stream frame; true cuts the stream
	refuse  bool                                         // no stream can be had

	packets  map[wire.Type]int
	frames   map[wire.Type]int
	other    map[sentBy]int // packets that are not carried
	bytes    int            // of streams, bodies included
	meta     int            // of streams without CELLS and BODY
	turns    int
	cells    int // in streams
	inPacket int // bytes
}

// sentBy is a type of packet from one node.
type sentBy struct {
	from string
	what wire.Type
}

type syncNode struct {
	net    *syncNet
	name   string
	e      *Engine
	wake   time.Duration
	skew   time.Duration
	events []Event
}

func newSyncNet(t *testing.T, n int, change func(i int, c *Config)) *syncNet {
	t.Helper()
	net := &syncNet{
		t: t, codec: wire.New(cell.NewHasher("test")), now: time.Second,
		packets: make(map[wire.Type]int), frames: make(map[wire.Type]int), other: make(map[sentBy]int),
	}
	for i := range n {
		cfg := Config{
			Cluster: "test", Name: fmt.Sprintf("node-%d", i), Origin: cell.Origin(1000 + i),
			Rand: rand.New(rand.NewPCG(7, uint64(i+2))), Alone: true,
		}
		if change != nil {
			change(i, &cfg)
		}
		net.nodes = append(net.nodes, &syncNode{net: net, name: cfg.Name, e: New(cfg), wake: never})
	}
	return net
}

// meet lets every node see all others.
func (n *syncNet) meet() {
	for i, x := range n.nodes {
		var peers []Peer
		for j, o := range n.nodes {
			if j != i {
				peers = append(peers, Peer{Name: o.name, Origin: o.e.Origin()})
			}
		}
		x.step(PeersChanged{View: NewView(peers)})
	}
}

func (x *syncNode) reading() hlc.Reading {
	return hlc.Reading{Wall: syncStart + (x.net.now + x.skew).Milliseconds(), Mono: x.net.now}
}

func (x *syncNode) step(in Input) Effects {
	fx := x.e.Step(x.reading(), in)
	x.perform(fx)
	return fx
}

func (x *syncNode) perform(fx Effects) {
	n := x.net
	x.wake = fx.Wake
	x.events = append(x.events, fx.Events...)
	for _, p := range fx.Send {
		n.carry(x, p)
	}
	for _, d := range fx.Dial {
		if d.Session != nil {
			n.stream(x, d)
		}
	}
}

// carry delivers a packet of reconciliation at once, and no other.
func (n *syncNet) carry(from *syncNode, p Packet) {
	switch p.Frame.Msg.(type) {
	case *wire.Hello, *wire.InSync, *wire.Busy, *wire.Err, *wire.Ranges:
	default:
		n.other[sentBy{from.name, p.Frame.Msg.Type()}]++
		return
	}
	to := n.byOrigin(p.To)
	n.packets[p.Frame.Msg.Type()]++
	f, size := n.coded(p.Frame)
	if n.inPacket += size; size > from.e.cfg.PacketBudget {
		n.t.Errorf("%v of %d bytes in a packet of at most %d", f.Msg.Type(), size, from.e.cfg.PacketBudget)
	}
	if to == nil || n.drop != nil && n.drop(from, to, f.Msg) {
		return
	}
	to.step(Received{Frame: f})
}

func (n *syncNet) coded(f wire.Frame) (wire.Frame, int) {
	n.t.Helper()
	b, err := n.codec.Append(nil, f)
	if err != nil {
		n.t.Fatalf("encode %v: %v", f.Msg.Type(), err)
	}
	out, err := n.codec.Parse(b)
	if err != nil {
		n.t.Fatalf("parse %v: %v", f.Msg.Type(), err)
	}
	return out, len(b)
}

func (n *syncNet) byOrigin(o cell.Origin) *syncNode {
	for _, x := range n.nodes {
		if x.e.Origin() == o {
			return x
		}
	}
	return nil
}

// stream runs a session to its end, or to where a test cuts it.
func (n *syncNet) stream(x *syncNode, d Dial) {
	n.t.Helper()
	y := n.byOrigin(d.To)
	if y == nil || n.refuse {
		d.Session.Abort(x.step)
		return
	}
	a := d.Session
	a.Start()
	var b *Session
	nodes, at := [2]*syncNode{x, y}, 0
	sessions := func() [2]*Session { return [2]*Session{a, b} }
	for i := 0; ; {
		from, to := nodes[at], nodes[1-at]
		said := false
		for {
			m, ok := sessions()[at].Next()
			if !ok {
				break
			}
			said = true
			if n.between != nil && n.between(i, from, m) {
				a.Abort(x.step)
				if b != nil {
					b.Abort(y.step)
				}
				return
			}
			i++
			f := n.count(from, m)
			if b == nil {
				fx := to.step(Opened{From: from.e.Origin(), Open: f.Msg.(*wire.Hello)})
				if b = fx.Accept; b == nil {
					r := n.count(to, fx.Refuse)
					a.Receive(r.Msg, x.step)
					return
				}
				continue
			}
			sessions()[1-at].Receive(f.Msg, to.step)
		}
		if !said {
			n.t.Fatalf("a session waits for ever: asking %+v, answering %+v", a.state, b.state)
		}
		n.turns++
		if a.state == SessionOver && b.state == SessionOver {
			return
		}
		at = 1 - at
	}
}

func (n *syncNet) count(from *syncNode, m wire.Msg) wire.Frame {
	n.t.Helper()
	f, size := n.coded(wire.Frame{Header: wire.Header{Origin: from.e.Origin(), Now: from.e.Now(), Stream: true}, Msg: m})
	n.frames[m.Type()]++
	n.bytes += size
	if c, ok := m.(*wire.Cells); ok {
		n.cells += len(c.Cells)
	}
	if t := m.Type(); t != wire.TypeCells && t != wire.TypeBody {
		n.meta += size
	}
	return f
}

// run lets time pass, tick by tick.
func (n *syncNet) run(d time.Duration) {
	for end := n.now + d; ; {
		at, who := end, -1
		for i, x := range n.nodes {
			if x.wake < at || x.wake == at && who < 0 {
				at, who = x.wake, i
			}
		}
		n.now = max(n.now, at)
		if who < 0 {
			return
		}
		before := n.nodes[who].wake
		n.nodes[who].step(Tick{})
		if n.nodes[who].wake == before && before == n.now {
			n.nodes[who].wake++ // a timer that is due must have been run
		}
	}
}

// ask has a node reconcile with another now, and forgets what was counted.
func (n *syncNet) ask(x, y int) {
	n.t.Helper()
	a := n.nodes[x]
	n.forget()
	a.e.begin(a.reading())
	a.e.sync.asked = nil
	a.e.sync.ask(n.nodes[y].e.Origin())
	a.perform(a.e.end())
}

func (n *syncNet) forget() {
	clear(n.packets)
	clear(n.frames)
	n.bytes, n.meta, n.turns, n.cells, n.inPacket = 0, 0, 0, 0, 0
	for _, x := range n.nodes {
		x.events = nil
	}
}

func (x *syncNode) told(k EventKind) (n int) {
	for _, ev := range x.events {
		if ev.Kind == k {
			n++
		}
	}
	return n
}

// ends counts how a node's sessions ended.
func (x *syncNode) ends(end SessionEnd) (n int) {
	for _, ev := range x.events {
		if ev.Kind == EventSession && SessionEnd(ev.N) == end {
			n++
		}
	}
	return n
}

func (x *syncNode) write(ws ...Write) []*cell.Cell {
	x.net.t.Helper()
	fx, err := x.e.Commit(x.reading(), Tx{Writes: ws})
	if err != nil {
		x.net.t.Fatalf("commit: %v", err)
	}
	x.perform(fx)
	var out []*cell.Cell
	for _, w := range ws {
		out = append(out, x.at(w.Addr))
	}
	return out
}

func (x *syncNode) put(key, v string) *cell.Cell {
	x.net.t.Helper()
	return x.write(Write{Addr: cell.At(key, "r"), Codec: "bytes", Body: []byte(v)})[0]
}

func (x *syncNode) del(key string) {
	x.net.t.Helper()
	x.write(Write{Addr: cell.FloorOf(key), Tomb: true})
}

func (x *syncNode) at(a cell.Addr) *cell.Cell {
	if s, ok := x.e.Root().Tree.Get(string(a)); ok {
		return s.Cell
	}
	return nil
}

// take joins cells as if gossip had brought them.
func (x *syncNode) take(cells ...*cell.Cell) {
	x.e.begin(x.reading())
	for _, c := range cells {
		x.e.apply(c)
	}
	x.perform(x.e.end())
}

func (x *syncNode) value(key string) string {
	s, ok := x.e.Root().Tree.Get(string(cell.At(key, "r")))
	if !ok || !s.Visible() {
		return "-"
	}
	return string(s.Body)
}

// wantEqual fails unless all nodes hold the same.
func (n *syncNet) wantEqual() {
	n.t.Helper()
	first := n.nodes[0].e.Root()
	for _, x := range n.nodes[1:] {
		r := x.e.Root()
		if got, want := treeSum(r), treeSum(first); got != want {
			n.t.Errorf("%s holds %+v, %s holds %+v", x.name, got, n.nodes[0].name, want)
		}
		if got, want := ctxSum(r), ctxSum(first); got != want {
			n.t.Errorf("%s remembers %+v, %s remembers %+v", x.name, got, n.nodes[0].name, want)
		}
	}
}

// fill puts keys on both nodes of a pair, equal down to the context.
func (n *syncNet) fill(keys, size int) {
	n.t.Helper()
	x := n.nodes[0]
	rnd := rand.New(rand.NewPCG(3, 3))
	for from := 0; from < keys; from += MaxStepCells {
		var ws []Write
		for k := from; k < min(from+MaxStepCells, keys); k++ {
			body := make([]byte, size)
			for i := range body {
				body[i] = byte(rnd.Uint32())
			}
			ws = append(ws, Write{Addr: cell.At(fmt.Sprintf("ring/key-%07d", rnd.Uint32N(10_000_000)), "r"), Codec: "bytes", Body: body})
		}
		cells := x.write(ws...)
		for _, y := range n.nodes[1:] {
			y.take(cells...)
		}
	}
}

// hlcAt is a version's time at an offset from the start.
func hlcAt(d time.Duration) hlc.Time { return hlc.Make(syncStart+d.Milliseconds(), 0) }

// foreign is a cell of a process that nobody sees any more.
func (n *syncNet) foreign(key, v string, at time.Duration) *cell.Cell {
	c := cell.New(cell.Spec{
		Addr: cell.At(key, "r"), Ver: cell.Ver{T: hlcAt(n.now + at), O: 77, N: 1}, Codec: "bytes", Body: []byte(v),
	})
	h := cell.NewHasher("test")
	h.Seal(c)
	return c
}

// hold stores a cell whatever its time.
func (x *syncNode) hold(c *cell.Cell) {
	x.e.begin(x.reading())
	x.e.enter(c)
	x.e.put(c.Keep())
	x.perform(x.e.end())
}

// remember has a node remember a dot of an origin that nobody sees any more.
func (x *syncNode) remember(o cell.Origin) cell.Dot {
	d := cell.Dot{O: o, N: 7}
	x.e.begin(x.reading())
	x.e.edit().ctx.Add(d, hlcAt(0))
	x.perform(x.e.end())
	return d
}
