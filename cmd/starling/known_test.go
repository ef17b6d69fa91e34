package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/crdt/crdttest"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/httpkv"
)

// instance is a value in two parts, which only its codec can make of it.
type instance struct {
	Beat int    `json:"beat"`
	Zone string `json:"zone"`
}

type instanceCodec struct{ kv.Codec }

func (instanceCodec) Parts(i instance) ([][]byte, error) {
	hot, err := json.Marshal(i.Beat)
	return [][]byte{hot, []byte(i.Zone)}, err
}

func (instanceCodec) Join(parts [][]byte) (i instance, err error) {
	i.Zone = string(parts[1])
	return i, json.Unmarshal(parts[0], &i.Beat)
}

var instances = crdt.MapOf[instance](instanceCodec{kv.JSON[instance]("instance")})

// TestFieldsOfPartsByTheirCodec reads, writes and edits fields of several parts on a node that has their kind: each as the
// codec writes it, and a program finds what was written.
func TestFieldsOfPartsByTheirCodec(t *testing.T) {
	n := open(t, starling.Options{Name: "n1", Kinds: []crdt.Kind{instances}})
	ring := crdt.Typed[crdt.Map[instance]]{Client: n.node.Client(instances)}
	err := ring.Update(t.Context(), "ring", func(m *crdt.Map[instance]) error {
		m.Set("a", instance{1, "eu"})
		m.Set("b", instance{2, "us"})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	holds := func(field string, want instance) {
		t.Helper()
		m, _, err := ring.Get(t.Context(), "ring")
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := m.Get(field); !ok || got != want || m.Err() != nil {
			t.Errorf("%s is %+v, %v, %v; want %+v", field, got, ok, m.Err(), want)
		}
	}
	does := func(line, want string) {
		t.Helper()
		if got := run(t, n.url, "", editor("sed -i s/us/asia/"), strings.Fields(line)...); got.code != exitOK || want != "" && got.out != want {
			t.Errorf("%s: %d %s%s, want %s", line, got.code, got.out, got.err, want)
		}
	}
	const whole = `{"a":{"beat":1,"zone":"eu"},"b":{"beat":2,"zone":"us"}}`
	does("get ring", whole)
	does("get ring --field a", `{"beat":1,"zone":"eu"}`)
	does(`put ring {"beat":7,"zone":"eu"} --field a`, "")
	holds("a", instance{7, "eu"})
	does(`put ring {"beat":9,"zone":"af"} --field c`, "")
	holds("c", instance{9, "af"})
	does("watch ring --field a --once -o raw", `{"beat":7,"zone":"eu"}`+"\n")
	does("edit ring", "")
	holds("b", instance{2, "asia"})
	holds("a", instance{7, "eu"})
	does("put ring "+whole+" --codec map.instance", "")
	holds("b", instance{2, "us"})
	does(`put ring {"$parts":[3,{"$bytes":"ZXU="}]} --field a`, "")
	holds("a", instance{3, "eu"})
	for _, line := range []string{`put ring text --field a`, `put ring {"beat":"x"} --field b`, `put ring {"b":7} --codec map.instance`, `put ring {"$parts":["x"]} --field a`} {
		if got := run(t, n.url, "", nil, strings.Fields(line)...); got.code != exitError || !strings.Contains(got.err, "map.instance") {
			t.Errorf("%s: %d %s%s, want an error that names the codec", line, got.code, got.out, got.err)
		}
	}
	holds("a", instance{3, "eu"})
	holds("b", instance{2, "us"})
}

// TestFieldsOfPartsAsTheyAreShown: where nobody knows the codec, a field of several parts is written in the form in which it
// is read, and in no other.
func TestFieldsOfPartsAsTheyAreShown(t *testing.T) {
	n := open(t, starling.Options{Name: "n1"})
	ring := crdt.Typed[crdt.Map[instance]]{Client: n.node.Client(instances)}
	err := ring.Update(t.Context(), "ring", func(m *crdt.Map[instance]) error { m.Set("a", instance{1, "eu"}); return nil })
	if err != nil {
		t.Fatal(err)
	}
	shown := run(t, n.url, "", nil, "get", "ring", "--field", "a").out
	if got := run(t, n.url, "", nil, "put", "ring", strings.Replace(shown, "[1,", "[5,", 1), "--field", "a"); got.code != exitOK {
		t.Fatalf("%s over %s: %s", got.out, shown, got.err)
	}
	m, _, err := ring.Get(t.Context(), "ring")
	if v, _ := m.Get("a"); err != nil || v != (instance{5, "eu"}) {
		t.Errorf("a program reads %+v, %v", v, err)
	}
	if got := run(t, n.url, "", nil, "put", "ring", `{"beat":1}`, "--field", "a"); got.code != exitError || !strings.Contains(got.err, "$parts") {
		t.Errorf("another form: %d %s, want a hint at the form", got.code, got.err)
	}
}

// TestKindsOverHTTP uses every kind on a node by its API, as a client without cells does. What has parts, or a merge of its
// own, needs the node to know the kind.
func TestKindsOverHTTP(t *testing.T) {
	n := open(t, starling.Options{Name: "n1", Kinds: crdttest.Kinds()})
	c, err := httpkv.New(n.url, kv.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	crdttest.Usable(t, func(_ testing.TB, kind crdt.Kind) kv.Client { return c.With(kind.Codec()) })
}

// TestMergesOfOthersAreNotWritten: a node that does not know the kind refuses a value with a merge of its own, and says why.
func TestMergesOfOthersAreNotWritten(t *testing.T) {
	n := open(t, starling.Options{Name: "n1"})
	for range 2 { // on a key that holds nothing, and on one of that kind
		got := run(t, n.url, "", nil, "put", "ring", "{}", "--codec", "merge.beats")
		if got.code != exitError || !strings.Contains(got.err, "only known to the programs that write them") || strings.Contains(got.err, "another kind") {
			t.Errorf("got %d %s", got.code, got.err)
		}
		for _, kind := range crdttest.Kinds() {
			if kind.ID() != "merge.beats" {
				continue
			}
			v, err := kind.Codec().Decode([]byte(`{"a":1}`))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := n.node.Client(kind).Put(t.Context(), "ring", v); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestEmptyIsAbsent writes a Map and a Set of nothing to a node, which keeps no such key: that is no error, and takes away
// what was there.
func TestEmptyIsAbsent(t *testing.T) {
	_, addr := withKinds(t)
	for _, line := range []string{"put flags {} --codec map.flag", "put zones [] --codec set.string", "put new [] --codec set.string"} {
		words := strings.Fields(line)
		if got := run(t, addr, "", nil, append(words, "-o", "jsonl")...); got.code != exitOK || got.out != `{"key":"`+words[1]+`"}`+"\n" {
			t.Errorf("%s: %d %s%s", line, got.code, got.out, got.err)
		}
		if got := run(t, addr, "", nil, "get", words[1]); got.code != exitNotFound {
			t.Errorf("then it is %d %s", got.code, got.out)
		}
	}
	if got := run(t, addr, `{"key":"e","codec":"set.string","value":"[]"}`, nil, "import"); got.code != exitOK {
		t.Errorf("import: %s", got.err)
	}
}
