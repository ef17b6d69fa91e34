package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// verbCase is one command line against the fixture.
type verbCase struct {
	line  string
	stdin string
	code  int
	out   string // with V and T for versions and times
	after string // command lines to run then, and
	then  string // what they print
}

func runAll(t *testing.T, cases []verbCase) {
	for _, c := range cases {
		t.Run(c.line, func(t *testing.T) {
			_, addr := fixture(t, goodStatus())
			got := run(t, addr, c.stdin, nil, strings.Fields(c.line)...)
			if got.code != c.code || got.steady() != c.out {
				t.Fatalf("got exit code %d and %q, want %d and %q\nstderr: %s", got.code, got.steady(), c.code, c.out, got.err)
			}
			if (got.code != exitOK) != strings.HasPrefix(lastTalk(got.err), "starling: ") {
				t.Errorf("exit code %d with the words %q", got.code, got.err)
			}
			if c.after == "" {
				return
			}
			if then := run(t, addr, "", nil, strings.Fields(c.after)...); then.out != c.then {
				t.Errorf("then %q prints %q, want %q", c.after, then.out, c.then)
			}
		})
	}
}

// lastTalk is the line that names the error.
func lastTalk(talk string) string {
	for line := range strings.Lines(talk) {
		if strings.HasPrefix(line, "starling: ") {
			return line
		}
	}
	return talk
}

// entryB is what get prints of the key b in lines of JSON.
const entryB = `{"key":"b","version":"V","updated_at":"T","size":4,"codec":"bytes","value":"text"}` + "\n"

func TestReadVerbs(t *testing.T) {
	runAll(t, []verbCase{
		{line: "get a/1", out: "one\n"},
		{line: "get a/2", out: "\xff\x00"},
		{line: "get a/1 -o raw", out: "one\n"},
		{line: "get b -o jsonl", out: entryB},
		{line: "get a/2 -o jsonl", out: `{"key":"a/2","version":"V","updated_at":"T","size":2,"codec":"bytes","value_base64":"/wA="}` + "\n"},
		{line: "get b -o table", out: "KEY  VERSION VALUE\nb    Vtext\n"},
		{line: "get none", code: exitNotFound},
		{line: "get", code: exitUsage},
		{line: "get a b", code: exitUsage},
		{line: "get b -o yaml", code: exitUsage},
		{line: "get b --wrong", code: exitUsage},
		{line: "gte b", code: exitUsage},
		{line: "get b --addr nonsense", code: exitUsage},
		{line: "get b --addr http://127.0.0.1:1", code: exitUnreachable},
		{line: "ls --addr http://127.0.0.1:1", code: exitUnreachable},
		{line: "watch b --addr http://127.0.0.1:1", code: exitUnreachable},
		{line: "status --addr http://127.0.0.1:1", code: exitUnreachable},

		{line: "ls", out: "a/1\na/2\nb\n"},
		{line: "ls a/", out: "a/1\na/2\n"},
		{line: "ls none"},
		{line: "ls none -o json", out: "[]\n"},
		{line: "ls b -l", out: "KEY  VERSION ORIGIN  AGE  SIZE  CODEC\nb    V-       0s   4     bytes\n"},
		{line: "ls b -o jsonl", out: `{"key":"b","version":"V","updated_at":"T","size":4,"codec":"bytes"}` + "\n"},
		{line: "ls a/ -o raw", out: "a/1\na/2\n"},

		{line: "watch b --once", out: strings.Replace(entryB, "{", `{"event":"put",`, 1) + `{"event":"sync"}` + "\n"},
		{line: "watch --prefix a/ --once -o raw", out: "one\n\n\xff\x00\n"},
		{line: "watch --prefix a/ --once -o table", out: "put     a/1  \"one\\n\"\nput     a/2  \"\\xff\\x00\"\n"},
		{line: "watch none --timeout 50ms", code: exitUnreachable, out: `{"event":"sync"}` + "\n"},
		{line: "watch", code: exitUsage},
		{line: "watch b --prefix a", code: exitUsage},
	})
}

func TestWriteVerbs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("of a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	runAll(t, []verbCase{
		{line: "put new value", out: "V\n", after: "get new", then: "value"},
		{line: "put new", stdin: "from\nstdin\n", out: "V\n", after: "get new", then: "from\nstdin\n"},
		{line: "put new -", stdin: "\xff", out: "V\n", after: "get new", then: "\xff"},
		{line: "put new @" + file, out: "V\n", after: "get new", then: "of a file\n"},
		{line: "put new @/no/such/file", code: exitError, after: "ls new"},
		{line: "put a//../b v -o jsonl", out: `{"key":"a//../b","version":"V"}` + "\n", after: "get a//../b", then: "v"},
		{line: "put new v --ttl 1h", out: "V\n", after: "get new", then: "v"},
		{line: "put new v --ttl -1h", code: exitUsage, after: "ls new"},
		{line: "put b v --if-version wrong", code: exitConflict, after: "get b", then: "text"},
		{line: "put b v --if-absent", code: exitConflict, after: "get b", then: "text"},
		{line: "put b v --if-absent --if-version x", code: exitUsage},
		{line: "put b v --if-version=", code: exitUsage, after: "get b", then: "text"},
		{line: "del b --if-version=", code: exitUsage, after: "get b", then: "text"},
		{line: "put new v --media-type text/html", out: "V\n", after: "get new", then: "v"},
		{line: "put new v --media-type html", code: exitUsage, after: "ls new"},
		{line: "put b v --codec string", code: exitError, after: "get b", then: "text"},
		{line: "create b v", code: exitConflict, after: "get b", then: "text"},
		{line: "create new v", out: "V\n", after: "get new", then: "v"},

		{line: "del b", after: "ls", then: "a/1\na/2\n"},
		{line: "del b -o json", out: "{\n  \"key\": \"b\",\n  \"tombstone\": true\n}\n"},
		{line: "del none", code: exitNotFound},
		{line: "del b --if-version wrong", code: exitConflict, after: "get b", then: "text"},

		{line: "import", stdin: `{"key":"a/1","value":"x"}` + "\n\n" + `{"key":"new","value_base64":"/w=="}`, after: "get new", then: "\xff"},
		{line: "import - -o jsonl", stdin: `{"key":"new","value":"xy","origin":"left out"}`, out: `{"keys":1,"bytes":2}` + "\n"},
		{line: "import", stdin: `{"key":"new","value":"s","codec":"string"}`, after: "get new", then: "s"},
		{line: "import", stdin: `{"key":"new"}`, code: exitError},
		{line: "import", stdin: `{"key":"new","value":"x","value_base64":"eA=="}`, code: exitError},
		{line: "import", stdin: `{"key":"","value":"x"}`, code: exitUsage},
		{line: "import", stdin: `{"key":`, code: exitError},
		{line: "import /no/such/file", code: exitError},
	})
}

