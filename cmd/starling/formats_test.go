package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// everyVerb is one line that goes well for each verb that prints data. A is the address of the fixture.
var everyVerb = []string{
	"get b", "ls", "put x y", "create y z", "update b z --version VERSION", "del b", "del --prefix a/ --yes", "edit b",
	"watch b --once", "export", "import", "members", "members forget n2", "members forget --gone", "status", "check",
	"diff ADDR ADDR", "doctor", "leave", "version", "config print", "config print --defaults", "config print --diff --name n",
	"config check /dev/null", "copy --from ADDR --to mem://",
}

// lineFor fills in what the fixture decides.
func lineFor(t *testing.T, line, addr string) []string {
	t.Helper()
	version := strings.Trim(run(t, addr, "", nil, "ls", "b", "-o", "json").record(t).Version, " ")
	return strings.Fields(strings.NewReplacer("ADDR", addr, "VERSION", version).Replace(line))
}

// record is the first record of a JSON array.
func (r result) record(t *testing.T) record {
	t.Helper()
	var all []record
	if err := json.Unmarshal([]byte(r.out), &all); err != nil || len(all) == 0 {
		t.Fatalf("got %v in %s, want records", err, r.out)
	}
	return all[0]
}

// TestEveryVerbIsOnTheList keeps everyVerb whole.
func TestEveryVerbIsOnTheList(t *testing.T) {
	without := map[string]bool{"dev": true, "server": true, "sim": true, "completion": true, "exit-codes": true, "help": true}
	for _, c := range (&program{}).rootCommand().Commands() {
		listed := slices.ContainsFunc(everyVerb, func(line string) bool { return strings.Fields(line)[0] == c.Name() })
		if listed == without[c.Name()] {
			t.Errorf("the verb %s: on the list is %v", c.Name(), listed)
		}
	}
}

// TestEveryVerbKnowsEveryFormat runs each verb that prints data in each format: JSON must parse, and the one of jsonl must
// stand on one line each.
func TestEveryVerbKnowsEveryFormat(t *testing.T) {
	for _, line := range everyVerb {
		for _, f := range []string{"table", "json", "jsonl", "raw"} {
			_, addr := fixture(t, goodStatus())
			got := run(t, addr, `{"key":"k","value":"v"}`, editor("sed -i s/text/edited/"), append(lineFor(t, line, addr), "-o", f)...)
			if got.code != exitOK {
				t.Errorf("%s -o %s: exit code %d: %s", line, f, got.code, got.err)
			}
			switch f {
			case "json":
				for dec := json.NewDecoder(strings.NewReader(got.out)); dec.More(); {
					var v any
					if err := dec.Decode(&v); err != nil {
						t.Errorf("%s -o json: %v in %q", line, err, got.out)
						break
					}
				}
			case "jsonl":
				for doc := range strings.Lines(got.out) {
					if !json.Valid([]byte(doc)) {
						t.Errorf("%s -o jsonl: %q is no document", line, doc)
					}
				}
				if got.out == "" && !mayBeSilent[line] {
					t.Errorf("%s -o jsonl prints nothing", line)
				}
			}
		}
	}
}

// mayBeSilent are the lines that find nothing in the fixture.
var mayBeSilent = map[string]bool{"diff ADDR ADDR": true, "doctor": true}

// editor sets the editor.
func editor(command string) func(*program) {
	return func(p *program) {
		outer := p.getenv
		p.getenv = func(name string) string {
			if name == "EDITOR" {
				return command
			}
			return outer(name)
		}
	}
}

// TestJSONIsAContract holds what -o json prints to the files of testdata/json, which no code writes: scripts read it.
func TestJSONIsAContract(t *testing.T) {
	for _, line := range everyVerb {
		if line == "version" || line == "config print" || line == "config print --defaults" {
			continue // of this build, or as long as there are settings
		}
		_, addr := fixture(t, goodStatus())
		name := jsonFile(line)
		want, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
			continue
		}
		got := run(t, addr, `{"key":"k","value":"v"}`, editor("sed -i s/text/edited/"), append(lineFor(t, line, addr), "-o", "json")...)
		if text := got.steady(); text != string(want) {
			t.Errorf("%s -o json prints\n%swhere %s has\n%s", line, text, name, want)
		}
	}
}

// jsonFile is the file for a line of everyVerb.
func jsonFile(line string) string {
	words := strings.FieldsFunc(line, func(r rune) bool { return !unicode.IsLower(r) })
	return filepath.Join("testdata", "json", strings.Join(words, "-")+".json")
}
