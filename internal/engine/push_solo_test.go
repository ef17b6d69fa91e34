package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/wire"
)

// solo is one engine whose peers are the test: what it sends is looked at.
type solo struct {
	*pushNode
	seqs map[cell.Origin]uint64
}

// newSolo starts an engine that sees n peers, of the origins 1 to n.
func newSolo(t *testing.T, n int, change func(*Config)) *solo {
	t.Helper()
	net := newPushNet(t, 1, 7, change)
	x := &solo{pushNode: net.nodes[0], seqs: make(map[cell.Origin]uint64)}
	x.keep = true
	x.step(PeersChanged{View: NewView(soloPeers(n))})
	return x
}

func soloPeers(n int) []Peer {
	peers := make([]Peer, n)
	for i := range peers {
		peers[i] = Peer{Name: fmt.Sprintf("peer-%d", i+1), Origin: cell.Origin(i + 1)}
	}
	return peers
}

// recv feeds a packet of a peer, by way of its bytes, and returns what was sent
// in the same Step.
func (x *solo) recv(from cell.Origin, m wire.Msg) []Packet {
	x.n.t.Helper()
	x.seqs[from]++
	return x.recvSeq(from, x.seqs[from], m)
}

func (x *solo) recvSeq(from cell.Origin, seq uint64, m wire.Msg) []Packet {
	x.n.t.Helper()
	f := wire.Frame{Header: wire.Header{Origin: from, Now: hlc.Make(x.reading().Wall, 0), Seq: seq}, Msg: m}
	b, err := x.n.codec.Append(nil, f)
	if err != nil {
		x.n.t.Fatalf("append: %v", err)
	}
	before := len(x.outbox)
	x.receive(b)
	return x.outbox[before:]
}

// pass lets time pass and returns what was sent in it.
func (x *solo) pass(d time.Duration) []Packet {
	before := len(x.outbox)
	x.n.run(d)
	return x.outbox[before:]
}

// foreign makes the n-th cell of a peer, some time ago.
func (x *solo) foreign(o cell.Origin, n uint64, key, body string, ago time.Duration) *cell.Cell {
	c := cell.New(cell.Spec{
		Addr: cell.At(key, "r"), Ver: cell.Ver{T: hlc.Make(x.reading().Wall-ago.Milliseconds(), uint16(n)), O: o, N: n},
		Body: []byte(body),
	})
	h := x.e.Hasher()
	h.Seal(c)
	return c
}

func deltaOf(s wire.Span, cells ...*cell.Cell) *wire.Delta {
	return &wire.Delta{Groups: []wire.Group{{Span: s, Cells: cells}}}
}

// hops lists where a dot was pushed to, in DELTAs and ADVERTs.
func hops(sent []Packet, d cell.Dot) []hop {
	var out []hop
	for _, p := range sent {
		switch m := p.Frame.Msg.(type) {
		case *wire.Delta:
			for _, g := range m.Groups {
				if slices.ContainsFunc(g.Cells, func(c *cell.Cell) bool { return c.Dot() == d }) {
					out = append(out, hop{to: p.To, span: g.Span})
				}
			}
		case *wire.Advert:
			if slices.ContainsFunc(m.Ads, func(ad wire.Ad) bool { return ad.Cell.Dot() == d }) {
				out = append(out, hop{to: p.To, span: m.Span})
			}
		}
	}
	return out
}

// only returns the packets of one message type.
func only[M wire.Msg](sent []Packet) (out []Packet) {
	for _, p := range sent {
		if _, ok := p.Frame.Msg.(M); ok {
			out = append(out, p)
		}
	}
	return out
}

// covered lists the origins that stand in the ranges of hops, sorted, each as
// often as it is covered.
func (x *solo) covered(hs []hop) []cell.Origin {
	var out []cell.Origin
	for _, h := range hs {
		p := x.e.peers.members(h.span)
		for i := range p.n {
			out = append(out, x.e.peers.origin(p, i))
		}
	}
	slices.Sort(out)
	return out
}

// inSpan lists the origins of a range, sorted.
func (x *solo) inSpan(spans ...wire.Span) []cell.Origin {
	var hs []hop
	for _, s := range spans {
		hs = append(hs, hop{span: s})
	}
	return x.covered(hs)
}

// arc is a range of the ring that holds about a share of it, from a start on.
func arc(start, share float64) wire.Span {
	const ring = float64(1<<63) * 2
	lo := uint64(start * ring)
	return wire.Span{Lo: lo, Hi: lo + uint64(share*ring)}
}

// dirtied reports how often a peer was marked.
func (x *solo) dirtied(o cell.Origin) int { return x.dirty[o] }

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 99)) }
