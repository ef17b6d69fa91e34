package crdt_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/kv"
)

func TestRawKindIDs(t *testing.T) {
	for id, want := range map[string]bool{
		"map.flag": true, "set.x.y": true, "merge.ring": true, "counter": true, "max": true,
		"map.": false, "map": false, "bytes": false, "string": false, "": false, "counters": false, "xmap.flag": false,
	} {
		kind, ok := crdt.RawKind(id)
		if ok != want || ok && kind.ID() != id {
			t.Errorf("%q: got %v, %v", id, kind, ok)
		}
		if !ok {
			continue
		}
		if back, ok := crdt.KindOf(kind.Codec()); !ok || back.ID() != id {
			t.Errorf("%q: its codec is of %v, %v", id, back, ok)
		}
	}
	if kind, ok := crdt.KindOf(kv.Bytes); ok {
		t.Errorf("kv.Bytes is of %v", kind)
	}
}

// TestRawKindKeepsWhatItDoesNotKnow changes one field of a Map whose codec it does not have, and whose fields have parts.
func TestRawKindKeepsWhatItDoesNotKnow(t *testing.T) {
	s := &shelf{t: t}
	kind := crdt.MapOf[string](fourParts{kv.String, 4})
	m := &crdt.Map[string]{}
	m.Set("a", "1234")
	m.Set("b", "5678")
	s.write(kind, "k", m)
	raw, _ := crdt.RawKind(kind.ID())
	seen := read[crdt.Map[crdt.Parts]](s, raw, "k")
	if p, ok := seen.Get("a"); !ok || len(p) != 4 || seen.Len() != 2 {
		t.Fatalf("got %q, %v of %d fields", p, ok, seen.Len())
	}
	seen.Delete("b")
	if plan := s.write(raw, "k", seen); len(plan.Edits) != 4 {
		t.Errorf("taking one field out makes %d edits", len(plan.Edits))
	}
	left := read[crdt.Map[string]](s, kind, "k")
	if v, ok := left.Get("a"); !ok || v != "1234" || left.Len() != 1 {
		t.Errorf("got %q, %v of %d fields", v, ok, left.Len())
	}
	// What is seen can be written again, and is the same.
	b, err := raw.Codec().Encode(read[crdt.Map[crdt.Parts]](s, raw, "k"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := raw.Codec().Decode(crdt.Illegible(crdt.Legible(b)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := raw.Plan(crdt.Intent{Read: s.tree, Key: "k", Out: again, Self: 7, Scope: crdt.All})
	if err != nil || len(p.Edits) != 0 {
		t.Errorf("%s written again makes %d edits, %v", b, len(p.Edits), err)
	}
}

// TestPartsAmongStrangers reads a field beside whose parts somebody has put cells
// that belong to nothing.
func TestPartsAmongStrangers(t *testing.T) {
	for _, parts := range []int{1, 2, 4} {
		for strangers := range 5 {
			s := &shelf{t: t}
			kind := crdt.MapOf[string](fourParts{kv.String, parts})
			m := &crdt.Map[string]{}
			m.Set("a", "1234")
			first := s.write(kind, "k", m).Edits[0]
			for i := range strangers {
				s.put(cell.Spec{Addr: first.Addr[:len(first.Addr)-1] + cell.Addr([]byte{1, byte('0' + i)}), Codec: first.Codec, Body: []byte("x")})
			}
			raw, _ := crdt.RawKind(kind.ID())
			seen := read[crdt.Map[crdt.Parts]](s, raw, "k")
			p, ok := seen.Get("a")
			got := slices.DeleteFunc(slices.Clone(p), func(b []byte) bool { return b == nil })
			if !ok || len(got) != parts || string(bytes.Join(got, nil)) != strings.Repeat("1234", parts) {
				t.Errorf("%d parts beside %d strangers: got %q, %v", parts, strangers, p, ok)
			}
		}
	}
}

// TestAHiddenPartIsNotThere: a part that has expired here is neither shown nor
// taken for one that stands when the field is written again.
func TestAHiddenPartIsNotThere(t *testing.T) {
	s := &shelf{t: t}
	kind := crdt.MapOf[string](fourParts{kv.String, 4})
	m := &crdt.Map[string]{}
	m.Set("a", "1234")
	third := s.write(kind, "k", m).Edits[2]
	ed := s.tree.Edit()
	old, _ := ed.Get(string(third.Addr))
	ed.Put(&cell.Stored{Cell: old.Cell, Hidden: true})
	s.tree = ed.Tree()

	raw, _ := crdt.RawKind(kind.ID())
	if p, ok := read[crdt.Map[crdt.Parts]](s, raw, "k").Get("a"); !ok || len(p) > 2 && p[2] != nil {
		t.Errorf("shown: %q, %v", p, ok)
	}
	if edits := s.write(kind, "k", m).Edits; len(edits) != 1 || edits[0].Addr != third.Addr {
		t.Errorf("written again: %v, want the part that expired", edits)
	}
}

// TestRawMergedIsReadOnly keeps what a codec wrote of a value with a merge of its own as it is, and writes it into no cells.
func TestRawMergedIsReadOnly(t *testing.T) {
	raw, _ := crdt.RawKind("merge.beats")
	v, err := raw.Codec().Decode([]byte("\xff whole"))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := raw.Codec().Encode(v); err != nil || string(b) != "\xff whole" {
		t.Errorf("what was read is written as %q, %v", b, err)
	}
	if _, err := raw.Plan(crdt.Intent{Key: "k", Out: v}); !errors.Is(err, kv.ErrUnsupported) || errors.Is(err, kv.ErrType) {
		t.Errorf("Plan: %v, want ErrUnsupported", err)
	}
	if _, err := raw.Plan(crdt.Intent{Key: "k", Out: "x"}); !errors.Is(err, kv.ErrType) {
		t.Errorf("Plan of what is none: %v, want ErrType", err)
	}
}

func TestLegible(t *testing.T) {
	for whole, want := range map[string]string{
		`{"a":{"$base64":"dGV4dA=="},"b":[1, 2]}`:  `{"a":{"$text":"text"},"b":[1, 2]}`,
		`[7,{"$base64":"/w=="},{"$base64":""}]`:    `[7,{"$base64":"/w=="},{"$text":""}]`,
		`{"a":{"$text":"mine"}}`:                   `{"a":{"$base64":"eyIkdGV4dCI6Im1pbmUifQ=="}}`,
		`{"a":{"$base64":"eyIkYmFzZTY0IjoiIn0="}}`: `{"a":{"$base64":"eyIkYmFzZTY0IjoiIn0="}}`,
		`{}`: `{}`, `[]`: `[]`, `-5`: `-5`, ``: ``, `{"a":`: `{"a":`, `{"a":1}x`: `{"a":1}x`,
	} {
		if got := crdt.Legible([]byte(whole)); string(got) != want {
			t.Errorf("%s: got %s, want %s", whole, got, want)
		}
	}
}

// FuzzLegible holds what is shown to what was there.
func FuzzLegible(f *testing.F) {
	for _, seed := range []string{"text", `"q"`, "\xff", "", `{"$text":"x"}`, `{"$base64":""}`, `{"$parts":[1]}`, `{"$parts":[null]}`, "null"} {
		f.Add([]byte(seed), []byte("other"))
	}
	kind, _ := crdt.RawKind("map.x")
	f.Fuzz(func(t *testing.T, a, b []byte) {
		m := &crdt.Map[crdt.Parts]{}
		m.Set("a", crdt.Parts{a})
		m.Set("ab", crdt.Parts{a, nil, b})
		m.Set("b", crdt.Parts{b})
		whole, err := kind.Codec().Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		shown := crdt.Legible(whole)
		if !json.Valid(shown) {
			t.Fatalf("%s is shown as %s", whole, shown)
		}
		v, err := kind.Codec().Decode(crdt.Illegible(shown))
		if err != nil {
			t.Fatalf("%s, shown as %s: %v", whole, shown, err)
		}
		back := v.(*crdt.Map[crdt.Parts])
		for field, want := range map[string]crdt.Parts{"a": {a}, "ab": {a, nil, b}, "b": {b}} {
			got, _ := back.Get(field)
			if len(got) != len(want) {
				t.Fatalf("%s: %q comes back as %q", shown, want, got)
			}
			for i := range want {
				if !bytes.Equal(got[i], want[i]) {
					t.Fatalf("%s: %q comes back as %q", shown, want, got)
				}
			}
		}
	})
}

// FuzzRawWhole decodes whatever a request brings as a whole value: it is refused, or what is made of it comes back.
func FuzzRawWhole(f *testing.F) {
	for _, seed := range []string{
		`{"a":1}`, `{"a":{"$text":"x"}}`, `{"a":{"$parts":[1,null,{"$bytes":"/w=="}]}}`, `{"a":{"$parts":[]}}`, `{"a":{"$parts":[null]}}`,
		`{"a":{"$parts":[1],"b":2}}`, `[1,{"$base64":"YQ=="}]`, `null`, `-7`, `{"a":{"$bytes":1}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, id := range []string{"map.x", "set.x", "counter", "max", "merge.x"} {
			kind, _ := crdt.RawKind(id)
			v, err := kv.DecodeWith(kind.Codec(), crdt.Illegible(b))
			if err != nil {
				continue
			}
			whole, err := kv.EncodeWith(kind.Codec(), v)
			if err != nil {
				t.Fatalf("%s: %s was read and cannot be written: %v", id, b, err)
			}
			again, err := kv.DecodeWith(kind.Codec(), whole)
			if err != nil {
				t.Fatalf("%s: %s was written as %s, which does not read: %v", id, b, whole, err)
			}
			if twice, err := kv.EncodeWith(kind.Codec(), again); err != nil || !bytes.Equal(twice, whole) {
				t.Fatalf("%s: %s comes back as %s, %v", id, whole, twice, err)
			}
		}
	})
}

// TestAFieldWithoutItsFirstPart cannot be written: a field is there by its first part, so one that was read with none
// left, or was made so, would be a field that nobody sees.
func TestAFieldWithoutItsFirstPart(t *testing.T) {
	kind, ok := crdt.RawKind("map.hotcold")
	if !ok {
		t.Fatal("a map has no raw kind")
	}
	for name, parts := range map[string]crdt.Parts{"none": nil, "empty": {}, "no first": {nil, []byte("cold")}} {
		m := &crdt.Map[crdt.Parts]{}
		m.Set("field", parts)
		if plan, err := kind.Plan(crdt.Intent{Key: "k", Out: m}); err == nil {
			t.Errorf("%s: a field of %d parts was planned as %d writes", name, len(parts), len(plan.Edits))
		}
	}
	m := &crdt.Map[crdt.Parts]{}
	m.Set("field", crdt.Parts{[]byte("hot"), nil})
	if plan, err := kind.Plan(crdt.Intent{Key: "k", Out: m}); err != nil || len(plan.Edits) == 0 {
		t.Errorf("a field with its first part alone: %d writes, %v", len(plan.Edits), err)
	}
}
