package stores

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/starlingkv/starling/kv"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestParse(t *testing.T) {
	for raw, want := range map[string]string{
		"etcd://h:2379":                             "etcd [h:2379] user= password= prefix= map[]",
		"ETCD://h:2379/app/?tls=true":               "etcd [h:2379] user= password= prefix=app/ map[tls:[true]]",
		"etcd://a:1,[::1]:2,c:3//registry/":         "etcd [a:1 [::1]:2 c:3] user= password= prefix=/registry/ map[]",
		"etcd://u:p%40%3a@h:1/a%20b%3F":             "etcd [h:1] user=u password=p@: prefix=a b? map[]",
		"mem://":                                    "mem [] user= password= prefix= map[]",
		"mem:///x":                                  "mem [] user= password= prefix=x map[]",
		"etcd://u:a@b@h:1/?ca=%2Fetc%2Fca&origin=x": "etcd [h:1] user=u password=a@b prefix= map[ca:[/etc/ca] origin:[x]]",
	} {
		a, err := parse(raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		got := fmt.Sprintf("%s %v user=%s password=%s prefix=%s %v", a.scheme, a.hosts, a.user, a.password, a.prefix, a.query)
		if got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string]string{
		"":                                      "named by a URL",
		"127.0.0.1:2379":                        "named by a URL",
		"zookeeper://h:1":                       `no scheme "zookeeper", but`,
		"etcd://":                               "no endpoint",
		"etcd://h":                              "want something like 127.0.0.1:2379",
		"etcd://h:1/%zz":                        "invalid URL escape",
		"etcd://h:1/a#b":                        "%23",
		"etcd://h:1/?colour=red":                "colour says nothing to etcd: it knows tls, ca",
		"etcd://h:1/?origin=a&origin=b":         "origin stands there 2 times",
		"etcd://h:1/?tls=maybe":                 "want true or false",
		"etcd://h:1/?max-request=lots":          "want a number",
		"etcd://h:1/?patience=long":             "want a time",
		"etcd://h:1/?patience=-1s":              "above zero",
		"etcd://h:1/?max-request=7":             "at least",
		"etcd://h:1/?ca=" + empty:               "there is no certificate in it",
		"etcd://h:1/?cert=/nowhere":             "no such file",
		"etcd://u@h:1/":                         "a user and a password go together",
		"consul://":                             "want one host",
		"consul://a:1,b:1":                      "want one host",
		"consul://h:1//registry/":               "that a URL carries unchanged",
		"consul://me@h:1/":                      "behind a colon",
		"consul://:s3cret@h:1/?token-file=/x":   "one too many",
		"consul://h:1/?token-file=/nowhere":     "no such file",
		"consul://h:1/?token-file=" + empty:     "it is empty",
		"consul://h:1/?stale=maybe":             "want true or false",
		"consul://:s3cret@h:1/?colour=red":      "colour says nothing to consul",
		"http://a:1,b:1":                        "want one host",
		"http://u:p@a:1":                        "no user",
		"mem://h:1/?x=y":                        "want mem://",
		"mem:///?x=y":                           "x says nothing to mem",
		"etcd://me:s3cret@h:1/?colour=red":      "me@h:1",
		"etcd://me:s3cret%zz@h:1/":              "percent-encoded",
		"etcd://me:s3cret@h:1/?max-request=red": "want a number",
		"nats://":                               "no host",
		"nats://127.0.0.1:1/?bucket=a.b":        `bucket "a.b"`,
		"nats://127.0.0.1:1/?replicas=9":        "want 1 to 5",
		"nats://127.0.0.1:1/?replicas=x":        "want a number",
		"nats://127.0.0.1:1/?ca=" + empty:       "there is no certificate in it",
		"nats://me:s3cret@127.0.0.1:1/?color=x": "color says nothing to nats",
	} {
		s, err := Open(t.Context(), raw, discard())
		if err == nil {
			s.Close()
			t.Errorf("%s: opened, want an error about %q", raw, want)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v; want an error about %q, without the password", raw, err, want)
		}
	}
}

