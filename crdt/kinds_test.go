package crdt_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/kv"
)

// shelf is the cells of one node, without the node.
type shelf struct {
	t    *testing.T
	tree crdt.Cells
	n    uint64
}

// put stores a cell of a key.
func (s *shelf) put(spec cell.Spec) {
	s.n++
	if spec.Ver.IsZero() {
		spec.Ver = cell.Ver{T: hlc.Make(int64(s.n), 0), O: 7, N: s.n}
	}
	ed := s.tree.Edit()
	ed.Put(&cell.Stored{Cell: cell.New(spec), Rev: s.n})
	s.tree = ed.Tree()
}

// write makes v the value of a key.
func (s *shelf) write(k crdt.Merging, key string, v any) crdt.Plan {
	s.t.Helper()
	p, err := k.Plan(crdt.Intent{Read: s.tree, Key: key, Out: v, Self: 7})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range p.Edits {
		s.put(cell.Spec{Addr: e.Addr, Codec: e.Codec, Body: e.Body, Tomb: e.Tomb, Born: e.Born})
	}
	return p
}

func read[S any](s *shelf, k crdt.Merging, key string) *S {
	s.t.Helper()
	v, err := k.View(s.tree, key)
	if err != nil {
		s.t.Fatal(err)
	}
	if v == nil {
		return nil
	}
	return v.(*S)
}

var texts = crdt.MapOf[string](kv.String)

// TestMapAgainstAMap: made, read and changed, a Map is a Go map in the order of
// its keys.
func TestMapAgainstAMap(t *testing.T) {
	s := &shelf{t: t}
	model := map[string]string{}
	m := &crdt.Map[string]{}
	for i := range 400 {
		field := fmt.Sprintf("f%d", i*i%37)
		switch i % 5 {
		case 0:
			m.Delete(field)
			delete(model, field)
		default:
			m.Set(field, fmt.Sprint(i))
			model[field] = fmt.Sprint(i)
		}
		if v, ok := m.Get(field); v != model[field] || ok != (i%5 != 0) {
			t.Fatalf("Get(%s) = %q, %v", field, v, ok)
		}
		if m.Len() != len(model) {
			t.Fatalf("after %d: Len is %d, want %d", i, m.Len(), len(model))
		}
		var keys []string
		for field, v := range m.All() {
			if keys = append(keys, field); v != model[field] {
				t.Fatalf("All yields %s=%q, want %q", field, v, model[field])
			}
		}
		if !slices.Equal(keys, slices.Sorted(maps.Keys(model))) {
			t.Fatalf("All yields %q", keys)
		}
		if i%17 == 16 {
			s.write(texts, "k", m)
			m = read[crdt.Map[string]](s, texts, "k")
		}
	}
	for range m.All() {
		break // a range can be left
	}
}

func TestMapCloneGoesItsOwnWay(t *testing.T) {
	m := &crdt.Map[string]{}
	m.Set("a", "1")
	c := m.Clone()
	c.Set("a", "2")
	m.Set("b", "3")
	if v, _ := m.Get("a"); v != "1" || c.Len() != 1 {
		t.Errorf("the map has a=%q, its clone %d fields", v, c.Len())
	}
	set := &crdt.Set[int]{}
	set.Add(1)
	d := set.Clone()
	d.Remove(1)
	if !set.Has(1) || d.Has(1) {
		t.Error("a set and its clone are one")
	}
}

