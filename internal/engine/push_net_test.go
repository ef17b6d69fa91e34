package engine

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/wire"
)

// pushNet is a network of engines that only push: what belongs to sessions is
// not delivered. Everything goes through the bytes.
type pushNet struct {
	t     *testing.T
	rnd   *rand.Rand
	codec *wire.Codec
	nodes []*pushNode
	now   time.Duration
	todo  netQueue
	order int

	loss float64
	drop func(from, to *pushNode, f wire.Frame) bool // what else is lost

	packets map[wire.Type]int
	cells   int            // payloads: cells and ads in packets
	events  map[string]int // by kind, of all nodes
}

type pushNode struct {
	n    *pushNet
	name string
	e    *Engine
	dead bool
	wake time.Duration
	// forwarded counts how often a cell went out with a range from this node,
	// without the answers to WANTs.
	forwarded map[string]int
	answering bool
	dirty     map[cell.Origin]int
	keep      bool // keep in outbox what is sent, and in dials what is dialed
	outbox    []Packet
	dials     []Dial
}

type netEvent struct {
	at    time.Duration
	order int
	do    func()
}

type netQueue []netEvent

func (q netQueue) Len() int { return len(q) }

func (q netQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q netQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *netQueue) Push(x any)   { *q = append(*q, x.(netEvent)) }
func (q *netQueue) Pop() any     { o := *q; e := o[len(o)-1]; *q = o[:len(o)-1]; return e }

// newPushNet starts n engines that see each other.
func newPushNet(t *testing.T, n int, seed uint64, change func(*Config)) *pushNet {
	t.Helper()
	net := &pushNet{
		t: t, rnd: rand.New(rand.NewPCG(seed, 1)), codec: wire.New(cell.NewHasher("test")),
		packets: make(map[wire.Type]int), events: make(map[string]int),
	}
	for i := range n {
		cfg := Config{
			Cluster: "test", Name: fmt.Sprintf("node-%d", i), Origin: cell.Origin(1000 + i),
			Rand: rand.New(rand.NewPCG(seed, uint64(i+2))), Alone: true,
		}
		if change != nil {
			change(&cfg)
		}
		net.nodes = append(net.nodes, &pushNode{
			n: net, name: cfg.Name, e: New(cfg), wake: never,
			forwarded: make(map[string]int), dirty: make(map[cell.Origin]int),
		})
	}
	for i := range net.nodes {
		net.see(i)
	}
	return net
}

// see gives a node the view of all others.
func (n *pushNet) see(i int) {
	var peers []Peer
	for j, o := range n.nodes {
		if j != i {
			peers = append(peers, Peer{Name: o.name, Origin: o.e.Origin()})
		}
	}
	n.nodes[i].step(PeersChanged{View: NewView(peers)})
}

func (n *pushNet) at(d time.Duration, do func()) {
	n.order++
	heap.Push(&n.todo, netEvent{at: d, order: n.order, do: do})
}

// run lets time pass.
func (n *pushNet) run(d time.Duration) {
	end := n.now + d
	for len(n.todo) > 0 && n.todo[0].at <= end {
		ev := heap.Pop(&n.todo).(netEvent)
		n.now = max(n.now, ev.at)
		ev.do()
	}
	n.now = end
}

func (n *pushNet) node(o cell.Origin) *pushNode {
	for _, x := range n.nodes {
		if x.e.Origin() == o {
			return x
		}
	}
	return nil
}

func (x *pushNode) reading() hlc.Reading {
	return hlc.Reading{Wall: 1_700_000_000_000 + x.n.now.Milliseconds(), Mono: x.n.now + time.Second}
}

func (x *pushNode) step(in Input) Effects {
	fx := x.e.Step(x.reading(), in)
	x.perform(fx)
	return fx
}

// put writes on a node.
func (x *pushNode) put(key string, body []byte) *cell.Cell {
	x.n.t.Helper()
	fx, err := x.e.Commit(x.reading(), Tx{Writes: []Write{{Addr: cell.At(key, "r"), Body: body}}})
	if err != nil {
		x.n.t.Fatalf("commit of %q: %v", key, err)
	}
	x.perform(fx)
	return x.get(key).Cell
}

// get returns the stored cell of a key, or nil.
func (x *pushNode) get(key string) *cell.Stored {
	s, _ := x.e.Root().Tree.Get(string(cell.At(key, "r")))
	return s
}

