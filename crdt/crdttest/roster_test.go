package crdttest_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/crdt/crdttest"
)

// entry is one line of a roster: the newer stands, and of one time the removed.
type entry struct {
	At   int64
	Left bool
	Note []byte `json:",omitempty"` // hot
	Bulk []byte `json:",omitempty"` // cold
}

// roster merges by itself.
type roster struct{ Entries map[string]entry }

func (r *roster) Merge(other *roster, localCAS bool) (*roster, error) {
	change := &roster{Entries: map[string]entry{}}
	for name, e := range other.Entries {
		was, has := r.Entries[name]
		if !has || e.At > was.At || e.At == was.At && e.Left && !was.Left {
			r.Entries[name], change.Entries[name] = e, e
		}
	}
	for name, e := range r.Entries {
		if _, stays := other.Entries[name]; localCAS && !stays && !e.Left {
			e = entry{At: e.At + 1, Left: true}
			r.Entries[name], change.Entries[name] = e, e
		}
	}
	if len(change.Entries) == 0 {
		return nil, nil
	}
	return change, nil
}

func (r *roster) MergeContent() []string { return slices.Sorted(maps.Keys(r.Entries)) }

func (r *roster) RemoveTombstones(limit time.Time) (total, removed int) {
	for name, e := range r.Entries {
		switch {
		case !e.Left:
		case limit.IsZero() || time.UnixMilli(e.At).Before(limit):
			delete(r.Entries, name)
			removed++
		default:
			total++
		}
	}
	return total, removed
}

func (r *roster) Clone() *roster { return &roster{Entries: maps.Clone(r.Entries)} }

type rosterShape struct{}

func (rosterShape) Split(r *roster) (map[string]crdt.Piece, error) {
	out := make(map[string]crdt.Piece)
	for name, e := range r.Entries {
		p := crdt.Piece{Order: crdt.Order{At: time.UnixMilli(e.At)}, Gone: e.Left}
		if e.Left {
			p.Order.Rank = 1
		} else {
			p.Hot = append(binary.AppendVarint(nil, e.At), e.Note...)
			p.Cold = e.Bulk
		}
		out[name] = p
	}
	return out, nil
}

func (rosterShape) Join(pieces map[string]crdt.Piece) (*roster, error) {
	r := &roster{Entries: make(map[string]entry)}
	for name, p := range pieces {
		at, n := binary.Varint(p.Hot)
		if n <= 0 {
			return nil, fmt.Errorf("%q: no time in %x", name, p.Hot)
		}
		r.Entries[name] = entry{At: at, Note: p.Hot[n:], Bulk: p.Cold}
	}
	return r, nil
}

var rosters = crdt.MergeableOf[*roster](rosterCodec{}, rosterShape{})

// rosterCodec decodes to a pointer, of which MergeableOf is the kind.
type rosterCodec struct{}

func (rosterCodec) CodecID() string              { return "roster" }
func (rosterCodec) Encode(v any) ([]byte, error) { return json.Marshal(v) }

func (rosterCodec) Decode(b []byte) (any, error) {
	r := &roster{}
	err := json.Unmarshal(b, r)
	if r.Entries == nil {
		r.Entries = map[string]entry{}
	}
	return r, err
}

// rosterGen makes a Gen whose times rise from value to value, whoever writes
// them, as clocks do.
func rosterGen() crdttest.Gen {
	clocks := map[*rand.Rand]int64{} // by case
	return func(r *rand.Rand, present any) any {
		m, ok := present.(*roster)
		if !ok || r.IntN(12) == 0 {
			m = &roster{Entries: map[string]entry{}}
		}
		clocks[r] += 2 + int64(r.IntN(3))
		for range 1 + r.IntN(2) {
			name := field(r)
			e := m.Entries[name]
			e.At, e.Note = clocks[r], []byte(word(r))
			if r.IntN(3) == 0 {
				e.Bulk = []byte(word(r))
			}
			m.Entries[name] = e
			if r.IntN(5) == 0 {
				delete(m.Entries, name)
			}
		}
		return m
	}
}

// TestMergeableEncodesNoTombstone: on a store of whole values, too, what was
// removed reaches no reader.
func TestMergeableEncodesNoTombstone(t *testing.T) {
	b, err := rosters.Codec().Encode(&roster{Entries: map[string]entry{"here": {At: 1}, "gone": {At: 2, Left: true}}})
	if want := `{"Entries":{"here":{"At":1,"Left":false}}}`; err != nil || string(b) != want {
		t.Errorf("encoded as %s, %v, want %s", b, err, want)
	}
}