// TestMapFieldThatDoesNotDecode: the others stay readable, and what was not
// readable is not stored by accident.
func TestMapFieldThatDoesNotDecode(t *testing.T) {
	k := crdt.MapOf[int](kv.JSON[int]("int"))
	s := &shelf{t: t}
	s.put(cell.Spec{Addr: "k\x00ma\x00\x00", Codec: k.ID(), Body: []byte("1")})
	s.put(cell.Spec{Addr: "k\x00mb\x00\x00", Codec: k.ID(), Body: []byte("?")})
	m := read[crdt.Map[int]](s, k, "k")
	if v, ok := m.Get("a"); v != 1 || !ok || m.Err() != nil {
		t.Errorf("a = %d, %v, %v", v, ok, m.Err())
	}
	if _, ok := m.Get("b"); ok || !errors.Is(m.Err(), kv.ErrDecode) {
		t.Errorf("b is there: %v, %v", ok, m.Err())
	}
	if _, err := k.Plan(crdt.Intent{Read: s.tree, Key: "k", Out: m}); !errors.Is(err, kv.ErrDecode) {
		t.Errorf("storing it: %v", err)
	}
	if _, err := k.Codec().Encode(read[crdt.Map[int]](s, k, "k")); !errors.Is(err, kv.ErrDecode) {
		t.Errorf("encoding it: %v", err)
	}
	mended := read[crdt.Map[int]](s, k, "k")
	mended.Set("b", 2)
	s.write(k, "k", mended)
	if got := maps.Collect(read[crdt.Map[int]](s, k, "k").All()); got["b"] != 2 || len(got) != 2 {
		t.Errorf("mended: %v", got)
	}
}

// TestMapPartWithoutItsFirst: a field is there iff its first part is.
func TestMapPartWithoutItsFirst(t *testing.T) {
	s := &shelf{t: t}
	s.put(cell.Spec{Addr: "k\x00ma\x00\x01", Codec: texts.ID(), Body: []byte("cold")})
	if m := read[crdt.Map[string]](s, texts, "k"); m != nil {
		t.Errorf("a Map of %d fields", m.Len())
	}
	s.put(cell.Spec{Addr: "k\x00r", Codec: "string"})
	if _, err := texts.View(s.tree, "k"); !errors.Is(err, kv.ErrType) {
		t.Errorf("beside a register: %v", err)
	}
}

// fourParts makes as many parts as it is told.
type fourParts struct {
	kv.Codec
	n int
}

func (c fourParts) Parts(v string) ([][]byte, error) {
	switch v {
	case "panic":
		panic(v)
	case "fail":
		return nil, errors.New(v)
	}
	return slices.Repeat([][]byte{[]byte(v)}, c.n), nil
}

func (fourParts) Join(parts [][]byte) (string, error) {
	if string(parts[0]) == "bad" {
		panic("bad")
	}
	return string(parts[0]), nil
}

func TestWhatKindsRefuse(t *testing.T) {
	set := func(field, v string) *crdt.Map[string] {
		m := &crdt.Map[string]{}
		m.Set(field, v)
		return m
	}
	elem := func(e string) *crdt.Set[string] {
		s := &crdt.Set[string]{}
		s.Add(e)
		return s
	}
	sets := crdt.SetOf[string](kv.String)
	four := func(n int) crdt.Merging { return crdt.MapOf[string](fourParts{kv.String, n}) }
	var none *crdt.Map[string]
	for _, c := range []struct {
		name string
		kind crdt.Merging
		out  any
		want error
	}{
		{"an empty field", texts, set("", "v"), kv.ErrBadKey},
		{"a field with a zero", texts, set("a\x00b", "v"), kv.ErrBadKey},
		{"another type", texts, "text", kv.ErrType},
		{"a nil map", texts, none, kv.ErrType},
		{"an element with a zero", sets, elem("a\x00b"), kv.ErrType},
		{"a long element", sets, elem(strings.Repeat("a", 1025)), kv.ErrTooLarge},
		{"a map as a set", sets, set("a", "b"), kv.ErrType},
		{"a set as a counter", crdt.Counters(), elem("a"), kv.ErrType},
		{"a counter as a maximum", crdt.Maxima(), &crdt.Counter{}, kv.ErrType},
		{"a maximum of nothing", crdt.Maxima(), &crdt.Max{}, kv.ErrType},
		{"no parts", four(0), set("a", "b"), kv.ErrType},
		{"five parts", four(5), set("a", "b"), kv.ErrType},
		{"parts that panic", four(2), set("a", "panic"), kv.ErrType},
		{"parts that fail", four(2), set("a", "fail"), kv.ErrType},
	} {
		p, err := c.kind.Plan(crdt.Intent{Key: "k", Out: c.out, Self: 7})
		if !errors.Is(err, c.want) || len(p.Edits) > 0 {
			t.Errorf("%s: %v and %d edits, want %v", c.name, err, len(p.Edits), c.want)
		}
	}
	s := &shelf{t: t}
	s.write(four(4), "k", set("a", "bad"))
	m := read[crdt.Map[string]](s, four(4), "k")
	if _, ok := m.Get("a"); ok || !errors.Is(m.Err(), kv.ErrDecode) {
		t.Errorf("a Join that panics: %v, %v", ok, m.Err())
	}
}

