package ours

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/wire"
	"github.com/starlingkv/starling/lab/dskit/bench"
)

// Pair is part of bench.System: two engines whose frames go through their bytes,
// and whose clock is made up, so that waiting for the next session costs nothing.
func (System) Pair() (bench.Pair, error) {
	p := &pair{codec: wire.New(cell.NewHasher(cluster)), now: time.Second}
	for i := range p.ends {
		p.ends[i] = &end{pair: p, engine: engine.New(engine.Config{
			Cluster: cluster, Name: fmt.Sprintf("node-%d", i), Origin: cell.Origin(i + 1), Alone: true,
			Rand: rand.New(rand.NewPCG(1, uint64(i))),
			// At once: what the engine does in its ticks meanwhile is no part of a session.
			SyncInterval: time.Millisecond,
		})}
		p.ends[i].step(engine.Tick{})
	}
	return p, nil
}

const (
	cluster  = "bench"
	codec    = "bytes"
	wallFrom = 1_800_000_000_000
	subPlace = "r"
)

var (
	errStuck   = errors.New("both sides of a session wait")
	errTooLong = errors.New("no session within an hour of the made up clock")
)

// pair is two engines that only reconcile: what they push is thrown away.
type pair struct {
	codec *wire.Codec
	ends  [2]*end
	now   time.Duration
	sum   bench.Exchange
	over  bool // the exchange has come to its end
	err   error
}

// end is one of the two.
type end struct {
	pair   *pair
	engine *engine.Engine
	wake   time.Duration
}

func (p *pair) other(x *end) *end {
	if x == p.ends[0] {
		return p.ends[1]
	}
	return p.ends[0]
}

func (x *end) reading() hlc.Reading {
	return hlc.Reading{Wall: wallFrom + x.pair.now.Milliseconds(), Mono: x.pair.now}
}

func (x *end) step(in engine.Input) engine.Effects {
	fx := x.engine.Step(x.reading(), in)
	x.wake = fx.Wake
	for _, s := range fx.Send {
		x.pair.carry(x, s.Frame)
	}
	for _, d := range fx.Dial {
		if d.Session != nil {
			x.pair.stream(x, d.Session)
		}
	}
	return fx
}

// carry delivers the packets of reconciliation, and no others.
func (p *pair) carry(from *end, f wire.Frame) {
	switch f.Msg.(type) {
	case *wire.Ranges: // ahead of DIFFER, in one flight with it
	case *wire.Hello, *wire.InSync, *wire.Busy, *wire.Err:
		p.sum.Legs++ // before what it brings about, which is all the rest
	default:
		return
	}
	to := p.other(from)
	to.step(engine.Received{Frame: p.coded(f)})
	if _, last := f.Msg.(*wire.InSync); last {
		p.over = true
	}
}

// coded sends a frame through its bytes.
func (p *pair) coded(f wire.Frame) wire.Frame {
	appendTo := p.codec.Append
	if f.Stream {
		appendTo = p.codec.AppendStream
	}
	b, err := appendTo(nil, f)
	if err == nil {
		p.sum.Bytes += len(b)
		if f.Stream {
			b = b[4:] // its length
		}
		f, err = p.codec.Parse(b)
	}
	p.err = errors.Join(p.err, err)
	return f
}

// stream runs a session, turn by turn.
func (p *pair) stream(asking *end, asks *engine.Session) {
	asks.Start()
	ends := [2]*end{asking, p.other(asking)}
	sessions := [2]*engine.Session{asks, nil}
	states := [2]engine.SessionState{}
	for at := 0; p.err == nil; at = 1 - at {
		said := false
		for m, more := sessions[at].Next(); more; m, more = sessions[at].Next() {
			said = true
			f := p.coded(wire.Frame{
				Header: wire.Header{Origin: ends[at].engine.Origin(), Now: ends[at].engine.Now(), Stream: true}, Msg: m,
			})
			if sessions[1] != nil {
				states[1-at] = sessions[1-at].Receive(f.Msg, ends[1-at].step)
				continue
			}
			fx := ends[1].step(engine.Opened{From: asking.engine.Origin(), Open: f.Msg.(*wire.Hello)})
			if sessions[1] = fx.Accept; fx.Accept == nil {
				p.err = errors.New("a session was refused")
				return
			}
		}
		if !said {
			p.err = errStuck
		}
		p.sum.Legs++
		if p.sum.Same == 0 && p.ends[0].holds() == p.ends[1].holds() {
			p.sum.Same = p.sum.Legs
		}
		if states[0] == engine.SessionOver && states[1] == engine.SessionOver {
			p.over = true
			p.err = errors.Join(p.err, sessions[0].Err(), sessions[1].Err())
			return
		}
	}
}

// holds is the sum of all cells.
func (x *end) holds() [2]uint64 { return x.engine.Root().Tree.Agg().FP }

// Load is part of bench.Pair: the second replica gets the keys by a session.
func (p *pair) Load(keys []string, generation int) error {
	if err := p.Change(keys, generation); err != nil {
		return err
	}
	_, err := p.Exchange()
	p.now += time.Hour // what both hold is not news any more
	return err
}

// Change is part of bench.Pair.
func (p *pair) Change(keys []string, generation int) error {
	x := p.ends[0]
	for _, k := range keys {
		p.now += time.Millisecond
		_, err := x.engine.Commit(x.reading(), engine.Tx{Writes: []engine.Write{
			{Addr: cell.At(k, subPlace), Codec: codec, Body: bench.Value(k, generation)},
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// Exchange is part of bench.Pair: the two see each other until one session is
// over, whoever asks for it.
func (p *pair) Exchange() (bench.Exchange, error) {
	p.sum, p.over = bench.Exchange{}, false
	p.meet(engine.PeersChanged{View: engine.NewView([]engine.Peer{{Name: "node-1", Origin: 2}})},
		engine.PeersChanged{View: engine.NewView([]engine.Peer{{Name: "node-0", Origin: 1}})})
	for limit := p.now + time.Hour; !p.over && p.err == nil; {
		x := p.ends[0]
		if p.ends[1].wake < x.wake {
			x = p.ends[1]
		}
		if p.now = max(p.now, x.wake); p.now > limit {
			return p.sum, errTooLong
		}
		x.step(engine.Tick{})
	}
	p.meet(engine.PeersChanged{}, engine.PeersChanged{})
	return p.sum, p.err
}

func (p *pair) meet(first, second engine.PeersChanged) {
	p.ends[0].step(first)
	p.ends[1].step(second)
}

// Replicas is part of bench.Pair.
func (p *pair) Replicas() [2]bench.Reader { return [2]bench.Reader{p.ends[0], p.ends[1]} }

// Close is part of bench.Pair.
func (p *pair) Close() error { return nil }

// List is part of bench.Reader.
func (x *end) List(prefix string) []string {
	var keys []string
	lo, hi := cell.PrefixRange(prefix)
	for c := range x.engine.Root().Tree.Range(lo, hi) {
		if c.Visible() {
			keys = append(keys, c.Addr.Key())
		}
	}
	return keys
}

// Get is part of bench.Reader.
func (x *end) Get(key string) []byte {
	lo, hi := cell.KeyRange(key)
	for c := range x.engine.Root().Tree.Range(lo, hi) {
		return c.Body
	}
	return nil
}
