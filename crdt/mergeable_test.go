package crdt_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

// Beats is when who was last heard of, in Unix seconds: a value with a merge of
// its own, as a gossip client of today takes it.
type Beats map[string]int64

func (b Beats) Merge(other Beats, _ bool) (Beats, error) {
	change := Beats{}
	for name, at := range other {
		if at > b[name] {
			b[name], change[name] = at, at
		}
	}
	if len(change) == 0 {
		return nil, nil
	}
	return change, nil
}

func (b Beats) MergeContent() []string                          { return slices.Collect(maps.Keys(b)) }
func (b Beats) RemoveTombstones(time.Time) (total, removed int) { return 0, 0 }
func (b Beats) Clone() Beats                                    { return maps.Clone(b) }

// BeatsShape puts each name into a cell of its own.
type BeatsShape struct{}

func (BeatsShape) Split(b Beats) (map[string]crdt.Piece, error) {
	pieces := make(map[string]crdt.Piece)
	for name, at := range b {
		pieces[name] = crdt.Piece{Order: crdt.Order{At: time.Unix(at, 0)}, Hot: binary.AppendVarint(nil, at)}
	}
	return pieces, nil
}

func (BeatsShape) Join(pieces map[string]crdt.Piece) (Beats, error) {
	b := Beats{}
	for name, p := range pieces {
		at, n := binary.Varint(p.Hot)
		if n != len(p.Hot) || n == 0 {
			return nil, fmt.Errorf("%q: no time", name)
		}
		b[name] = at
	}
	return b, nil
}

// A value with a Merge of its own. On a node it is node.Client(kind), where each
// name is a cell; here it is a store in memory, which keeps it as one value.
func ExampleMergeableOf() {
	ctx := context.Background()
	kind := crdt.MergeableOf[Beats](kv.JSON[Beats]("beats"), BeatsShape{})
	store := memkv.New(kind.Codec())
	defer store.Close()

	err := store.CAS(ctx, "beats", func(in any) (any, bool, error) {
		b, ok := in.(Beats)
		if !ok {
			b = Beats{}
		}
		b["ann"] = 1_800_000_000
		return b, true, nil
	})
	if err != nil {
		log.Fatal(err)
	}
	v, err := store.Get(ctx, "beats")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.(Beats)["ann"])
	// Output: 1800000000
}

var beats = crdt.MergeableOf[Beats](kv.JSON[Beats]("beats"), BeatsShape{})

// hot stores the cell of a name as it came from elsewhere.
func (s *shelf) hot(name string, body []byte) {
	s.put(cell.Spec{Addr: cell.At("k", "g"+name+"\x00\x00"), Codec: beats.ID(), Body: body})
}

func TestMergeableWithoutItsCold(t *testing.T) {
	s := &shelf{t: t}
	s.hot("ann", append([]byte{0}, binary.AppendVarint(nil, 7)...))
	s.hot("bob", append([]byte{1, 0, 0, 0, 0, 0, 0, 0, 9}, binary.AppendVarint(nil, 8)...))
	v, err := beats.View(s.tree, "k")
	if err != nil || !maps.Equal(v.(Beats), Beats{"ann": 7}) {
		t.Errorf("while the cold part of bob has not come: %v, %v", v, err)
	}
	p, err := beats.Plan(crdt.Intent{Read: s.tree, Key: "k", Out: Beats{"ann": 9}, Self: 7})
	if err != nil || len(p.Edits) != 1 || p.Edits[0].Tomb {
		t.Errorf("a write of ann meanwhile: %+v, %v: bob is to be left alone", p.Edits, err)
	}
	s.put(cell.Spec{Addr: cell.At("k", "gbob\x00\x01\x00\x00\x00\x00\x00\x00\x00\x09"), Codec: beats.ID(), Body: []byte("x")})
	if v, err = beats.View(s.tree, "k"); err != nil || v.(Beats)["bob"] != 8 {
		t.Errorf("when it has come: %v, %v", v, err)
	}
}

