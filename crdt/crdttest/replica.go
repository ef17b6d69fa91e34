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

// replica is one engine that holds values of a kind.
type replica struct {
	kind crdt.Kind
	eng  *engine.Engine
	now  hlc.Reading
	seq  uint64
}

// wallStart is the wall clock of every replica at first.
const wallStart = 1_800_000_000_000

// stranger sends what a replica is told.
const stranger = cell.Origin(1)

func newReplica(kind crdt.Kind, o cell.Origin) *replica {
	r := &replica{kind: kind, now: hlc.Reading{Wall: wallStart}}
	r.eng = engine.New(engine.Config{
		Cluster: "laws", Name: o.String(), Origin: o, Alone: true,
		Rand: rand.New(rand.NewPCG(uint64(o), 1)),
	})
	r.eng.Step(r.now, engine.PeersChanged{View: engine.NewView([]engine.Peer{{Name: "stranger", Origin: stranger}})})
	return r
}

// pass lets time pass.
func (r *replica) pass(d time.Duration) {
	r.now.Mono += d
	r.now.Wall += d.Milliseconds()
}

// hear tells the replica of cells.
func (r *replica) hear(cells ...*cell.Cell) {
	for _, c := range cells {
		r.seq++
		r.eng.Step(r.now, engine.Received{Frame: wire.Frame{
			Header: wire.Header{Origin: stranger, Now: r.eng.Now(), Seq: r.seq},
			Msg:    &wire.Delta{Groups: []wire.Group{{Cells: []*cell.Cell{c}}}},
		}})
	}
}

// read is the value of a key.
func (r *replica) read(key string) (any, error) {
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
func (r *replica) encoded(key string) (string, error) {
	v, err := r.read(key)
	if err != nil || v == nil {
		return "absent", err
	}
	b, err := r.kind.Codec().Encode(v)
	return string(b), err
}

// write makes v the value of a key, and returns the cells that this took.
func (r *replica) write(key string, v any) ([]*cell.Cell, error) {
	r.pass(time.Millisecond)
	writes, err := r.plan(key, v)
	if err != nil || len(writes) == 0 {
		return nil, err
	}
	return r.commit(writes)
}

func (r *replica) plan(key string, v any) (writes []engine.Write, err error) {
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

func (r *replica) commit(writes []engine.Write) (cells []*cell.Cell, err error) {
	fx, err := r.eng.Commit(r.now, engine.Tx{Writes: writes})
	for _, a := range fx.Changed {
		if s, ok := fx.Root.Tree.Get(string(a)); ok {
			cells = append(cells, s.Cell)
		}
	}
	return cells, err
}

// remove deletes a key.
func (r *replica) remove(key string) ([]*cell.Cell, error) {
	r.pass(time.Millisecond)
	return r.commit([]engine.Write{{Addr: cell.FloorOf(key), Tomb: true}})
}
