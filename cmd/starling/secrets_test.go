package main

import (
	"strings"
	"testing"
)

// TestNoSecretIsShown: what somebody gives as a password or a token stands in no output, log line or error.
func TestNoSecretIsShown(t *testing.T) {
	const secret = "s3cret-s3cret"
	store := "etcd://u:" + secret + "@127.0.0.1:1/app/?patience=50ms"
	file := writeConfig(t, "store: "+store+"\nroutes: [\"a/=nats://127.0.0.1:1/?token="+secret+"\"]\n")
	twice := writeConfig(t, "routes: [\"a/="+store+"\", \"a/="+store+"\"]\n")
	none := func(string) string { return "" }
	for _, line := range []struct {
		shows string // what is seen of it instead
		args  []string
		env   map[string]string
	}{
		{"etcd://u:xxxxx@127.0.0.1:1/app/", []string{"config", "print", "--store", store}, nil},
		{"token=xxxxx", []string{"config", "print", "--config", file}, nil},
		{"token=xxxxx", []string{"config", "print", "-o", "table", "--config", file}, nil},
		{"token=xxxxx", []string{"config", "print", "-o", "json", "--config", file}, nil},
		{"token=xxxxx", []string{"config", "print", "-o", "jsonl", "--diff", "--config", file}, nil},
		{"consul://xxxxx@h:1", []string{"config", "print", "--route", "a/=consul://" + secret + "@h:1"}, nil},
		{"u:xxxxx@", []string{"config", "print"}, map[string]string{"STARLING_STORE": store}},
		{"", []string{"config", "check", twice}, nil},
		{"u:xxxxx@", []string{"server", "--route", store}, nil},
		{"u:xxxxx@", []string{"server"}, map[string]string{"STARLING_ROUTE": "=" + store}},
		{"", []string{"server", "--http", "127.0.0.1:0", "--store", "consul://" + secret + "@127.0.0.1:1"}, nil},
		{"", []string{"server", "--http", "127.0.0.1:0", "--store", store + "&odd=1"}, nil},
		{"u:xxxxx@", []string{"copy", "--timeout", "200ms", "--from", store, "--to", "mem://"}, nil},
		{"", []string{"get", "k", "--addr", "http://u:" + secret + "@127.0.0.1:1"}, nil},
	} {
		got := run(t, "", "", func(p *program) {
			p.getenv = none
			if line.env != nil {
				p.getenv = func(name string) string { return line.env[name] }
			}
		}, line.args...)
		said := got.out + got.err
		if strings.Contains(said, secret) || !strings.Contains(said, line.shows) || said == "" {
			t.Errorf("starling %s\nsaid, with exit code %d, %s", strings.Join(line.args, " "), got.code, said)
		}
	}
}
