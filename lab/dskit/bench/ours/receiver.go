package ours

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/wire"
	"github.com/starlingkv/starling/lab/dskit/bench"
)

// receiver is an engine of a cluster of 64 that holds a table and gets packets
// of one peer, through their bytes. Its clock is made up and goes on with every
// packet, so that what it does in its ticks is part of the price.
type receiver struct {
	codec  *wire.Codec
	hasher cell.Hasher
	engine *engine.Engine
	now    time.Duration
	wake   time.Duration
	seq, n uint64
	last   hlc.Time
	dots   []uint64 // by instance: the peer's last write of its hot part
	failed error
}

const (
	peerOrigin cell.Origin = 2
	members                = 64
	perPacket              = 20 * time.Microsecond // 50,000 packets in a second
)

// Receiver is part of bench.System.
func (System) Receiver(n, tokens int) (bench.Receiver, error) {
	h := cell.NewHasher(cluster)
	r := &receiver{codec: wire.New(h), hasher: h, now: time.Second, dots: make([]uint64, n)}
	r.engine = engine.New(engine.Config{
		Cluster: cluster, Name: "node-0", Origin: 1, Alone: true, Rand: rand.New(rand.NewPCG(1, 2)),
		Tells: func(k engine.EventKind) bool { return k != engine.EventApplied }, // as a node has it
	})
	r.step(engine.Tick{})
	peers := make([]engine.Peer, members-1)
	for i := range peers {
		peers[i] = engine.Peer{Name: fmt.Sprintf("node-%d", i+1), Origin: peerOrigin + cell.Origin(i)}
	}
	r.step(engine.PeersChanged{View: engine.NewView(peers)})
	for i := range n {
		parts, err := instances{}.Parts(bench.MakeInstance(i, tokens, 1))
		if err != nil {
			return nil, err
		}
		for k, body := range parts {
			r.deliver([]*cell.Cell{r.cell(i, k, body)})
		}
	}
	return r, r.failed
}

// place is where a part of an instance stands.
func place(id string, part int) cell.Addr {
	return cell.At(bench.RegistryKey, "m"+id+"\x00"+string(rune(part)))
}

// cell is the peer's next write of a part, which names the one before.
func (r *receiver) cell(i, part int, body []byte) *cell.Cell {
	r.n++
	r.last = max(r.last.Next(), hlc.Make(r.reading().Wall, 0))
	s := cell.Spec{
		Addr: place(bench.InstanceID(i), part), Ver: cell.Ver{T: r.last, O: peerOrigin, N: r.n},
		Codec: "map." + instances{}.CodecID(), Body: body,
	}
	if part == 0 {
		if old := r.dots[i]; old != 0 {
			s.Prev = []cell.Run{{O: peerOrigin, From: old, Len: 1}}
		}
		r.dots[i] = r.n
	}
	c := cell.New(s)
	r.hasher.Seal(c)
	return c
}

func (r *receiver) reading() hlc.Reading {
	return hlc.Reading{Wall: wallFrom + r.now.Milliseconds(), Mono: r.now}
}

func (r *receiver) step(in engine.Input) {
	if r.wake > 0 && r.wake <= r.now {
		r.wake = r.engine.Step(r.reading(), engine.Tick{}).Wake
	}
	r.wake = r.engine.Step(r.reading(), in).Wake
}

// packet is a DELTA of the peer, whose range this node has to serve a part of.
func (r *receiver) packet(cells []*cell.Cell) []byte {
	r.seq++
	b, err := r.codec.Append(nil, wire.Frame{
		Header: wire.Header{Origin: peerOrigin, Now: r.last, Seq: r.seq},
		Msg:    &wire.Delta{Groups: []wire.Group{{Span: wire.Span{Lo: 0, Hi: 1 << 60}, Cells: cells}}},
	})
	if err != nil {
		r.failed = err
	}
	return b
}

func (r *receiver) receive(b []byte) {
	r.now += perPacket
	f, err := r.codec.Parse(b)
	if err != nil {
		r.failed = err
		return
	}
	r.step(engine.Received{Frame: f})
}

func (r *receiver) deliver(cells []*cell.Cell) { r.receive(r.packet(cells)) }

// Packets is part of bench.Receiver.
func (r *receiver) Packets(beats []bench.Beat, per int) []func() {
	var out []func()
	for some := range slices.Chunk(beats, per) {
		cells := make([]*cell.Cell, len(some))
		for i, beat := range some {
			parts, err := instances{}.Parts(bench.Instance{Seen: bench.SeenAt(beat.Tick)})
			if err != nil {
				r.failed = err
			}
			cells[i] = r.cell(beat.Instance, 0, parts[0])
		}
		b := r.packet(cells)
		out = append(out, func() { r.receive(b) })
	}
	return out
}

// Settle is part of bench.Receiver: a Step is done when it returns.
func (r *receiver) Settle() {
	if r.failed != nil {
		panic(r.failed)
	}
}

// Open is part of bench.Receiver.
func (r *receiver) Open() bench.Table { return received{r.engine.Root()} }

type received struct{ *engine.Root }

// Get is part of bench.Table.
func (t received) Get(id string) (bench.Instance, bool) {
	parts := make([][]byte, 2)
	for k := range parts {
		s, ok := t.Tree.Get(string(place(id, k)))
		if !ok || !s.Visible() {
			return bench.Instance{}, false
		}
		parts[k] = s.Body
	}
	in, err := instances{}.Join(parts)
	return in, err == nil
}

// Close is part of bench.Receiver.
func (r *receiver) Close() error { return r.failed }
