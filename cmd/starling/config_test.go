package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/starlingkv/starling"
)

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "starling.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestConfigPrecedence gives settings by line, environment and file: the first wins.
func TestConfigPrecedence(t *testing.T) {
	path := writeConfig(t, `
name: file
cluster: file
bind: 127.0.0.1:1
seeds: [file:1, "dns+file:2"]
join_wait: 7s
require_join: true
http: 127.0.0.1:2
log_level: debug
tuning:
  suspicion_mult: 9
  rejoin: 3s
`)
	env := map[string]string{"STARLING_CLUSTER": "env", "STARLING_NAME": "env", "STARLING_REQUIRE_JOIN": "false", "STARLING_CONFIG": path}
	s := settings{Node: starling.Options{Bind: "default:1"}, HTTP: "default:2"}
	p := program{getenv: func(name string) string { return env[name] }}
	c := p.serverCommand()
	c.ResetFlags()
	c.Flags().AddFlagSet(s.flags())
	config := c.Flags().String("config", "", "")
	if err := c.ParseFlags([]string{"--name=line", "--seed=line:1", "--seed=line:2", "--sync-interval=1m"}); err != nil {
		t.Fatal(err)
	}
	if err := p.fromEnv(c); err != nil {
		t.Fatal(err)
	}
	if err := s.complete(c.Flags(), *config); err != nil {
		t.Fatal(err)
	}
	want := settings{
		Node: starling.Options{
			Name: "line", Cluster: "env", Bind: "127.0.0.1:1", Seeds: []string{"line:1", "line:2"}, JoinWait: 7 * time.Second,
			Tuning: starling.Tuning{SuspicionMult: 9, Rejoin: 3 * time.Second, SyncInterval: time.Minute},
		},
		HTTP: "127.0.0.1:2", LogLevel: -4,
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
}

func TestConfigMistakes(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"clutser: prod", "clutser"},
		{"tuning: {rejon: 5s}", "rejon"},
		{"join_wait: soon", "soon"},
		{"seeds: {a: b}", "line 1"},
		{"name: [", "yaml"},
		{"tuning: {rejoin: -5s}", "rejoin"},
		{"bind: 0.0.0.0:1\ncluster: c", "--insecure"},
	} {
		s := settings{Node: starling.Options{Bind: "127.0.0.1:0"}, HTTP: "127.0.0.1:0"}
		err := s.complete(s.flags(), writeConfig(t, c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want an error that names %s", c.text, err, c.want)
		}
	}
	s := settings{Node: starling.Options{Bind: "127.0.0.1:0"}, HTTP: "127.0.0.1:0"}
	if err := s.complete(s.flags(), "/does/not/exist"); err == nil {
		t.Error("a file that does not exist was taken")
	}
	if err := s.complete(s.flags(), writeConfig(t, "# nothing\n")); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

// TestConfigPage holds docs/config.md to the flags of server.
func TestConfigPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	new(program).serverCommand().Flags().VisitAll(func(f *pflag.Flag) {
		row := "| `--" + f.Name + "` | `" + envName(f.Name) + "` |"
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/config.md lacks %s", row)
		}
	})
	s, ofNode := defaultSettings(), flag.NewFlagSet("", flag.ContinueOnError)
	s.Node.Flags(ofNode, "")
	all, err := s.list(s.flags())
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		row := fmt.Sprintf("| `%s` | `%s` | `%s` | %s |", one.Flag, one.Variable, one.Name, strings.ToLower(one.Default))
		// The rows of a node are written by the test of its options.
		if ofNode.Lookup(strings.TrimPrefix(one.Flag, "--")) == nil && !strings.Contains(string(page), row) {
			t.Errorf("docs/config.md lacks %s", row)
		}
	}
}

// TestServerReadsItsFile runs a server by its file alone.
func TestServerReadsItsFile(t *testing.T) {
	path := writeConfig(t, "name: from-file\ncluster: filed\nbind: 127.0.0.1:0\nhttp: 127.0.0.1:0\n")
	server := start(t, "--config", path)
	if server.running.Node != "from-file" || server.running.Cluster != "filed" {
		t.Errorf("the server says it is %+v, want what its file says", server.running)
	}
}

// TestConfigPrintIsAFile takes what config print says as the file of a server that is told nothing else: all is the same.
func TestConfigPrintIsAFile(t *testing.T) {
	env := func(p *program) {
		p.getenv = func(name string) string {
			return map[string]string{"STARLING_SEED": "e:1,e:2", "STARLING_LOG_LEVEL": "debug", "STARLING_NAME": "env"}[name]
		}
	}
	args := []string{"config", "print", "--name=line", "--require-join", "--suspicion-mult=9", "--config", writeConfig(t, "cluster: file\nname: file")}
	first := run(t, "", "", env, args...)
	again := run(t, "", "", nil, "config", "print", "--config", writeConfig(t, first.out))
	if first.code != exitOK || again.out != first.out {
		t.Errorf("got %d\n%s%s\nand of that, %s\n%s", first.code, first.out, first.err, again.out, again.err)
	}
	sources := run(t, "", "", env, append(args, "-o", "table")...).out
	for _, row := range []string{
		"name +line +flag", "cluster +file +file", "seeds +e:1,e:2 +variable", "log_level +DEBUG +variable", "require_join +true +flag",
		"join_wait +5s +default", "http +127.0.0.1:7070 +default", `tuning\.suspicion_mult +9 +flag`,
	} {
		if !regexp.MustCompile("(?m)^" + row + "$").MatchString(sources) {
			t.Errorf("no row %q in\n%s", row, sources)
		}
	}
}

// TestEverySettingIsListed holds config print to the flags of server, each of which stands in the list once.
func TestEverySettingIsListed(t *testing.T) {
	s := defaultSettings()
	all, err := s.list(s.flags())
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]int{}
	for _, one := range all {
		listed[one.Flag]++
	}
	s.flags().VisitAll(func(f *pflag.Flag) {
		if listed["--"+f.Name] != 1 {
			t.Errorf("--%s is listed %d times", f.Name, listed["--"+f.Name])
		}
	})
}
