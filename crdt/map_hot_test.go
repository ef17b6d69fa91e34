package crdt_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"slices"
	"testing"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

// Instance is one entry of a ring: when it was last seen changes all the time,
// its tokens hardly ever do.
type Instance struct {
	Seen   int64
	Tokens []uint32
}

// InstanceCodec is kv.JSON for the whole of an Instance, and splits it.
type InstanceCodec struct{ kv.Codec }

// Hot is part of crdt.HotParted.
func (InstanceCodec) Hot(v Instance) ([]byte, error) { return binary.AppendVarint(nil, v.Seen), nil }

// SameCold is part of crdt.HotParted.
func (InstanceCodec) SameCold(a, b Instance) bool { return slices.Equal(a.Tokens, b.Tokens) }

// WithHot is part of crdt.HotParted.
func (InstanceCodec) WithHot(v Instance, hot []byte) (Instance, error) {
	seen, n := binary.Varint(hot)
	if n != len(hot) || n == 0 {
		return v, errors.New("no time")
	}
	v.Seen = seen
	return v, nil
}

// Parts is part of crdt.Parted.
func (c InstanceCodec) Parts(v Instance) ([][]byte, error) {
	hot, err := c.Hot(v)
	cold := make([]byte, 0, 4*len(v.Tokens))
	for _, t := range v.Tokens {
		cold = binary.BigEndian.AppendUint32(cold, t)
	}
	return [][]byte{hot, cold}, err
}

// Join is part of crdt.Parted.
func (c InstanceCodec) Join(parts [][]byte) (v Instance, err error) {
	for cold := parts[1]; len(cold) >= 4; cold = cold[4:] {
		v.Tokens = append(v.Tokens, binary.BigEndian.Uint32(cold))
	}
	return c.WithHot(v, parts[0])
}