func TestClusterVerbs(t *testing.T) {
	runAll(t, []verbCase{
		{line: "members", out: "NAME  ADDR           STATE  SINCE\nn1    10.0.0.1:7171  alive  -\nn2    10.0.0.2:7171  dead   -\n"},
		{line: "members -o raw", out: "n1\nn2\n"},
		{line: "members -o jsonl", out: `{"name":"n1","addr":"10.0.0.1:7171","state":"alive","self":true,"native":true}` + "\n" +
			`{"name":"n2","addr":"10.0.0.2:7171","state":"dead","native":true}` + "\n"},
		{line: "status", out: "node       n1\ncluster    prod\nstate      running\nuptime     1m\nkeys       2\nagreement  2 of 2 agree\n"},
		{line: "status -o raw", out: "2 of 2 agree\n"},
	})
}

func TestOtherVerbs(t *testing.T) {
	runAll(t, []verbCase{
		{line: "help exit-codes", out: exitCodes + "\n\n"},
		{line: "help nothing", code: exitUsage},
		{line: "help get x", code: exitUsage},
		{line: "server --bind 0.0.0.0:0 --http 127.0.0.1:0", code: exitUsage},
		{line: "server --bind 0.0.0.0:0 --http 127.0.0.1:0 --insecure", code: exitUsage},
		{line: "server --bind 127.0.0.1:0 --http 0.0.0.0:0 --insecure", code: exitUsage},
		{line: "server --bind 127.0.0.1:0 --http 0.0.0.0:0 --cluster c", code: exitUsage},
		{line: "server --bind 0.0.0.0:0 --http 127.0.0.1:0 --cluster c", code: exitUsage},
		{line: "server --bind 127.0.0.1:0 --http :0 --cluster c", code: exitUsage},
		{line: "server --bind 127.0.0.1:0 --cluster Bad_Name", code: exitUsage},
		{line: "server --bind 127.0.0.1:0 --seed nowhere", code: exitUsage},
		{line: "dev --nodes 0", code: exitUsage},
		{line: "sim --plant P99", code: exitUsage},

		{line: "completion bash -o json", code: exitUsage},
		{line: "completion tcsh", code: exitUsage},
		{line: "sim --seeds 0 -o json", code: exitUsage},
	})
}

func TestConfigVerbs(t *testing.T) {
	good, bad := writeConfig(t, "cluster: prod\nseeds: [a:1, b:2]\ntuning: {rejoin: 3s}\n"), writeConfig(t, "bind: 0.0.0.0:1\nseeds: [x]\n")
	unknown := writeConfig(t, "tuning: {rejon: 5s}")
	const name = `{"name":"name","flag":"--name","variable":"STARLING_NAME","value":"n","default":"the host's name and a random part","from":"flag"}` + "\n"
	runAll(t, []verbCase{
		{line: "config", code: exitUsage},
		{line: "config print --diff"},
		{line: "config print --diff --name n1", out: "name: n1\n"},
		{line: "config print --diff --name n -o jsonl", out: name},
		{line: "config print --defaults --diff", code: exitUsage},
		{line: "config print --diff --config " + good, out: "cluster: prod\nseeds:\n    - a:1\n    - b:2\ntuning:\n    rejoin: 3s\n"},
		{line: "config print --diff --name n --rejoin 1m -o table --config " + good, out: "SETTING        VALUE    FROM\nname           n        flag\n" +
			"cluster        prod     file\nseeds          a:1,b:2  file\ntuning.rejoin  1m0s     flag\n"},
		{line: "config print --config " + bad, code: exitUsage},
		{line: "config print --config /no/such/file", code: exitUsage},
		{line: "config print --curl", code: exitUsage},
		{line: "config check " + good, out: good + ": a server would start with it\n"},
		{line: "config check -o raw " + good},
		{line: "config check", code: exitUsage},
		{line: "config check " + bad, code: exitCheck, out: bad + ": cluster: must be set, as 0.0.0.0 is not a loopback address\n" +
			bad + ": seed \"x\": address x: missing port in address\n"},
		{line: "config check --cluster c --insecure --seed a:1 " + bad, out: bad + ": a server would start with it\n"},
		{line: "config check -o jsonl " + unknown, code: exitCheck, out: `{"file":"` + unknown + `","ok":false,"problems":["line 1: there is no setting \"rejon\""]}` + "\n"},
		{line: "config check /no/such/file", code: exitCheck, out: "/no/such/file: open /no/such/file: no such file or directory\n"},
	})
}
