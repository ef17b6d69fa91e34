package starling_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

// hotCold is a codec of two parts, which only programs that have it can join.
type hotCold struct{}

func (hotCold) CodecID() string { return "hotcold" }

func (hotCold) Encode(v any) ([]byte, error) { return []byte(`"` + v.(string) + `"`), nil }

func (hotCold) Decode(b []byte) (any, error) { return string(bytes.Trim(b, `"`)), nil }

func (hotCold) Parts(v string) ([][]byte, error) { return [][]byte{[]byte(v[:1]), []byte(v[1:])}, nil }

func (hotCold) Join(parts [][]byte) (string, error) { return string(parts[0]) + string(parts[1]), nil }

// everyKind writes a key of each kind.
func everyKind(t *testing.T, n *starling.Node) {
	t.Helper()
	ctx := t.Context()
	var errs []error
	add := func(err error) { errs = append(errs, err) }
	_, err := n.Client(crdt.Register(kv.Bytes)).Put(ctx, "bytes", []byte("raw"))
	add(err)
	_, err = n.Client(crdt.Register(kv.String)).Put(ctx, "string", "text")
	add(err)
	flags := crdt.Typed[crdt.Map[map[string]bool]]{Client: n.Client(crdt.MapOf[map[string]bool](kv.JSON[map[string]bool]("flag")))}
	add(flags.Update(ctx, "map", func(m *crdt.Map[map[string]bool]) error {
		m.Set("a", map[string]bool{"on": true})
		m.Set("b", map[string]bool{})
		return nil
	}))
	parted := crdt.Typed[crdt.Map[string]]{Client: n.Client(crdt.MapOf[string](hotCold{}))}
	add(parted.Update(ctx, "parted", func(m *crdt.Map[string]) error { m.Set("x", "1\xff"); return nil }))
	set := crdt.Typed[crdt.Set[string]]{Client: n.Client(crdt.SetOf[string](kv.String))}
	add(set.Update(ctx, "set", func(s *crdt.Set[string]) error { s.Add("7"); s.Add("é"); return nil }))
	counter := crdt.Typed[crdt.Counter]{Client: n.Client(crdt.Counters())}
	add(counter.Update(ctx, "counter", func(c *crdt.Counter) error { c.Add(-3); return nil }))
	high := crdt.Typed[crdt.Max]{Client: n.Client(crdt.Maxima())}
	add(high.Update(ctx, "max", func(m *crdt.Max) error { m.Observe(9); return nil }))
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// shownKinds is what everyKind writes, as it is seen by somebody who knows no codec.
var shownKinds = map[string]string{
	"bytes": "bytes raw", "string": "string text", "counter": "counter -3", "max": "max 9",
	"map":    `map.flag {"a":{"on":true},"b":{}}`,
	"parted": `map.hotcold {"x":{"$parts":[1,{"$bytes":"/w=="}]}}`,
	"set":    `set.string [7,{"$base64":"w6k="}]`,
}

// TestRawSeesEveryKind reads, lists and watches keys of all kinds.
func TestRawSeesEveryKind(t *testing.T) {
	n := open(t, starling.Options{Name: "a"})
	everyKind(t, n)
	raw := n.Raw()
	check := func(how string, e kv.Entry, want string) {
		t.Helper()
		b, ok := e.Value.(kv.Raw)
		if !ok {
			b = e.Value.([]byte)
		}
		if got := fmt.Sprintf("%s %s", e.Codec, b); got != want || e.Size != len(b) || e.Version == "" || e.Updated.IsZero() || e.Origin == "" {
			t.Errorf("%s %s: got %+v, %s; want %s", how, e.Key, e, b, want)
		}
	}
	for key, want := range shownKinds {
		e, ok, err := raw.Entry(t.Context(), key)
		if !ok || (err != nil) != (key != "bytes") || err != nil && !errors.Is(err, kv.ErrType) {
			t.Errorf("%s: %v, %v", key, ok, err)
		}
		check("Entry", e, want)
		if typed, _, err := n.Client(crdt.Register(kv.Bytes)).Entry(t.Context(), key); err == nil && typed.Version != e.Version {
			t.Errorf("%s: got the version %s, another client %s", key, e.Version, typed.Version)
		}
	}
	listed := 0
	for e := range raw.Entries(t.Context(), "", "") {
		check("Entries", e, shownKinds[e.Key])
		listed++
	}
	for ev := range raw.Events(t.Context(), "") {
		if ev.Kind == kv.Synced {
			break
		}
		check("Events", ev.Entry, shownKinds[ev.Key])
	}
	if listed != len(shownKinds) {
		t.Errorf("%d keys are listed, want %d", listed, len(shownKinds))
	}
}

// TestRawKnowsTheRegistry reads a value whose kind the node has been told.
func TestRawKnowsTheRegistry(t *testing.T) {
	n := open(t, starling.Options{Name: "a", Kinds: []crdt.Kind{crdt.MapOf[string](hotCold{})}})
	everyKind(t, n)
	if e, _, _ := n.Raw().Entry(t.Context(), "parted"); string(e.Value.(kv.Raw)) != "{\"x\":\"1\xff\"}" {
		t.Errorf("got %s, want what the codec writes", e.Value)
	}
}

// TestRawWritesRegistersOnly removes a key of any kind, and overwrites none of another.
func TestRawWritesRegistersOnly(t *testing.T) {
	n := open(t, starling.Options{Name: "a"})
	everyKind(t, n)
	raw, ctx := n.Raw(), t.Context()
	for key := range shownKinds {
		_, err := raw.Put(ctx, key, []byte("over"))
		if (err == nil) != (key == "bytes") || err != nil && !errors.Is(err, kv.ErrType) {
			t.Errorf("Put over %s: %v", key, err)
		}
		e, _, _ := raw.Entry(ctx, key)
		if err := raw.Remove(ctx, key, kv.IfVersion("other")); !errors.Is(err, kv.ErrConflict) {
			t.Errorf("Remove of another version of %s: %v", key, err)
		}
		if err := raw.Remove(ctx, key, kv.IfVersion(e.Version)); err != nil {
			t.Errorf("Remove of %s: %v", key, err)
		}
		if _, ok, err := raw.Entry(ctx, key); ok || err != nil {
			t.Errorf("%s is still there: %v", key, err)
		}
	}
}