// A table whose heartbeats cost what they change. On a node it is
// node.Client(kind); here it is a store in memory, which keeps the table as one
// value.
func ExampleHotParted() {
	var codec crdt.HotParted[Instance] = InstanceCodec{kv.JSON[Instance]("instance")}
	kind := crdt.MapOf[Instance](codec)
	store := memkv.New(kind.Codec())
	defer store.Close()

	ring := crdt.Typed[crdt.Map[Instance]]{Client: store}
	for seen := range int64(3) {
		err := ring.Update(context.Background(), "ring", func(m *crdt.Map[Instance]) error {
			v, known := m.Get("a")
			if !known {
				v.Tokens = []uint32{1 << 20, 1 << 30}
			}
			v.Seen = seen
			m.Set("a", v)
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	m, _, err := ring.Get(context.Background(), "ring")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Get("a"))
	// Output: {2 [1048576 1073741824]} true
}

// countedCodec counts how often it is asked for all parts.
type countedCodec struct {
	InstanceCodec
	parts, joins *int
}

func (c countedCodec) Parts(v Instance) ([][]byte, error) {
	*c.parts++
	return c.InstanceCodec.Parts(v)
}

func (c countedCodec) Join(parts [][]byte) (Instance, error) {
	*c.joins++
	return c.InstanceCodec.Join(parts)
}

// TestHeartbeatLeavesTheColdPart: who changes a first part is not asked for the
// others again, whoever reads them; and what is stored is what Parts makes.
func TestHeartbeatLeavesTheColdPart(t *testing.T) {
	var parts, joins int
	codec := countedCodec{InstanceCodec{kv.JSON[Instance]("instance")}, &parts, &joins}
	kind := crdt.MapOf[Instance](codec)
	s := &shelf{t: t}
	m := &crdt.Map[Instance]{}
	m.Set("a", Instance{1, []uint32{7, 8}})
	m.Set("b", Instance{1, nil}) // its cold part is empty, and there
	s.write(kind, "k", m)
	for name, cells := range map[string]int{"a": 1, "b": 1} {
		for seen := range int64(20) {
			m := read[crdt.Map[Instance]](s, kind, "k")
			v, _ := m.Get(name)
			if seen == 1 {
				parts, joins = 0, 0
			}
			v.Seen = seen + 2
			m.Set(name, v)
			if p := s.write(kind, "k", m); len(p.Edits) != cells || p.Edits[0].Tomb {
				t.Fatalf("heartbeat %d of %s: %+v", seen, name, p.Edits)
			}
		}
		if parts+joins > 0 {
			t.Errorf("19 heartbeats of %s asked %d times for all parts, and joined them %d times", name, parts, joins)
		}
	}
	m = read[crdt.Map[Instance]](s, kind, "k")
	for name, want := range map[string]Instance{"a": {21, []uint32{7, 8}}, "b": {21, nil}} {
		if v, ok := m.Get(name); !ok || v.Seen != want.Seen || !slices.Equal(v.Tokens, want.Tokens) {
			t.Errorf("%s is %v, %v, want %v", name, v, ok, want)
		}
		want, _ := codec.Parts(want)
		for i, body := range want {
			c, _ := s.tree.Get("k\x00m" + name + "\x00" + string(rune(i)))
			if c == nil || !bytes.Equal(c.Body, body) {
				t.Errorf("part %d of %s is %v, want %x", i, name, c, body)
			}
		}
	}
}

// TestHotMeetsAnotherCold: what was decoded of a cold part serves no other.
func TestHotMeetsAnotherCold(t *testing.T) {
	kind := crdt.MapOf[Instance](InstanceCodec{kv.JSON[Instance]("instance")})
	s := &shelf{t: t}
	put := func(part int, body []byte) {
		s.put(cell.Spec{Addr: cell.At("k", "ma\x00"+string(rune(part))), Codec: kind.ID(), Body: body})
	}
	is := func(seen int64, tokens ...uint32) {
		t.Helper()
		m := read[crdt.Map[Instance]](s, kind, "k")
		if v, ok := m.Get("a"); !ok || v.Seen != seen || !slices.Equal(v.Tokens, tokens) {
			t.Fatalf("got %v, %v, %v, want %d and %v", v, ok, m.Err(), seen, tokens)
		}
	}
	put(0, binary.AppendVarint(nil, 1))
	is(1)
	put(1, []byte{0, 0, 0, 5})
	is(1, 5)
	old := s.tree
	put(0, binary.AppendVarint(nil, 2))
	is(2, 5)
	put(1, []byte{0, 0, 0, 6})
	is(2, 6)
	s.tree = old
	is(1, 5)
	put(0, nil)
	if m := read[crdt.Map[Instance]](s, kind, "k"); m.Len() != 1 {
		t.Errorf("%d fields", m.Len())
	} else if _, ok := m.Get("a"); ok || !errors.Is(m.Err(), kv.ErrDecode) {
		t.Errorf("a first part of nothing: %v, %v", ok, m.Err())
	}
}

// wildHot is a HotParted codec whose author made mistakes.
type wildHot struct {
	InstanceCodec
	hot      func() ([]byte, error)
	sameCold func() bool
}

func (w wildHot) Hot(v Instance) ([]byte, error) { return w.hot() }

func (w wildHot) SameCold(a, b Instance) bool { return w.sameCold() }

func TestHotThatFails(t *testing.T) {
	yes := func() bool { return true }
	for name, w := range map[string]wildHot{
		"Hot fails":       {hot: func() ([]byte, error) { return nil, errors.New("no") }, sameCold: yes},
		"Hot panics":      {hot: func() ([]byte, error) { panic("no") }, sameCold: yes},
		"SameCold panics": {sameCold: func() bool { panic("no") }},
	} {
		w.InstanceCodec = InstanceCodec{kv.JSON[Instance]("instance")}
		kind := crdt.MapOf[Instance](w)
		s := &shelf{t: t}
		m := &crdt.Map[Instance]{}
		m.Set("a", Instance{1, []uint32{7}})
		s.write(kind, "k", m)
		m = read[crdt.Map[Instance]](s, kind, "k")
		v, _ := m.Get("a")
		m.Set("a", v)
		p, err := kind.Plan(crdt.Intent{Read: s.tree, Key: "k", Out: m, Self: 7})
		if !errors.Is(err, kv.ErrType) || len(p.Edits) > 0 {
			t.Errorf("%s: %v and %d edits, want ErrType", name, err, len(p.Edits))
		}
	}
}
