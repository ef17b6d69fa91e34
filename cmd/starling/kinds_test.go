package main

import (
	"context"
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

// toggle is a value that only programs know.
type toggle struct {
	On bool `json:"on"`
}

// withKinds is a node on which a program keeps values that merge.
func withKinds(t *testing.T) (node *starling.Node, addr string) {
	t.Helper()
	n := open(t, starling.Options{Name: "n1"})
	ctx := t.Context()
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	try(flagsOf(n.node).Update(ctx, "flags", func(m *crdt.Map[toggle]) error {
		m.Set("a", toggle{true})
		m.Set("b", toggle{})
		return nil
	}))
	texts := crdt.Typed[crdt.Map[string]]{Client: n.node.Client(crdt.MapOf[string](kv.String))}
	try(texts.Update(ctx, "texts", func(m *crdt.Map[string]) error { m.Set("x", "plain\ntext"); m.Set("y", "\xff"); return nil }))
	set := crdt.Typed[crdt.Set[string]]{Client: n.node.Client(crdt.SetOf[string](kv.String))}
	try(set.Update(ctx, "zones", func(s *crdt.Set[string]) error { s.Add("b"); s.Add("a"); return nil }))
	hits := crdt.Typed[crdt.Counter]{Client: n.node.Client(crdt.Counters())}
	try(hits.Update(ctx, "hits", func(c *crdt.Counter) error { c.Add(41); return nil }))
	high := crdt.Typed[crdt.Max]{Client: n.node.Client(crdt.Maxima())}
	try(high.Update(ctx, "mark", func(m *crdt.Max) error { m.Observe(7); return nil }))
	return n.node, n.url
}

func flagsOf(n *starling.Node) crdt.Typed[crdt.Map[toggle]] {
	return crdt.Typed[crdt.Map[toggle]]{Client: n.Client(crdt.MapOf[toggle](kv.JSON[toggle]("flag")))}
}

// fieldsOf is what a program reads of the flags.
func fieldsOf(t *testing.T, n *starling.Node) map[string]toggle {
	t.Helper()
	m, _, err := flagsOf(n).Get(context.Background(), "flags")
	if err != nil {
		t.Fatal(err)
	}
	got := maps.Collect(m.All())
	if m.Err() != nil {
		t.Fatal(m.Err())
	}
	return got
}

// TestKindsAreReadByAnybody looks with the command at what programs keep in kinds of their own.
func TestKindsAreReadByAnybody(t *testing.T) {
	_, addr := withKinds(t)
	for line, want := range map[string]string{
		"get flags": `{"a":{"on":true},"b":{"on":false}}`,
		"get texts": `{"x":{"$text":"plain\ntext"},"y":{"$base64":"/w=="}}`,
		"get zones": `[{"$text":"a"},{"$text":"b"}]`,
		"get hits":  "41",
		"get mark":  "7",
		"ls":        "flags\nhits\nmark\ntexts\nzones\n",
	} {
		if got := run(t, addr, "", nil, strings.Fields(line)...); got.out != want || got.code != exitOK {
			t.Errorf("%s: got %d %q, %s; want %q", line, got.code, got.out, got.err, want)
		}
	}
	long := run(t, addr, "", nil, "ls", "-l").out
	for _, codec := range []string{" -     map.flag\n", " map.string\n", " set.string\n", " -     counter\n", " max\n"} {
		if !strings.Contains(long, codec) {
			t.Errorf("ls -l does not name%s in\n%s", codec, long)
		}
	}
	if got := run(t, addr, "", nil, "get", "flags", "-o", "json"); !strings.Contains(got.out, `"value": "{\"a\":`) || !strings.Contains(got.out, `"codec": "map.flag"`) {
		t.Errorf("get -o json: %s", got.out)
	}
	if got := run(t, addr, "", nil, "watch", "flags", "--once", "-o", "raw"); got.out != `{"a":{"on":true},"b":{"on":false}}`+"\n" {
		t.Errorf("watch: %q, %s", got.out, got.err)
	}
}

// TestKindsAreWrittenWhole puts, edits and moves them to another cluster, where programs read them.
func TestKindsAreWrittenWhole(t *testing.T) {
	node, addr := withKinds(t)
	if got := run(t, addr, "", editor("sed -i s/false/true/"), "edit", "flags"); got.code != exitOK {
		t.Fatal(got.err)
	}
	if got := fieldsOf(t, node); len(got) != 2 || !got["b"].On {
		t.Errorf("after edit: %v", got)
	}
	other, there := withKinds(t)
	exported := run(t, addr, "", nil, "export")
	for _, key := range []string{"flags", "texts", "zones", "hits", "mark"} {
		if got := run(t, there, "", nil, "del", key); got.code != exitOK {
			t.Fatal(got.err)
		}
	}
	if got := run(t, there, exported.out, nil, "import"); got.code != exitOK {
		t.Fatal(got.err)
	}
	if got := fieldsOf(t, other); len(got) != 2 || !got["b"].On {
		t.Errorf("after import: %v", got)
	}
	if got := run(t, there, "", nil, "export"); withoutFacts(got.out) != withoutFacts(exported.out) {
		t.Errorf("imported is\n%sexported was\n%s", got.out, exported.out)
	}
	for _, c := range []struct {
		line, stdin string
		code        int
	}{
		{`put flags {"c":{"on":true}} --codec map.flag`, "", exitOK},
		{`put flags [] --codec map.flag`, "", exitError},
		{`put flags {} --codec map.other`, "", exitError},
		{`put flags text`, "", exitError},
		{`put hits 50 --codec counter`, "", exitOK},
		{`put hits many --codec counter`, "", exitError},
		{`put ring {} --codec merge.ring`, "", exitError},
	} {
		if got := run(t, there, c.stdin, nil, strings.Fields(c.line)...); got.code != c.code {
			t.Errorf("%s: exit code %d, want %d: %s", c.line, got.code, c.code, got.err)
		}
	}
	if got := fieldsOf(t, other); len(got) != 1 || !got["c"].On {
		t.Errorf("after put: %v", got)
	}
	if got := run(t, there, "", nil, "get", "hits"); got.out != "50" {
		t.Errorf("the counter is %s", got.out)
	}
}

// withoutFacts is what an export says of keys and values alone.
func withoutFacts(export string) string {
	var out strings.Builder
	for line := range strings.Lines(export) {
		key, _, _ := strings.Cut(line, `","`)
		_, value, _ := strings.Cut(line, `"codec":`)
		out.WriteString(key + " " + value)
	}
	return out.String()
}

// TestFieldVerbs reads and writes fields of what a program keeps, in each format.
func TestFieldVerbs(t *testing.T) {
	for _, c := range []struct {
		line string
		code int
		out  string // V stands for a version
		then map[string]toggle
	}{
		{line: "get flags --field a", out: `{"on":true}`},
		{line: "get flags --field a -o table", out: "KEY    VERSION  VALUE\nflags  V  {\"on\":true}\n"},
		{line: "get texts --field x", out: "plain\ntext"},
		{line: "get texts --field y", out: "\xff"},
		{line: "get zones --field b", out: "b"},
		{line: "get zones --field c", code: exitNotFound},
		{line: "get flags --field none", code: exitNotFound},
		{line: "get none --field a", code: exitNotFound},
		{line: "get flags --field=", code: exitUsage},
		{line: "get hits --field a", code: exitError},

		{line: "watch flags --field a --once -o raw", out: `{"on":true}` + "\n"},
		{line: "watch flags --field a --once -o table", out: "put     flags a  {\"on\":true}\n"},
		{line: "watch zones --field b --once -o raw", out: "b\n"},
		{line: "watch flags --field a --once --exec cat", out: `{"on":true}`},
		{line: "watch flags --field a --once --exec env|grep -a ^STARLING_WATCH_FIELD", out: "STARLING_WATCH_FIELD=a\n"},
		{line: "watch flags --once --exec env|grep -a ^STARLING_WATCH_FIELD", out: "STARLING_WATCH_FIELD=\n"},
		{line: "watch flags --field=", code: exitUsage},
		{line: "watch --prefix f --field a", code: exitUsage},
		{line: "watch hits --field a --once", code: exitError},

		{line: `put flags {"on":true} --field b`, out: "V\n", then: map[string]toggle{"a": {true}, "b": {true}}},
		{line: `put flags {"on":true} --field new -o jsonl`, out: `{"key":"flags","field":"new","version":"V"}` + "\n", then: map[string]toggle{"a": {true}, "b": {}, "new": {true}}},
		{line: `create flags {} --field a`, code: exitConflict, then: map[string]toggle{"a": {true}, "b": {}}},
		{line: `create flags {} --field c`, out: "V\n", then: map[string]toggle{"a": {true}, "b": {}, "c": {}}},
		{line: `update flags {} --field a --version wrong`, code: exitConflict, then: map[string]toggle{"a": {true}, "b": {}}},
		{line: `put flags {} --field a --codec map.other`, code: exitError, then: map[string]toggle{"a": {true}, "b": {}}},
		{line: `put flags {} --field a --media-type a/b`, code: exitUsage},
		{line: `put flags {} --field=`, code: exitUsage, then: map[string]toggle{"a": {true}, "b": {}}},
		{line: `put hits 1 --field a`, code: exitError},
		{line: `put zones - --field c`, out: "V\n"},

		{line: "put hits --add 1", out: "V\n"},
		{line: "put hits --add -2 -o jsonl", out: `{"key":"hits","version":"V","value":"39"}` + "\n"},
		{line: "put new --add 5 --ttl 1h -o jsonl", out: `{"key":"new","version":"V","value":"5"}` + "\n"},
		{line: "put mark --observe 3 -o jsonl", out: `{"key":"mark","version":"V","value":"7"}` + "\n"},
		{line: "put mark --observe 30 -o jsonl", out: `{"key":"mark","version":"V","value":"30"}` + "\n"},
		{line: "put mark --add 1", code: exitError},
		{line: "put flags --observe 1", code: exitError, then: map[string]toggle{"a": {true}, "b": {}}},
		{line: "put hits 5 --add 1", code: exitUsage},
		{line: "put hits --add one", code: exitUsage},
		{line: "put hits --add 1 --observe 1", code: exitUsage},
		{line: "put hits --add 1 --field a", code: exitUsage},
		{line: "put hits --add 1 --if-absent", code: exitUsage},
		{line: "put hits --add 1 --ttl -1s", code: exitUsage},
		{line: "create hits --add 1", code: exitUsage},

		{line: "del flags --field a", then: map[string]toggle{"b": {}}},
		{line: "del flags --field a -o jsonl", out: `{"key":"flags","field":"a","tombstone":true}` + "\n"},
		{line: "del flags --field none", code: exitNotFound},
		{line: "del flags --field=", code: exitUsage, then: map[string]toggle{"a": {true}, "b": {}}},
		{line: "del flags --field a --if-version wrong", code: exitConflict, then: map[string]toggle{"a": {true}, "b": {}}},
		{line: "del --prefix f --yes --field a", code: exitUsage},
	} {
		node, addr := withKinds(t)
		got := run(t, addr, "", nil, fieldsIn(c.line)...)
		if out := regexp.MustCompile(`[0-9a-f]{32}|VERSION +`).ReplaceAllStringFunc(got.out, func(s string) string {
			if strings.HasPrefix(s, "VERSION") {
				return "VERSION  "
			}
			return "V"
		}); got.code != c.code || out != c.out {
			t.Errorf("%s: got %d %q, %s; want %d %q", c.line, got.code, out, got.err, c.code, c.out)
		}
		if c.then != nil && !maps.Equal(fieldsOf(t, node), c.then) {
			t.Errorf("%s: then there is %v, want %v", c.line, fieldsOf(t, node), c.then)
		}
	}
}

// TestImportOfFields takes what a watch of a field prints for a write of that field: the others stay.
func TestImportOfFields(t *testing.T) {
	node, addr := withKinds(t)
	told := run(t, addr, "", nil, "watch", "flags", "--field", "a", "--once").out
	put, _, _ := strings.Cut(strings.ReplaceAll(told, "true", "false"), "\n")
	lines := put + "\n" + `{"key":"flags","field":"c","value":"{\"on\":true}"}` + "\n" + `{"key":"zones","field":"d","value":""}` + "\n" +
		`{"key":"new","field":"x","codec":"set.string","value":"x"}` + "\n"
	if got := run(t, addr, lines, nil, "import"); got.code != exitOK {
		t.Fatal(got.err)
	}
	if got, want := fieldsOf(t, node), map[string]toggle{"a": {}, "b": {}, "c": {true}}; !maps.Equal(got, want) {
		t.Errorf("then there is %v, want %v", got, want)
	}
	for key, want := range map[string]string{"zones": `[{"$text":"a"},{"$text":"b"},{"$text":"d"}]`, "new": `[{"$text":"x"}]`} {
		if got := run(t, addr, "", nil, "get", key); got.out != want {
			t.Errorf("%s is %s%s, want %s", key, got.out, got.err, want)
		}
	}
	if got := run(t, addr, `{"key":"hits","field":"x","value":"1"}`, nil, "import"); got.code != exitError || !strings.Contains(got.err, "line 1: ") {
		t.Errorf("a field of a Counter: %d %s", got.code, got.err)
	}
}

// fieldsIn are the words of a line. What follows --exec is one.
func fieldsIn(line string) []string {
	line, command, has := strings.Cut(line, " --exec ")
	words := strings.Fields(line)
	if has {
		words = append(words, "--exec", command)
	}
	return words
}

// TestWatchOfAFieldInJSON names the field in each event of it, and tells nothing of others.
func TestWatchOfAFieldInJSON(t *testing.T) {
	node, addr := withKinds(t)
	first := told(t, run(t, addr, "", nil, "watch", "flags", "--field", "a", "--once", "--since=").out)
	if len(first) != 2 || first[0].Field != "a" || first[0].Key != "flags" || *first[0].Value != `{"on":true}` || first[1].Event != "sync" || first[1].Field != "" {
		t.Fatalf("got %+v, want the field and the end of what is there", first)
	}
	err := flagsOf(node).Update(t.Context(), "flags", func(m *crdt.Map[toggle]) error { m.Set("b", toggle{true}); m.Delete("a"); return nil })
	if err != nil {
		t.Fatal(err)
	}
	next := told(t, run(t, addr, "", nil, "watch", "flags", "--field", "a", "--once", "--since", first[1].ID).out)
	if len(next) != 1 || next[0].Event != "delete" || next[0].Field != "a" || next[0].Key != "flags" {
		t.Errorf("got %+v, want the delete of the field", next)
	}
}

// TestFieldOfANewKey begins a Map of bytes, where no codec is named.
func TestFieldOfANewKey(t *testing.T) {
	node, addr := withKinds(t)
	if got := run(t, addr, "", nil, "put", "new", "v", "--field", "x"); got.code != exitOK {
		t.Fatal(got.err)
	}
	m, _, err := crdt.Typed[crdt.Map[[]byte]]{Client: node.Client(crdt.MapOf[[]byte](kv.Bytes))}.Get(t.Context(), "new")
	if v, ok := m.Get("x"); err != nil || !ok || string(v) != "v" {
		t.Errorf("got %q, %v, %v", v, ok, err)
	}
}
