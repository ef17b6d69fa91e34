package web_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
)

const flags = "Starling-Codec: map.flag"

func TestFieldsOfAMap(t *testing.T) {
	mem, base := serve(t, nil)
	type written struct {
		Key, Field, Version string
		Tombstone           bool
	}
	do := func(method, field, body string, status int, headers ...string) (w written) {
		t.Helper()
		a := call(t, method, base, "/v1/kv/m?field="+url.QueryEscape(field), body, headers...)
		if a.StatusCode != status {
			t.Fatalf("%s of %s: got %d %s, want %d", method, field, a.StatusCode, a.body, status)
		}
		if err := json.Unmarshal([]byte(a.body), &w); err != nil || w.Key != "m" || w.Field != field || w.Tombstone == (w.Version != "") {
			t.Fatalf("%s of %s: got %s, %v", method, field, a.body, err)
		}
		return w
	}
	do("PUT", "a/b ü", `{"on":true}`, 201, flags)
	first := do("PUT", "x", `[1, 2]`, 201)
	got := call(t, "GET", base, "/v1/kv/m?field=x", "").is(t, 200, `[1, 2]`)
	if got.Header.Get("ETag") != quoted(first.Version) || got.Header.Get("Starling-Codec") != "map.flag" || got.Header.Get("Starling-Consistency") != "linearizable" {
		t.Errorf("got %v", got.Header)
	}
	call(t, "HEAD", base, "/v1/kv/m?field=x", "").is(t, 200, "")
	call(t, "GET", base, "/v1/kv/m?field=x", "", "If-None-Match: "+quoted(first.Version)).is(t, 304, "")
	whole := call(t, "GET", base, "/v1/kv/m", "").is(t, 200, `{"a/b ü":{"on":true},"x":[1, 2]}`)
	if whole.Header.Get("Content-Type") != "application/json" {
		t.Errorf("a Map is %s", whole.Header.Get("Content-Type"))
	}
	do("PUT", "x", `3`, 200)
	do("PUT", "y", `4`, 201, "If-None-Match: *")
	call(t, "PUT", base, "/v1/kv/m?field=y", `5`, "If-None-Match: *").problem(t, 412, "precondition-failed")
	call(t, "PUT", base, "/v1/kv/m?field=y", `5`, "If-Match: "+quoted(first.Version)).problem(t, 412, "precondition-failed")
	now := tagOf(t, base, "m")
	do("PUT", "y", `6`, 200, "If-Match: "+now)
	call(t, "DELETE", base, "/v1/kv/m?field=y", "", "If-Match: "+now).problem(t, 412, "precondition-failed")
	do("DELETE", "y", "", 200)
	do("DELETE", "x", "", 200, "If-Match: *")
	call(t, "GET", base, "/v1/kv/m", "").is(t, 200, `{"a/b ü":{"on":true}}`)
	for _, method := range []string{"GET", "DELETE"} {
		call(t, method, base, "/v1/kv/m?field=x", "").problem(t, 404, "not-found")
		call(t, method, base, "/v1/kv/none?field=x", "").problem(t, 404, "not-found")
	}
	if keys, err := mem.List(t.Context(), ""); err != nil || len(keys) != 1 {
		t.Errorf("the keys are %q, %v", keys, err)
	}
}

func TestFieldsOfASet(t *testing.T) {
	_, base := serve(t, nil)
	for _, field := range []string{"b", "a"} {
		if a := call(t, "PUT", base, "/v1/kv/s?field="+field, "", "Starling-Codec: set.string"); a.StatusCode != 201 {
			t.Fatalf("got %d %s", a.StatusCode, a.body)
		}
	}
	call(t, "GET", base, "/v1/kv/s", "").is(t, 200, `[{"$text":"a"},{"$text":"b"}]`)
	got := call(t, "GET", base, "/v1/kv/s?field=a", "").is(t, 200, "a")
	if got.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("an element of text is %s", got.Header.Get("Content-Type"))
	}
	call(t, "PUT", base, "/v1/kv/s?field=a", "other").problem(t, 400, "bad-request")
	if a := call(t, "DELETE", base, "/v1/kv/s?field=a", ""); a.StatusCode != 200 {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	call(t, "GET", base, "/v1/kv/s?field=a", "").problem(t, 404, "not-found")
	call(t, "DELETE", base, "/v1/kv/s?field=a", "").problem(t, 404, "not-found")
}