// TestWholeValues: the bytes of whole values are for ever.
func TestWholeValues(t *testing.T) {
	m := &crdt.Map[string]{}
	for field, v := range map[string]string{"b": "[1, 2]", "a<": "text", "ü": `"q"`, "z": "", "$": `{"$base64":""}`} {
		m.Set(field, v)
	}
	set := &crdt.Set[string]{}
	for _, e := range []string{"b", "a", "7"} {
		set.Add(e)
	}
	counter, high := &crdt.Counter{}, &crdt.Max{}
	counter.Add(-5)
	high.Observe(-7)
	for _, c := range []struct {
		kind crdt.Kind
		v    any
		want string
	}{
		{texts, m, `{"$":{"$base64":"eyIkYmFzZTY0IjoiIn0="},"a<":{"$base64":"dGV4dA=="},"b":[1, 2],"z":{"$base64":""},"ü":"q"}`},
		{texts, &crdt.Map[string]{}, `{}`},
		{crdt.SetOf[string](kv.String), set, `[7,{"$base64":"YQ=="},{"$base64":"Yg=="}]`},
		{crdt.Counters(), counter, `-5`},
		{crdt.Maxima(), high, `-7`},
	} {
		got, err := c.kind.Codec().Encode(c.v)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v; want %s", c.kind.ID(), got, err, c.want)
			continue
		}
		v, err := c.kind.Codec().Decode(got)
		if err != nil {
			t.Errorf("%s: %v", c.kind.ID(), err)
			continue
		}
		if again, err := c.kind.Codec().Encode(v); err != nil || string(again) != c.want {
			t.Errorf("%s: comes back as %s, %v", c.kind.ID(), again, err)
		}
	}
}

func TestWholeValuesThatAreNone(t *testing.T) {
	for _, c := range []struct {
		kind crdt.Kind
		bad  []string
	}{
		{texts, []string{"", "null", "[]", `{"a":1`, `{"":1}`, `{"a":{"$base64":"?"}}`}},
		{crdt.MapOf[int](kv.JSON[int]("int")), []string{`{"a":"x"}`}},
		{crdt.SetOf[int](kv.JSON[int]("int")), []string{"", "null", "{}", `["x"]`}},
		{crdt.Counters(), []string{"", "null", "1.5", `"1"`, "9999999999999999999"}},
		{crdt.Maxima(), []string{"", "null", "{}"}},
	} {
		for _, b := range c.bad {
			if v, err := c.kind.Codec().Decode([]byte(b)); err == nil {
				t.Errorf("%s: %q is %v", c.kind.ID(), b, v)
			}
		}
	}
}

// TestValuesShowAsJSON: read or made, in any place of a larger document.
func TestValuesShowAsJSON(t *testing.T) {
	ints := crdt.MapOf[int](kv.JSON[int]("int"))
	s := &shelf{t: t}
	m, set, n, high := &crdt.Map[int]{}, &crdt.Set[string]{}, &crdt.Counter{}, &crdt.Max{}
	m.Set("a", 1)
	set.Add("x")
	n.Add(3)
	high.Observe(4)
	s.write(ints, "m", m)
	for _, m := range []*crdt.Map[int]{m, read[crdt.Map[int]](s, ints, "m")} {
		b, err := json.Marshal([]any{m, set, n, high, &crdt.Max{}})
		if err != nil || string(b) != `[{"a":1},["x"],3,4,null]` {
			t.Errorf("%s, %v", b, err)
		}
	}
}

