package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/web"
)

func TestPutEnvelope(t *testing.T) {
	mem, base := serve(t, nil)
	const envelope = "Content-Type: application/vnd.starling+json"
	call(t, "PUT", base, "/v1/kv/k", `{"value":"täxt"}`, envelope)
	call(t, "GET", base, "/v1/kv/k", "").is(t, 200, "täxt")
	call(t, "PUT", base, "/v1/kv/b", `{"key":"b","value_base64":"/wA="}`, envelope)
	call(t, "GET", base, "/v1/kv/b", "").is(t, 200, "\xff\x00")
	call(t, "PUT", base, "/v1/kv/s", `{"value":"","codec":"string"}`, envelope)
	if got := call(t, "GET", base, "/v1/kv/s", "").is(t, 200, "").Header.Get("Starling-Codec"); got != "string" {
		t.Errorf("got the codec %q", got)
	}
	// What GET answers with can be put.
	whole := call(t, "GET", base, "/v1/kv/b", "", "Accept: application/json").body
	call(t, "DELETE", base, "/v1/kv/b", "")
	if a := call(t, "PUT", base, "/v1/kv/b", whole, envelope); a.StatusCode != 201 {
		t.Errorf("%s: got %d %s", whole, a.StatusCode, a.body)
	}
	// Any other media type is of a value, even if that is JSON.
	call(t, "PUT", base, "/v1/kv/j", `{"value":"x"}`, "Content-Type: application/json")
	call(t, "GET", base, "/v1/kv/j", "").is(t, 200, `{"value":"x"}`)

	for _, bad := range []string{
		``, `{}`, `[]`, `{"value":"x","value_base64":"eA=="}`, `{"value":1}`, `{"value_base64":"!"}`, `{"value":"x"}{}`,
		`{"value":"x","key":"other"}`, `{"value":"x","ttl":"3s"}`,
	} {
		call(t, "PUT", base, "/v1/kv/none", bad, envelope).problem(t, 400, "bad-request")
	}
	call(t, "PUT", base, "/v1/kv/none", `{"value":"x","codec":"string"}`, envelope, "Starling-Codec: bytes").problem(t, 400, "bad-request")
	if v, err := mem.Get(t.Context(), "none"); v != nil || err != nil {
		t.Errorf("a bad envelope was stored as %v, %v", v, err)
	}
}

func TestEnvelopeIsBounded(t *testing.T) {
	_, base := serve(t, func(cfg *web.Config) {
		inner := cfg.Client
		cfg.Client = func(c kv.Codec) kv.Client { return weak{inner(c).(*memkv.Client)} }
	})
	const envelope = "Content-Type: application/vnd.starling+json"
	call(t, "PUT", base, "/v1/kv/k", `{"value":"12345678"}`, envelope).is(t, 201, "{\"key\":\"k\",\"version\":"+tagOf(t, base, "k")+"}\n")
	call(t, "PUT", base, "/v1/kv/k", `{"value":"123456789"}`, envelope).problem(t, 413, "too-large")
	call(t, "PUT", base, "/v1/kv/k", `{"value":"`+strings.Repeat(" ", 17<<10)+`"}`, envelope).problem(t, 413, "too-large")
}