// TestFieldsOfWhatHasNone asks values of other kinds for a field, and for what is none.
func TestFieldsOfWhatHasNone(t *testing.T) {
	mem, base := serve(t, nil)
	put(t, mem, "bytes", []byte("v"))
	call(t, "PUT", base, "/v1/kv/n", "5", "Starling-Codec: counter")
	call(t, "PUT", base, "/v1/kv/m", `{"x":{"$parts":[1,2]},"y":1}`, flags)
	for key, codec := range map[string]string{"bytes": "bytes", "n": "counter"} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			if p := call(t, method, base, "/v1/kv/"+key+"?field=x", "").problem(t, 409, "type"); p["codec"] != codec || p["key"] != key || (codec == "counter") != strings.Contains(p["detail"].(string), "POST and ?add=") {
				t.Errorf("%s of a field of %s: %v", method, key, p)
			}
		}
	}
	if p := call(t, "PUT", base, "/v1/kv/m?field=y", "2", "Starling-Codec: map.other").problem(t, 409, "type"); p["codec"] != "map.flag" {
		t.Errorf("another codec: %v", p)
	}
	if a := call(t, "GET", base, "/v1/kv/m?field=x", "").is(t, 200, `{"$parts":[1,2]}`); a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("a field of parts is %s", a.Header.Get("Content-Type"))
	}
	if p := call(t, "PUT", base, "/v1/kv/m?field=x", "2").problem(t, 409, "type"); !strings.Contains(p["detail"].(string), "parts") {
		t.Errorf("a field of parts: %v", p)
	}
	call(t, "PUT", base, "/v1/kv/m?field=", "2").problem(t, 400, "bad-key")
	for _, odd := range []string{`{"$parts":[1,2,3,4,5]}`, `{"$parts":[null,1]}`, `{"$parts":[{"$bytes":"?"}]}`} {
		call(t, "PUT", base, "/v1/kv/m?field=x", odd).problem(t, 400, "bad-request")
		call(t, "PUT", base, "/v1/kv/m", `{"x":`+odd+`}`, flags).problem(t, 400, "bad-request")
	}
	call(t, "PUT", base, "/v1/kv/new?field=x", "2", "Starling-Codec: bytes").problem(t, 409, "type")
	call(t, "PUT", base, "/v1/kv/m?field=y&field=z", "2").problem(t, 400, "bad-request")
	call(t, "GET", base, "/v1/kv/m?field=y&ttl=3s", "").problem(t, 400, "bad-request")
	call(t, "GET", base, "/v1/kv/m?feild=y", "").problem(t, 400, "bad-request")
	call(t, "PUT", base, "/v1/kv/m?field=y", "2", "Starling-Require: persistent").problem(t, 501, "unsupported")
	call(t, "GET", base, "/v1/kv/m", "").is(t, 200, `{"x":{"$parts":[1,2]},"y":1}`)
}

// TestFieldsAreWrittenAtOnce has many writers put fields of one Map: none of them takes that of another away.
func TestFieldsAreWrittenAtOnce(t *testing.T) {
	_, base := serve(t, nil)
	var wg sync.WaitGroup
	for _, name := range strings.Split("abcdef", "") {
		wg.Go(func() {
			for range 20 {
				if a := call(t, "PUT", base, "/v1/kv/m?field="+name, `"`+name+`"`); a.StatusCode/100 != 2 && a.StatusCode != 412 {
					t.Errorf("got %d %s", a.StatusCode, a.body)
				}
			}
		})
	}
	wg.Wait()
	for _, name := range strings.Split("abcdef", "") {
		call(t, "GET", base, "/v1/kv/m?field="+name, "").is(t, 200, `"`+name+`"`)
	}
}

func TestFieldWithTTL(t *testing.T) {
	mem, base := serve(t, nil)
	call(t, "PUT", base, "/v1/kv/m?field=x&ttl=1h", "1")
	if e, _, err := mem.Entry(t.Context(), "m"); e.Expires.IsZero() || e.Codec != "map.bytes" {
		t.Errorf("got %+v, %v", e, err)
	}
	call(t, "PUT", base, "/v1/kv/m?field=x&ttl=never", "1").problem(t, 400, "bad-request")
}

// TestFieldInAnEnvelope is read and written as an entry in JSON by who asks for that by its name.
func TestFieldInAnEnvelope(t *testing.T) {
	_, base := serve(t, nil)
	const media = "Content-Type: application/vnd.starling+json"
	for body, status := range map[string]int{
		`{"value_base64":"/wA=","codec":"map.blob","field":"x"}`: 201,
		`{"value":"1","field":"y"}`:                              400,
		`{"value":"1","codec":"bytes"}`:                          409,
	} {
		if a := call(t, "PUT", base, fmt.Sprint("/v1/kv/m", status, "?field=x"), body, media); a.StatusCode != status {
			t.Errorf("%s: got %d %s, want %d", body, a.StatusCode, a.body, status)
		}
	}
	const key = "/v1/kv/m201?field=x"
	call(t, "GET", base, key, "", "Accept: application/json").is(t, 200, "\xff\x00")
	a := call(t, "GET", base, key, "", "Accept: application/vnd.starling+json")
	if !strings.Contains(a.body, `"field":"x"`) || !strings.Contains(a.body, `"value_base64":"/wA="`) || !strings.Contains(a.body, `"codec":"map.blob"`) {
		t.Errorf("got %s", a.body)
	}
	if a := call(t, "PUT", base, key, a.body, media); a.StatusCode != 200 {
		t.Errorf("what was read is not written: %d %s", a.StatusCode, a.body)
	}
	call(t, "PUT", base, key, `{"value":"2"}`, media)
	call(t, "GET", base, key, "").is(t, 200, "2")
}
