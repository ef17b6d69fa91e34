package crdttest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

// use is what several writers do to one value.
type use struct {
	kind crdt.Kind
	// write is what a writer makes of the present value in one of its rounds. It is
	// made so that another order of all writes, and one of them twice, comes to the
	// same.
	write func(present any, w, r int) any
	want  string // the value when all have written
}

// Kinds are those that Usable uses: every kind that merges, with codecs of its
// own.
func Kinds() (kinds []crdt.Kind) {
	for _, u := range uses() {
		kinds = append(kinds, u.kind)
	}
	return kinds
}

// uses are those of every kind that merges.
func uses() []use {
	return []use{
		{crdt.MapOf[string](kv.String), by(func(m *crdt.Map[string], w, r int) {
			m.Set(fmt.Sprint(w), fmt.Sprint("v", r)) // no JSON
			m.Set(fmt.Sprintf("%d of %d", w, r), fmt.Sprint(r))
			m.Delete(fmt.Sprintf("%d of %d", w, r-1))
		}), `{"0":{"$base64":"djQ="},"0 of 4":4,"1":{"$base64":"djQ="},"1 of 4":4,"2":{"$base64":"djQ="},"2 of 4":4,"3":{"$base64":"djQ="},"3 of 4":4}`},
		{crdt.MapOf[member](memberCodec{kv.JSON[member]("member")}), by(func(m *crdt.Map[member], w, r int) {
			m.Set(fmt.Sprint(w), member{Beat: r, Zone: fmt.Sprint("z", w)})
		}), `{"0":{"Beat":4,"Zone":"z0"},"1":{"Beat":4,"Zone":"z1"},"2":{"Beat":4,"Zone":"z2"},"3":{"Beat":4,"Zone":"z3"}}`},
		{crdt.SetOf[string](kv.String), by(func(s *crdt.Set[string], w, r int) {
			s.Add(fmt.Sprint(w, "/", r))
			s.Remove(fmt.Sprint(w, "/", r-1))
		}), `[{"$base64":"MC80"},{"$base64":"MS80"},{"$base64":"Mi80"},{"$base64":"My80"}]`},
		{crdt.SetOf[int](kv.JSON[int]("int")), by(func(s *crdt.Set[int], w, r int) {
			s.Add(10*w + r)
			s.Remove(10*w + r - 1)
		}), `[14,24,34,4]`},
		{crdt.Counters(), by(func(c *crdt.Counter, _, r int) { c.Add(int64(3*r - 1)) }), `100`},
		{crdt.Maxima(), by(func(m *crdt.Max, w, r int) { m.Observe(int64(10*w - r)) }), `30`},
		{crdt.MergeableOf[beats](kv.JSON[beats]("beats"), beatsShape{}), func(present any, w, r int) any {
			b, ok := present.(beats)
			if !ok {
				b = beats{}
			}
			b[fmt.Sprint(w)] = max(b[fmt.Sprint(w)], int64(r+1))
			return b
		}, `{"0":5,"1":5,"2":5,"3":5}`},
	}
}

// by is a use of values *S, of which the zero value is ready.
func by[S any](change func(v *S, w, r int)) func(present any, w, r int) any {
	return func(present any, w, r int) any {
		v, ok := present.(*S)
		if !ok {
			v = new(S)
		}
		change(v, w, r)
		return v
	}
}

// member is a value of a hot part and a cold one.
type member struct {
	Beat int
	Zone string
}

type memberCodec struct{ kv.Codec }

// Parts is part of crdt.Parted.
func (memberCodec) Parts(m member) ([][]byte, error) {
	hot, err := json.Marshal(m.Beat)
	return [][]byte{hot, []byte(m.Zone)}, err
}

// Join is part of crdt.Parted.
func (memberCodec) Join(parts [][]byte) (m member, err error) {
	m.Zone = string(parts[1])
	return m, json.Unmarshal(parts[0], &m.Beat)
}

// beats are the highest beats that were heard of each name: a value with a merge
// of its own.
type beats map[string]int64

// Merge is part of crdt.Mergeable.
func (b beats) Merge(other beats, _ bool) (change beats, err error) {
	for name, n := range other {
		if n > b[name] {
			if change == nil {
				change = beats{}
			}
			b[name], change[name] = n, n
		}
	}
	return change, nil
}

// MergeContent is part of crdt.Mergeable.
func (b beats) MergeContent() []string { return slices.Sorted(maps.Keys(b)) }

// RemoveTombstones is part of crdt.Mergeable. There are none.
func (b beats) RemoveTombstones(time.Time) (total, removed int) { return 0, 0 }

// Clone is part of crdt.Mergeable.
func (b beats) Clone() beats { return maps.Clone(b) }

type beatsShape struct{}

// Split is part of crdt.Shape. A beat is its own time.
func (beatsShape) Split(b beats) (map[string]crdt.Piece, error) {
	pieces := make(map[string]crdt.Piece)
	for name, n := range b {
		pieces[name] = crdt.Piece{Order: crdt.Order{At: time.UnixMilli(n)}, Hot: fmt.Append(nil, n)}
	}
	return pieces, nil
}

// Join is part of crdt.Shape.
func (beatsShape) Join(pieces map[string]crdt.Piece) (beats, error) {
	b := beats{}
	for name, p := range pieces {
		var n int64
		if err := json.Unmarshal(p.Hot, &n); err != nil {
			return nil, err
		}
		b[name] = n
	}
	return b, nil
}
