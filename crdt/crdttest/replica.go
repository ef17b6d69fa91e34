package crdttest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/wire"
)

// Replica is one engine that holds values of a kind, and hears of the writes of
// others when it is told. It is for tests that hold a kind beside what it stands
// for. It is not safe for concurrent use.
type Replica struct {
	kind crdt.Kind
	eng  *engine.Engine
	now  hlc.Reading
	seq  uint64
}

// wallStart is the wall clock of every replica at first.
const wallStart = 1_800_000_000_000

// stranger sends what a replica is told.
const stranger = cell.Origin(1)

// NewReplica returns an empty replica. The origin says who writes; each replica
// of a test has one of its own, from 2.
func NewReplica(kind crdt.Kind, o cell.Origin) *Replica {
	r := &Replica{kind: kind, now: hlc.Reading{Wall: wallStart}}
	r.eng = engine.New(engine.Config{
		Cluster: "laws", Name: o.String(), Origin: o, Alone: true,
		Rand: rand.New(rand.NewPCG(uint64(o), 1)),
	})
	r.eng.Step(r.now, engine.PeersChanged{View: engine.NewView([]engine.Peer{{Name: "stranger", Origin: stranger}})})
	return r
}

// pass lets time pass.
func (r *Replica) pass(d time.Duration) {
	r.now.Mono += d
	r.now.Wall += d.Milliseconds()
}

// Hear tells the replica of cells, in the order given and as often as given.
func (r *Replica) Hear(cells ...*cell.Cell) {
	for _, c := range cells {
		r.seq++
		r.eng.Step(r.now, engine.Received{Frame: wire.Frame{
			Header: wire.Header{Origin: stranger, Now: r.eng.Now(), Seq: r.seq},
			Msg:    &wire.Delta{Groups: []wire.Group{{Cells: []*cell.Cell{c}}}},
		}})
	}
}

// Read is the value of a key, nil if there is none.
func (r *Replica) Read(key string) (any, error) {
	t := r.eng.Root().Tree
	switch kind := r.kind.(type) {
	case crdt.Merging:
		return kind.View(t, key)
	case crdt.Flat:
		cells := visible(t, key)
		if len(cells) == 0 {
			return nil, nil
		}
		return kind.Codec().Decode(whole(kind, cells))
	}
	return nil, fmt.Errorf("the kind %s is neither flat nor merging", r.kind.ID())
}

// whole is the encoded value that cells make.
func whole(kind crdt.Flat, cells []*cell.Stored) []byte {
	var w crdt.Whole
	for _, c := range cells {
		w = kind.Whole(w, c)
	}
	return w.Body
}

func visible(t crdt.Cells, key string) (cells []*cell.Stored) {
	lo, hi := cell.KeyRange(key)
	for s := range t.Range(lo, hi) {
		if s.Visible() {
			cells = append(cells, s)
		}
	}
	return cells
}

// encoded is the value of a key as bytes, "absent" if there is none.
func (r *Replica) encoded(key string) (string, error) {
	v, err := r.Read(key)
	if err != nil || v == nil {
		return "absent", err
	}
	b, err := r.kind.Codec().Encode(v)
	return string(b), err
}

// Write makes v the value of a key, a millisecond later, and returns the cells
// that this took: what the others must hear of.
func (r *Replica) Write(key string, v any) ([]*cell.Cell, error) {
	r.pass(time.Millisecond)
	writes, err := r.plan(key, v)
	if err != nil || len(writes) == 0 {
		return nil, err
	}
	return r.commit(writes)
}

func (r *Replica) plan(key string, v any) (writes []engine.Write, err error) {
	t := r.eng.Root().Tree
	switch kind := r.kind.(type) {
	case crdt.Merging:
		plan, err := kind.Plan(crdt.Intent{Read: t, Key: key, Out: v, Self: r.eng.Origin()})
		if err != nil {
			return nil, err
		}
		for _, e := range plan.Edits {
			writes = append(writes, engine.Write{
				Addr: e.Addr, Codec: e.Codec, Body: e.Body, Tomb: e.Tomb, Observed: e.Observed, Born: e.Born, Place: e.Place,
			})
		}
	case crdt.Flat:
		body, err := kind.Codec().Encode(v)
		if err != nil {
			return nil, err
		}
		cells := visible(t, key)
		if len(cells) > 0 && string(whole(kind, cells)) == string(body) {
			return nil, nil
		}
		for _, p := range kind.Change(cells, body) {
			writes = append(writes, engine.Write{Addr: cell.At(key, p.Sub), Codec: p.Codec, Body: p.Body, Tomb: p.Tomb})
		}
	}
	return writes, nil
}

func (r *Replica) commit(writes []engine.Write) (cells []*cell.Cell, err error) {
	fx, err := r.eng.Commit(r.now, engine.Tx{Writes: writes})
	for _, a := range fx.Changed {
		if s, ok := fx.Root.Tree.Get(string(a)); ok {
			cells = append(cells, s.Cell)
		}
	}
	return cells, err
}

// remove deletes a key.
func (r *Replica) remove(key string) ([]*cell.Cell, error) {
	r.pass(time.Millisecond)
	return r.commit([]engine.Write{{Addr: cell.FloorOf(key), Tomb: true}})
}
