package starling

import (
	"flag"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var rewriteDocs = flag.Bool("rewrite", false, "write the table of docs/config.md anew")

// tagged lists the names that the tags of a struct give its fields, in order.
func tagged(t *testing.T, of reflect.Type) (names []string, types []reflect.Type) {
	t.Helper()
	for i := range of.NumField() {
		f := of.Field(i)
		name := f.Tag.Get("yaml")
		if name == "" || name != f.Tag.Get("json") {
			t.Errorf("%s: the tags are yaml %q and json %q, want one name", f.Name, name, f.Tag.Get("json"))
		}
		if name != "-" && f.Type.Kind() != reflect.Struct {
			names, types = append(names, name), append(types, f.Type)
		}
	}
	return names, types
}

// TestOptionTableIsWhole holds the table to the fields of Options, and each row
// to its field.
func TestOptionTableIsWhole(t *testing.T) {
	names, types := tagged(t, reflect.TypeFor[Options]())
	tunings, more := tagged(t, reflect.TypeFor[Tuning]())
	names, types = append(names, tunings...), append(types, more...)
	if len(names) != len(options) {
		t.Fatalf("%d options have rows %q, want %d", len(names), names, len(options))
	}
	for i, p := range options {
		if p.name != names[i] || p.tuned != slices.Contains(tunings, p.name) || p.def == "" || p.help == "" {
			t.Errorf("row %d is %+v, want the field %s", i, p, names[i])
		}
		var o Options
		to := reflect.ValueOf(p.field(&o)).Elem()
		if to.Type() != types[i] {
			t.Errorf("%s: the row writes a %v, the field is a %v", p.name, to.Type(), types[i])
		}
		to.Set(sample(to.Type()))
		if got := fieldByName(o, p.name); !reflect.DeepEqual(got, to.Interface()) {
			t.Errorf("%s: the row writes another field", p.name)
		}
	}
	if n := reflect.TypeFor[Options]().NumField(); n > 15 {
		t.Errorf("Options has %d fields, want at most 14 and Tuning", n)
	}
}

// sample is a value of a type that is not zero.
func sample(of reflect.Type) reflect.Value {
	for _, v := range []any{"x", []string{"x:1"}, 7 * time.Second, 7, true} {
		if reflect.TypeOf(v) == of {
			return reflect.ValueOf(v)
		}
	}
	panic(fmt.Sprintf("no sample of a %v", of))
}

// fieldByName is the field that has a name by its tag.
func fieldByName(o Options, name string) any {
	for _, in := range []reflect.Value{reflect.ValueOf(o), reflect.ValueOf(o.Tuning)} {
		for i := range in.NumField() {
			if in.Type().Field(i).Tag.Get("yaml") == name {
				return in.Field(i).Interface()
			}
		}
	}
	return nil
}

func parse(o *Options, prefix string, args ...string) error {
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	o.Flags(fs, prefix)
	return fs.Parse(args)
}

func TestFlags(t *testing.T) {
	o := Options{Seeds: []string{"old:1"}, Cluster: "kept"}
	err := parse(&o, "gossip.",
		"-gossip.name=a", "-gossip.bind", ":7171", "-gossip.seed", "b:1,dns+c:2", "-gossip.seed=d:3", "-gossip.join-wait=-1s",
		"-gossip.require-join", "-gossip.suspicion-mult=5", "-gossip.gossip-interval=50ms")
	if err != nil {
		t.Fatal(err)
	}
	want := Options{
		Name: "a", Cluster: "kept", Bind: ":7171", Seeds: []string{"b:1", "dns+c:2", "d:3"}, JoinWait: -time.Second, RequireJoin: true,
		Tuning: Tuning{SuspicionMult: 5, GossipInterval: 50 * time.Millisecond},
	}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("got %+v, want %+v", o, want)
	}
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"-join-wait=5", "-suspicion-mult=x", "-require-join=maybe", "-seeds=a:1"} {
		if err := parse(new(Options), "", bad); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestFlagsShowTheirDefaults(t *testing.T) {
	o := Options{Bind: ":9"}
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	var out strings.Builder
	fs.SetOutput(&out)
	o.Flags(fs, "")
	fs.PrintDefaults()
	for _, want := range []string{"(default: 5s)", "-seed host:port", "(default :9)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the help lacks %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "a free port") {
		t.Error("the help names two defaults of bind")
	}
}

const (
	configDoc   = "docs/config.md"
	configBegin = "<!-- written by go test -run ConfigDoc . -rewrite -->\n"
	configEnd   = "<!-- until here -->\n"
)

// TestConfigDoc holds the tables of docs/config.md to that of the options.
func TestConfigDoc(t *testing.T) {
	text, err := os.ReadFile(configDoc)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(text), configBegin)
	got, tail, ends := strings.Cut(rest, configEnd)
	if !found || !ends {
		t.Fatalf("%s has no place for the table", configDoc)
	}
	want := configTables()
	if got == want {
		return
	}
	if !*rewriteDocs {
		t.Fatalf("%s is not what the table says; go test -run ConfigDoc . -rewrite writes it\ngot:\n%s\nwant:\n%s", configDoc, got, want)
	}
	if err := os.WriteFile(configDoc, []byte(head+configBegin+want+configEnd+tail), 0o600); err != nil {
		t.Fatal(err)
	}
}

func configTables() string {
	var b strings.Builder
	row := func(p option) {
		env := "STARLING_" + strings.ToUpper(strings.ReplaceAll(p.flagName(), "-", "_"))
		yaml := p.name
		if p.tuned {
			yaml = "tuning." + yaml
		}
		fmt.Fprintf(&b, "| `--%s` | `%s` | `%s` | %s | %s |\n", p.flagName(), env, yaml, p.def, strings.ReplaceAll(p.help, "`", ""))
	}
	for _, part := range []struct {
		tuned bool
		title string
	}{
		{false, "## The node"},
		{true, "## Tuning\n\nHardly anybody has to change these. All nodes of a cluster should agree on them."},
	} {
		fmt.Fprintf(&b, "\n%s\n\n| Flag | Variable | YAML | Default | What it is |\n|---|---|---|---|---|\n", part.title)
		for _, p := range options {
			if p.tuned == part.tuned {
				row(p)
			}
		}
	}
	b.WriteString("\n")
	return b.String()
}