func (x *pushNode) perform(fx Effects) {
	for _, ev := range fx.Events {
		x.n.events[ev.Kind.String()]++
		if ev.Kind == EventDirty {
			x.dirty[ev.Peer]++
		}
	}
	for _, p := range fx.Send {
		x.send(p)
	}
	for _, d := range fx.Dial {
		switch {
		case d.Fetch == nil:
		case x.keep:
			x.dials = append(x.dials, d)
		default:
			x.fetch(d)
		}
	}
	if at := fx.Wake - time.Second; at < x.wake || x.wake < x.n.now {
		x.wake = at
		x.n.at(max(at, x.n.now), func() {
			if x.wake == at && !x.dead {
				x.wake = never
				x.step(Tick{})
			}
		})
	}
}

func (x *pushNode) send(p Packet) {
	n := x.n
	b, err := n.codec.Append(nil, p.Frame)
	if err != nil {
		n.t.Fatalf("%s sends what does not encode: %v", x.name, err)
	}
	x.inspect(p, len(b))
	if x.keep {
		x.outbox = append(x.outbox, p)
	}
	to := n.node(p.To)
	if p.Frame.Msg.Type() > wire.TypeBody || to == nil || to.dead {
		return
	}
	if n.rnd.Float64() < n.loss || n.drop != nil && n.drop(x, to, p.Frame) {
		return
	}
	n.at(n.now+n.delay(), func() { to.receive(b) })
}

// inspect counts a packet and checks what holds for all of them.
func (x *pushNode) inspect(p Packet, size int) {
	n := x.n
	n.packets[p.Frame.Msg.Type()]++
	switch m := p.Frame.Msg.(type) {
	case *wire.Delta:
		cells := 0
		for _, g := range m.Groups {
			cells += len(g.Cells)
			for _, c := range g.Cells {
				if !x.answering {
					x.forwarded[fmt.Sprint(c.Dot(), g.Span)]++
				}
			}
		}
		n.cells += cells
		if size > x.e.cfg.PacketBudget && cells > 1 {
			n.t.Errorf("%s sends %d cells in %d bytes, budget is %d", x.name, cells, size, x.e.cfg.PacketBudget)
		}
	case *wire.Advert:
		n.cells += len(m.Ads)
	default:
		if size > x.e.cfg.PacketBudget {
			n.t.Errorf("%s sends a %v of %d bytes, budget is %d", x.name, m.Type(), size, x.e.cfg.PacketBudget)
		}
	}
}

func (x *pushNode) receive(b []byte) {
	if x.dead {
		return
	}
	f, err := x.n.codec.Parse(b)
	if err != nil {
		x.n.t.Fatalf("%s got what does not parse: %v", x.name, err)
	}
	_, x.answering = f.Msg.(*wire.Want)
	x.step(Received{Frame: f})
	x.answering = false
}

// fetch runs a stream that brings bodies, a frame per delay.
func (x *pushNode) fetch(d Dial) {
	n := x.n
	n.packets[wire.TypeFetch]++
	to := n.node(d.To)
	n.at(n.now+n.delay(), func() {
		if to == nil || to.dead {
			x.step(FetchFailed{To: d.To, Fetch: d.Fetch})
			return
		}
		at := n.now
		for body := range ServeFetch(to.e.Root(), d.Fetch) {
			f := wire.Frame{Header: wire.Header{Origin: to.e.Origin(), Now: to.e.Now(), Stream: true}, Msg: body}
			b, err := n.codec.Append(nil, f)
			if err != nil {
				n.t.Fatalf("a body does not encode: %v", err)
			}
			at += n.delay()
			n.at(at, func() { x.receive(b) })
		}
		n.at(at+1, func() { x.step(FetchFailed{To: d.To, Fetch: d.Fetch}) })
	})
}

func (n *pushNet) delay() time.Duration {
	return time.Millisecond/2 + time.Duration(n.rnd.Int64N(int64(time.Millisecond)))
}

// missing counts the live nodes that do not store exactly this cell.
func (n *pushNet) missing(c *cell.Cell) int {
	miss := 0
	for _, x := range n.nodes {
		s, ok := x.e.Root().Tree.Get(string(c.Addr))
		if !x.dead && (!ok || s.Hash() != c.Hash()) {
			miss++
		}
	}
	return miss
}