func TestCounterBodies(t *testing.T) {
	s := &shelf{t: t}
	k := crdt.Counters()
	for _, n := range []int64{5, -7, math.MaxInt64, math.MinInt64, 0} {
		c := read[crdt.Counter](s, k, "n")
		if c == nil {
			c = &crdt.Counter{}
		}
		want := c.Value() + n
		c.Add(n)
		s.write(k, "n", c)
		if got := read[crdt.Counter](s, k, "n").Value(); got != want {
			t.Errorf("after %d: %d, want %d", n, got, want)
		}
	}
	for _, body := range []string{"", "\x01", "\x01\x01\x01", "\xff"} {
		s.put(cell.Spec{Addr: "bad\x00c12345678", Codec: "counter", Body: []byte(body)})
		if _, err := k.View(s.tree, "bad"); !errors.Is(err, kv.ErrDecode) {
			t.Errorf("body %q: %v", body, err)
		}
		s.put(cell.Spec{Addr: "bad\x00x12345678", Codec: "max", Body: []byte(body)})
		if _, err := crdt.Maxima().View(s.tree, "bad"); body != "\x01" && !errors.Is(err, kv.ErrDecode) {
			t.Errorf("maximum %q: %v", body, err)
		}
	}
}

// TestCounterIsBornOnce: its cell counts since its first write, so that a
// delete that had seen that takes all away.
func TestCounterIsBornOnce(t *testing.T) {
	s := &shelf{t: t}
	k := crdt.Counters()
	c := &crdt.Counter{}
	c.Add(1)
	first := s.write(k, "n", c)
	second := read[crdt.Counter](s, k, "n")
	second.Add(1)
	p := s.write(k, "n", second)
	third := read[crdt.Counter](s, k, "n")
	third.Add(1)
	q := s.write(k, "n", third)
	if first.Edits[0].Born != 0 || p.Edits[0].Born != hlc.Make(1, 0) || q.Edits[0].Born != hlc.Make(1, 0) {
		t.Errorf("born at %v, then %v and %v, want since the first", first.Edits[0].Born, p.Edits[0].Born, q.Edits[0].Born)
	}
}

func TestMaxIsSet(t *testing.T) {
	s := &shelf{t: t}
	k := crdt.Maxima()
	s.put(cell.Spec{Addr: "m\x00x\x00\x00\x00\x00\x00\x00\x00\x01", Codec: "max", Body: []byte{20}}) // 10, of another
	m := read[crdt.Max](s, k, "m")
	m.Observe(4)
	if p := s.write(k, "m", m); len(p.Edits) != 0 {
		t.Errorf("a number that is not higher writes %d cells", len(p.Edits))
	}
	made := &crdt.Max{}
	made.Observe(4)
	s.write(k, "m", made)
	if high, ok := read[crdt.Max](s, k, "m").Value(); high != 4 || !ok {
		t.Errorf("after setting it lower it is %d, %v", high, ok)
	}
}

// TestSetRemovesWhatItSaw: one tombstone per cell that was seen, observed.
func TestSetRemovesWhatItSaw(t *testing.T) {
	s := &shelf{t: t}
	k := crdt.SetOf[string](kv.String)
	for _, addr := range []cell.Addr{"s\x00ea\x0011111111", "s\x00ea\x0022222222", "s\x00eab\x0011111111"} {
		s.put(cell.Spec{Addr: addr, Codec: k.ID()})
	}
	set := read[crdt.Set[string]](s, k, "s")
	if set.Len() != 2 || !set.Has("a") || set.Has("b") {
		t.Errorf("%d elements, a: %v, b: %v", set.Len(), set.Has("a"), set.Has("b"))
	}
	set.Remove("a")
	set.Remove("b")
	p := s.write(k, "s", set)
	if len(p.Edits) != 2 || !p.Edits[0].Observed || !p.Edits[1].Tomb || !slices.Equal(p.Watched, []string{"s\x00ea\x00"}) {
		t.Errorf("planned %+v", p)
	}
	set = read[crdt.Set[string]](s, k, "s")
	set.Add("ab")
	if p := s.write(k, "s", set); len(p.Edits) != 1 || p.Edits[0].Addr != "s\x00eab\x00\x00\x00\x00\x00\x00\x00\x00\x07" {
		t.Errorf("an add of what is in: %+v", p)
	}
}

func TestKindsWithoutACodec(t *testing.T) {
	for name, f := range map[string]func(){
		"map": func() { crdt.MapOf[int](nil) }, "set": func() { crdt.SetOf[int](nil) }, "register": func() { crdt.Register(nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a %s of nothing", name)
				}
			}()
			f()
		}()
	}
}
