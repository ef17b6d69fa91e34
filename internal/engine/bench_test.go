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

// What a node of a usual cluster does for one cell of a peer, and for one of
// its own: 64 members, 100,000 keys. Packets are sent by nobody; what the
// pusher does in its ticks is part of the price.
const (
	benchMembers = 64
	benchKeys    = 100_000
)

// benchNode is one engine that holds the keys, and the peer that writes to it.
type benchNode struct {
	b     testing.TB
	e     *Engine
	codec *wire.Codec
	rnd   *rand.Rand
	now   hlc.Reading
	wake  time.Duration
	seq   uint64
	n     uint64   // of the peer's last cell
	last  hlc.Time // of that cell
	dots  []uint64
}

const benchPeer cell.Origin = 2000

func newBenchNode(b testing.TB, keys int) *benchNode {
	b.Helper()
	n := &benchNode{
		b: b, codec: wire.New(cell.NewHasher("bench")), rnd: rand.New(rand.NewPCG(1, 2)),
		now: hlc.Reading{Wall: wallStart}, dots: make([]uint64, keys),
	}
	n.e = New(Config{
		Cluster: "bench", Name: "self", Origin: 1, Rand: rand.New(rand.NewPCG(3, 4)), Alone: true,
		Tells: func(k EventKind) bool { return k != EventApplied },
	})
	n.step(Tick{})
	for i := 0; i < keys; i += MaxStepCells {
		n.e.begin(n.now)
		for j := i; j < min(i+MaxStepCells, keys); j++ {
			n.e.apply(n.cell(j))
		}
		n.e.end()
	}
	var peers []Peer
	for i := range benchMembers - 1 {
		peers = append(peers, Peer{Name: fmt.Sprintf("node-%d", i), Origin: benchPeer + cell.Origin(i)})
	}
	n.step(PeersChanged{View: NewView(peers)})
	return n
}

func benchAddr(i int) cell.Addr { return cell.At(fmt.Sprintf("service/instance-%06d", i), "r") }

// cell is the next write of the peer to a key, which names the one before.
func (n *benchNode) cell(key int) *cell.Cell {
	n.n++
	n.last = max(n.last.Next(), hlc.Make(n.now.Wall, 0))
	s := cell.Spec{
		Addr:  benchAddr(key),
		Ver:   cell.Ver{T: n.last, O: benchPeer, N: n.n},
		Codec: "json", Body: []byte("0123456789abcdef0123456789abcdef"),
	}
	if old := n.dots[key]; old != 0 {
		s.Prev = []cell.Run{{O: benchPeer, From: old, Len: 1}}
	}
	n.dots[key] = n.n
	c := cell.New(s)
	h := cell.NewHasher("bench")
	h.Seal(c)
	return c
}

// packet is a DELTA of the peer with some cells, whose range this node has to
// serve a part of.
func (n *benchNode) packet(cells int) []byte {
	n.seq++
	g := wire.Group{Span: wire.Span{Lo: 0, Hi: 1 << 60}}
	for range cells {
		g.Cells = append(g.Cells, n.cell(n.rnd.IntN(len(n.dots))))
	}
	f := wire.Frame{
		Header: wire.Header{Origin: benchPeer, Now: hlc.Make(n.now.Wall, 0), Seq: n.seq},
		Msg:    &wire.Delta{Groups: []wire.Group{g}},
	}
	b, err := n.codec.Append(nil, f)
	if err != nil {
		n.b.Fatal(err)
	}
	return b
}

// step feeds one input, after the ticks that were due before.
func (n *benchNode) step(in Input) {
	for n.wake > 0 && n.wake <= n.now.Mono {
		n.wake = n.e.Step(n.now, Tick{}).Wake
		if n.wake <= n.now.Mono {
			break
		}
	}
	n.wake = n.e.Step(n.now, in).Wake
}

func (n *benchNode) pass(d time.Duration) {
	n.now.Mono += d
	n.now.Wall = wallStart + n.now.Mono.Milliseconds()
}

// BenchmarkRemoteCell is Parse and Step of DELTAs, with one cell or with 20, one
// in a Step or twelve, at 1,000 Steps per second, among the keys of a registry of
// 5,000 instances in two parts or among 100,000. ns/op is per Step; see the
// ns/cell.
func BenchmarkRemoteCell(b *testing.B) {
	for _, keys := range []int{10_000, benchKeys} {
		for _, at := range []struct{ packets, cells int }{{1, 1}, {1, 20}, {12, 20}} {
			b.Run(fmt.Sprintf("keys=%d/packets=%d/cells=%d", keys, at.packets, at.cells), func(b *testing.B) {
				n := newBenchNode(b, keys)
				ahead := 1000 / at.packets
				var packets [][]byte
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					if i%ahead == 0 {
						b.StopTimer()
						packets = packets[:0]
						for range min(ahead, b.N-i) * at.packets {
							packets = append(packets, n.packet(at.cells))
						}
						b.StartTimer()
					}
					n.pass(time.Millisecond)
					n.take(packets[i%ahead*at.packets:][:at.packets])
				}
				cells := b.N * at.packets * at.cells
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(cells), "ns/cell")
				b.StopTimer()
				if got := n.e.counters.Events[EventApplied]; got != uint64(keys+cells) {
					b.Fatalf("%d cells applied, want %d", got, keys+cells)
				}
			})
		}
	}
}

// take parses packets and feeds them in one Step.
func (n *benchNode) take(packets [][]byte) {
	var in Packets
	for _, raw := range packets {
		f, err := n.codec.Parse(raw)
		if err != nil {
			n.b.Fatal(err)
		}
		in.Frames = append(in.Frames, f)
	}
	n.step(in)
}

// TestRemoteCellAllocates: a cell of a peer costs itself, what stores it and the
// nodes on its way, and the packet it came in a few things more.
func TestRemoteCellAllocates(t *testing.T) {
	for _, tc := range []struct {
		cells int
		most  float64
	}{{1, 28}, {20, 9.8}} {
		n := newBenchNode(t, 10_000)
		const packets = 200
		var raw [][]byte
		for range packets + 1 {
			raw = append(raw, n.packet(tc.cells))
		}
		i := 0
		got := testing.AllocsPerRun(packets, func() {
			n.pass(time.Millisecond)
			n.take(raw[i : i+1])
			i++
		})
		if got /= float64(tc.cells); got > tc.most {
			t.Errorf("a cell in a packet of %d: %.1f allocations, want at most %v", tc.cells, got, tc.most)
		}
	}
}

// BenchmarkCommit is one local write of a key that stands, at 1,000 per second.
func BenchmarkCommit(b *testing.B) {
	n := newBenchNode(b, benchKeys)
	body := []byte("0123456789abcdef0123456789abcdef")
	addrs := make([]cell.Addr, benchKeys)
	for i := range addrs {
		addrs[i] = benchAddr(i)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		n.pass(time.Millisecond)
		fx, err := n.e.Commit(n.now, Tx{Writes: []Write{{Addr: addrs[n.rnd.IntN(benchKeys)], Codec: "json", Body: body}}})
		if err != nil {
			b.Fatal(err)
		}
		n.wake = fx.Wake
	}
}