func TestListByDelimiter(t *testing.T) {
	mem, base := serve(t, nil)
	for _, key := range []string{"a", "a/1", "a/2/x", "a/2/y", "a/3/", "a0", "b/c/d", "ü/1", "ü/2"} {
		put(t, mem, key, []byte("v"))
	}
	type answer struct {
		Items    []struct{ Key string }
		Prefixes []string
		Next     string
	}
	ask := func(query string) (all []string) {
		t.Helper()
		for after, pages := "", 0; pages < 20; pages++ {
			var p answer
			body := call(t, "GET", base, "/v1/kv?"+query+"&after="+after, "").body
			if err := json.Unmarshal([]byte(body), &p); err != nil {
				t.Fatalf("%v in %s", err, body)
			}
			for _, i := range p.Items {
				all = append(all, i.Key)
			}
			for _, one := range p.Prefixes {
				all = append(all, "["+one+"]")
			}
			if after = strings.ReplaceAll(p.Next, "ü", "%C3%BC"); after == "" {
				return all
			}
		}
		t.Fatal("pages without end")
		return nil
	}
	for query, want := range map[string]string{
		"delimiter=/":                   "[a a0 [a/] [b/] [ü/]]",
		"delimiter=/&limit=1":           "[a [a/] a0 [b/] [ü/]]",
		"delimiter=/&prefix=a":          "[a a0 [a/]]",
		"delimiter=/&prefix=a/":         "[a/1 [a/2/] [a/3/]]",
		"delimiter=/&prefix=a/&limit=1": "[a/1 [a/2/] [a/3/]]",
		"delimiter=2/":                  "[a a/1 a/3/ a0 b/c/d ü/1 ü/2 [a/2/]]",
		"prefix=a/2":                    "[a/2/x a/2/y]",
	} {
		if got := fmt.Sprint(ask(query)); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
}

func TestDigest(t *testing.T) {
	mem, base := serve(t, nil)
	type digest struct {
		Keys         int
		Bytes        int64
		Hash, Latest string
	}
	ask := func(prefix string) (d digest) {
		t.Helper()
		if err := json.Unmarshal([]byte(call(t, "GET", base, "/v1/digest?prefix="+prefix, "").body), &d); err != nil {
			t.Fatal(err)
		}
		return d
	}
	empty := ask("")
	put(t, mem, "p/a", []byte("1"))
	one := ask("p/")
	put(t, mem, "q", []byte("22"))
	if d := ask("p/"); d != one || d.Keys != 1 || d.Bytes != 1 || d.Latest == "" {
		t.Errorf("got %+v, want it as it was, %+v: nothing happened below the prefix", d, one)
	}
	put(t, mem, "p/a", []byte("1"))
	if d := ask("p/"); d.Hash == one.Hash {
		t.Error("another version has the same hash")
	}
	if d := ask(""); d.Keys != 2 || d.Bytes != 3 || d.Hash == empty.Hash {
		t.Errorf("got %+v, want two keys", d)
	}
}

func TestReadyVerbose(t *testing.T) {
	mem, base := serve(t, nil)
	call(t, "GET", base, "/readyz?verbose", "").is(t, 200, "[+] running ok\n[+] reads ok\n[+] stays ok\nok\n")
	mem.Close()
	if p := call(t, "GET", base, "/readyz?verbose", "").problem(t, 503, "not-ready"); !strings.Contains(p["detail"].(string), "[-] reads failed: ") {
		t.Errorf("got %v, want the check that failed", p["detail"])
	}
	_, base = serve(t, func(cfg *web.Config) { cfg.Node = lone{starting: true} })
	if p := call(t, "GET", base, "/readyz?verbose", "").problem(t, 503, "not-ready"); !strings.Contains(p["detail"].(string), "[-] running failed: ") {
		t.Errorf("got %v, want the check that failed", p["detail"])
	}
	call(t, "GET", base, "/readyz?verbos", "").problem(t, 400, "bad-request")
}

// social is a node with a cluster.
type social struct {
	lone
	left *bool
}

func (s social) Leave(context.Context) error {
	*s.left = true
	return nil
}

func (social) Forget(_ context.Context, name string) (bool, error) {
	if name == "n1" {
		return true, web.ErrAlive
	}
	return name == "n/2", nil
}

func (social) Examine(context.Context) (web.Examination, error) {
	return web.Examination{Node: "n1", Addr: "127.0.0.1:7171"}, nil
}

func TestClusterRoutes(t *testing.T) {
	left := false
	_, base := serve(t, func(cfg *web.Config) { cfg.Node = social{left: &left} })
	call(t, "GET", base, "/v1/members/n1", "").is(t, 200, `{"name":"n1","addr":"127.0.0.1:7171","state":"alive","self":true,"native":false}`+"\n")
	call(t, "GET", base, "/v1/members/n9", "").problem(t, 404, "not-found")
	call(t, "DELETE", base, "/v1/members/n9", "").problem(t, 404, "not-found")
	call(t, "DELETE", base, "/v1/members/n1", "").problem(t, 409, "alive")
	call(t, "DELETE", base, "/v1/members/n%2F2", "").is(t, 200, `{"name":"n/2","forgotten":true}`+"\n")
	call(t, "POST", base, "/v1/members/n1", "").problem(t, 405, "bad-request")
	call(t, "GET", base, "/v1/examine", "").is(t, 200, `{"node":"n1","addr":"127.0.0.1:7171","reach":[],"seeds":[],"foreign":[],"clock":{"offset_seconds":0,"peers":0}}`+"\n")
	call(t, "GET", base, "/v1/leave", "").problem(t, 405, "bad-request")
	for _, site := range []string{"Origin: http://elsewhere.example", "Sec-Fetch-Site: cross-site"} {
		call(t, "POST", base, "/v1/leave", "", site).problem(t, 403, "forbidden")
		call(t, "PUT", base, "/v1/kv/k", "v", site).problem(t, 403, "forbidden")
	}
	if left {
		t.Fatal("a refused request was done")
	}
	call(t, "POST", base, "/v1/leave", "").is(t, 200, `{"node":"n1","left":true}`+"\n")
	if !left {
		t.Error("the node was not told")
	}
	_, base = serve(t, nil) // the node of a store alone
	call(t, "POST", base, "/v1/leave", "").problem(t, 501, "unsupported")
	call(t, "GET", base, "/v1/examine", "").problem(t, 501, "unsupported")
	call(t, "DELETE", base, "/v1/members/n9", "").problem(t, 501, "unsupported")
}