func TestPrefixOfAURL(t *testing.T) {
	s, err := Open(t.Context(), "mem:///app/", discard())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Scheme != "mem" {
		t.Errorf("scheme %q", s.Scheme)
	}
	c := s.Client(kv.Bytes)
	put(t, c, "k", "v")
	for _, need := range []bool{is[kv.Capable](c), is[kv.Versioned](c), is[kv.Watcher](c)} {
		if !need {
			t.Error("behind the prefix an optional interface is gone, which the HTTP API needs")
		}
	}
	if keys, err := c.List(t.Context(), ""); err != nil || len(keys) != 1 || keys[0] != "k" {
		t.Errorf("got %q, %v; want the key without the prefix", keys, err)
	}
}

func is[I any](c kv.Client) bool {
	_, ok := c.(I)
	return ok
}

func put(t *testing.T, c kv.Client, key, value string) {
	t.Helper()
	if err := c.CAS(t.Context(), key, func(any) (any, bool, error) { return []byte(value), true, nil }); err != nil {
		t.Fatal(err)
	}
}

// TestHTTPKeepsItsPath: behind http:// the path is where the server is mounted.
func TestHTTPKeepsItsPath(t *testing.T) {
	var asked string
	srv := httptest.NewServer(handler(func(path string) { asked = path }))
	defer srv.Close()
	s, err := Open(t.Context(), srv.URL+"/mounted/here", discard())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, _ = s.Client(kv.Bytes).Get(t.Context(), "k")
	if asked != "/mounted/here/v1/kv/k" {
		t.Errorf("it asked for %q", asked)
	}
}

// TestConsulIsToldEverything: the prefix is the store's own, the token stands nowhere but in its header.
func TestConsulIsToldEverything(t *testing.T) {
	var asked []*http.Request
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r)
		http.NotFound(w, r)
	}))
	defer srv.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(srv.URL, "http://")
	for raw, mode := range map[string]string{
		"consul://:s3cret@" + host + "/app/?datacenter=dc2":                        "consistent",
		"consul://" + host + "/app/?stale=true&datacenter=dc2&token-file=" + token: "stale",
	} {
		s, err := Open(t.Context(), raw, discard())
		if err != nil {
			t.Fatal(err)
		}
		asked = nil
		if v, err := s.Client(kv.Bytes).Get(t.Context(), "a//b"); v != nil || err != nil {
			t.Errorf("%s: got %v, %v", raw, v, err)
		}
		s.Close()
		if len(asked) != 1 {
			t.Fatalf("%s: %d requests, want one", raw, len(asked))
		}
		r := asked[0]
		if got := r.URL.Path; got != "/v1/kv/app/a/%2Fb" {
			t.Errorf("%s: asked for %q", raw, got)
		}
		if q := r.URL.Query(); !q.Has(mode) || q.Get("dc") != "dc2" || strings.Contains(r.URL.String(), "s3cret") {
			t.Errorf("%s: asked %s, want %s of dc2", raw, r.URL, mode)
		}
		if got := r.Header.Get("X-Consul-Token"); got != "s3cret" {
			t.Errorf("%s: token %q", raw, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("etcd://u:p@h:2379,h2:2379/prefix?tls=true&ca=x")
	f.Add("http://127.0.0.1:7070")
	f.Add("mem://")
	f.Fuzz(func(t *testing.T, raw string) {
		a, err := parse(raw)
		if err != nil {
			return
		}
		if text := a.String(); a.password != "" && len(a.password) > 20 && strings.Contains(text, a.password) && !strings.Contains(a.prefix+strings.Join(a.hosts, ",")+a.user, a.password) {
			t.Errorf("%q shows the password", text)
		}
	})
}

// handler notes the paths that are asked for.
func handler(note func(path string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note(r.URL.Path)
		http.NotFound(w, r)
	})
}