func TestMergeableThatDoesNotDecode(t *testing.T) {
	for name, body := range map[string][]byte{
		"empty": {}, "unknown": {2, 0}, "cut": {1, 0, 0, 9}, "of nobody": {1, 0, 0, 0, 0, 0, 0, 0, 0, 1}, "not the shape's": {0},
	} {
		s := &shelf{t: t}
		s.hot("ann", body)
		if v, err := beats.View(s.tree, "k"); !errors.Is(err, kv.ErrDecode) || v != nil {
			t.Errorf("%s: %v, %v, want ErrDecode", name, v, err)
		}
		if _, err := beats.Plan(crdt.Intent{Read: s.tree, Key: "k", Out: Beats{"b": 1}, Self: 7}); !errors.Is(err, kv.ErrDecode) {
			t.Errorf("%s: writing: %v, want ErrDecode", name, err)
		}
	}
}

// wild is a Shape whose author made a mistake.
type wild struct {
	BeatsShape
	split func(map[string]crdt.Piece) (map[string]crdt.Piece, error)
	join  func() (Beats, error)
}

func (w wild) Split(b Beats) (map[string]crdt.Piece, error) {
	p, err := w.BeatsShape.Split(b)
	if w.split != nil {
		return w.split(p)
	}
	return p, err
}

func (w wild) Join(pieces map[string]crdt.Piece) (Beats, error) {
	if w.join != nil {
		return w.join()
	}
	return w.BeatsShape.Join(pieces)
}

func TestMergeableOfAWildShape(t *testing.T) {
	type pieces = map[string]crdt.Piece
	for _, c := range []struct {
		name  string
		shape wild
		want  error
	}{
		{"Split fails", wild{split: func(pieces) (pieces, error) { return nil, errors.New("no") }}, kv.ErrType},
		{"Split panics", wild{split: func(pieces) (pieces, error) { panic("no") }}, kv.ErrType},
		{"Split forgets", wild{split: func(p pieces) (pieces, error) { delete(p, "ann"); return p, nil }}, kv.ErrType},
		{"a name is no key", wild{split: func(p pieces) (pieces, error) { p["a\x00b"] = p["ann"]; return p, nil }}, kv.ErrBadKey},
		{"Join fails", wild{join: func() (Beats, error) { return nil, errors.New("no") }}, kv.ErrDecode},
		{"Join panics", wild{join: func() (Beats, error) { panic("no") }}, kv.ErrDecode},
		{"Join gives nothing", wild{join: func() (Beats, error) { return nil, nil }}, kv.ErrDecode},
	} {
		kind := crdt.MergeableOf[Beats](kv.JSON[Beats]("beats"), c.shape)
		s := &shelf{t: t}
		s.hot("ann", []byte{0, 2})
		_, err := kind.Plan(crdt.Intent{Read: s.tree, Key: "k", Out: Beats{"ann": 5}, Self: 7})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	for _, out := range []any{nil, "text", Beats(nil)} {
		if _, err := beats.Plan(crdt.Intent{Key: "k", Out: out, Self: 7}); !errors.Is(err, kv.ErrType) {
			t.Errorf("writing %#v: %v, want ErrType", out, err)
		}
	}
}

// FuzzMergeableBody: bytes from elsewhere become a value or an error, and what
// they become is written as it came.
func FuzzMergeableBody(f *testing.F) {
	for _, b := range [][]byte{{}, {0}, {0, 14}, {1, 0, 0, 0, 0, 0, 0, 0, 9, 14}, {2}} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s := &shelf{t: t}
		s.hot("ann", body)
		s.put(cell.Spec{Addr: cell.At("k", "gann\x00\x01\x00\x00\x00\x00\x00\x00\x00\x09"), Codec: beats.ID(), Body: []byte("x")})
		v, err := beats.View(s.tree, "k")
		if err != nil || len(v.(Beats)) == 0 || body[0] != 0 {
			return
		}
		at := v.(Beats)["ann"]
		p, err := beats.Plan(crdt.Intent{Read: s.tree, Key: "k", Out: Beats{"ann": at}, Self: 7, Term: crdt.Leased})
		if err != nil || len(p.Edits) != 1 {
			t.Fatalf("writing %d anew: %+v, %v", at, p.Edits, err)
		}
		if canonical := append([]byte{0}, binary.AppendVarint(nil, at)...); !bytes.Equal(p.Edits[0].Body, canonical) {
			t.Errorf("%x is written as %x", body, p.Edits[0].Body)
		}
	})
}
