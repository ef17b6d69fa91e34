package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// ask sends a request to a server and returns the status, a header and the body.
func ask(t *testing.T, method, url, body, header, require string) (status int, value, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if require != "" {
		req.Header.Set("Starling-Require", require)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get(header), string(all)
}

// TestServerBeforeAStore runs servers without a node: one before a map, one before that server. The same requests work.
func TestServerBeforeAStore(t *testing.T) {
	mem := start(t, "--store", "mem:///app/", "--name", "front", "--http", "127.0.0.1:0")
	if mem.Store != "mem:///app/" || mem.Gossip != "" || mem.Node != "front" {
		t.Errorf("it says it is %+v, want a server before a store", mem.running)
	}
	behind := start(t, "--store", mem.HTTP, "--http", "127.0.0.1:0")
	for _, p := range []*process{mem, behind} {
		if status, how, text := ask(t, "PUT", p.HTTP+"/v1/kv/k", p.HTTP, "Starling-Consistency", "linearizable"); status/100 != 2 || how != "linearizable" {
			t.Errorf("PUT: %d %q %s, want a linearizable store", status, how, text)
		}
	}
	if _, _, text := ask(t, "GET", mem.HTTP+"/v1/kv/k", "", "ETag", ""); text != behind.HTTP {
		t.Errorf("GET: %q, want what was written through the other", text)
	}
	for _, one := range []struct{ args, want string }{
		{"get k", behind.HTTP},
		{"ls", "k"},
		{"status -o json", `"backend": "http"`},
		{"status -o json", `"keys": 1`},
		{"members", "alive"},
	} {
		out, talk, code := verb(t, nil, append(strings.Fields(one.args), "--addr", behind.HTTP)...)
		if code != exitOK || !strings.Contains(out, one.want) {
			t.Errorf("starling %s: exit code %d\n%s%s\nwant %s", one.args, code, out, talk, one.want)
		}
	}
	if status, _, text := ask(t, "POST", mem.HTTP+"/v1/leave", "", "", ""); status != http.StatusNotImplemented {
		t.Errorf("leave: %d %s, want 501: there is no cluster", status, text)
	}
	behind.leave(t)
	mem.leave(t)
}

// TestServerRoutesKeys runs a node of which some keys live in another store, and another says how far each key's promise
// reaches.
func TestServerRoutesKeys(t *testing.T) {
	strict := start(t, "--store", "mem://", "--http", "127.0.0.1:0")
	node := start(t, "--bind", "127.0.0.1:0", "--http", "127.0.0.1:0", "--route", "leader/="+strict.HTTP, "--route", "a%20=b/=mem://")
	for key, want := range map[string]struct {
		how    string
		status int
	}{
		"leader%2Fx": {"linearizable", http.StatusOK},
		"a%20=b%2Fx": {"linearizable", http.StatusOK},
		"other":      {"local", http.StatusNotImplemented},
	} {
		if status, how, text := ask(t, "PUT", node.HTTP+"/v1/kv/"+key, key, "Starling-Consistency", ""); status != http.StatusCreated || how != want.how {
			t.Errorf("PUT %s: %d %q %s, want %q", key, status, how, text, want.how)
		}
		if status, _, text := ask(t, "PUT", node.HTTP+"/v1/kv/"+key, key, "", "linearizable"); status != want.status {
			t.Errorf("PUT %s that requires one winner: %d %s, want %d", key, status, text, want.status)
		}
	}
	if _, _, text := ask(t, "GET", strict.HTTP+"/v1/kv/leader%2Fx", "", "", ""); text != "leader%2Fx" {
		t.Errorf("the store of the route holds %q", text)
	}
	if status, _, _ := ask(t, "GET", strict.HTTP+"/v1/kv/other", "", "", ""); status != http.StatusNotFound {
		t.Errorf("the store of the route has the key of another: %d", status)
	}
	out, _, code := verb(t, nil, "ls", "--addr", node.HTTP)
	if code != exitOK || strings.Join(strings.Fields(out), " ") == "" || !strings.Contains(out, "a =b/x") || !strings.Contains(out, "leader/x") || !strings.Contains(out, "other") {
		t.Errorf("ls: exit code %d\n%s\nwant the keys of all", code, out)
	}
	node.leave(t)
	strict.leave(t)
}

// TestServerRefusesStores: what cannot be meant is told before anything starts.
func TestServerRefusesStores(t *testing.T) {
	for args, want := range map[string]string{
		"--store zk://h:1":                             `no scheme "zk"`,
		"--store h:1":                                  "named by a URL",
		"--store mem:// --seed h:1":                    "leave out --seed",
		"--route leader/":                              "wants a prefix and a store",
		"--route =mem://":                              "wants a prefix and a store",
		"--route a%zz=mem://":                          "invalid URL escape",
		"--route a%0A=mem://":                          "control character",
		"--route a=zk://h:1":                           `no scheme "zk"`,
		"--route a=mem:// --route a=mem://":            "two routes have the prefix",
		"--store etcd://u:secret@h:1/?x=y":             "x says nothing to etcd",
		"--route a=etcd://u:secret@h:1/?x=y":           "x says nothing to etcd",
		"--store mem:// --http 0.0.0.0:0":              "--insecure",
		"--store mem:// --insecure --http 127.0.0.1:x": "unknown port",
	} {
		_, talk, code := verb(t, nil, append([]string{"server", "--http", "127.0.0.1:0", "--bind", "127.0.0.1:0"}, strings.Fields(args)...)...)
		if code == exitOK || !strings.Contains(talk, want) || strings.Contains(talk, "secret") {
			t.Errorf("server %s: exit code %d\n%s\nwant %q, and no password", args, code, talk, want)
		}
	}
}

// TestRoutesOfEverySource: the line, the environment and the file say routes in the same words.
func TestRoutesOfEverySource(t *testing.T) {
	const one, two = "a/=mem://", "b=c/=etcd://h:1,h:2/x"
	env := func(p *program) {
		p.getenv = func(name string) string { return map[string]string{"STARLING_ROUTE": one + " " + two}[name] }
	}
	want := run(t, "", "", nil, "config", "print", "--diff", "--route", one, "--route", two)
	if want.code != exitOK || strings.Count(want.out, "mem://") != 1 {
		t.Fatalf("exit code %d\n%s%s", want.code, want.out, want.err)
	}
	for source, got := range map[string]result{
		"environment": run(t, "", "", env, "config", "print", "--diff"),
		"file":        run(t, "", "", nil, "config", "print", "--diff", "--config", writeConfig(t, want.out)),
	} {
		if got.out != want.out {
			t.Errorf("by %s:\n%s%s\nby flags:\n%s", source, got.out, got.err, want.out)
		}
	}
}
