package web_test

import (
	"context"
	"strings"
	"testing"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/web"
)

// TestConditionsOfEveryShape asks of a key that has the version "now", and of an absent one, all that RFC 9110 knows.
func TestConditionsOfEveryShape(t *testing.T) {
	for _, c := range []struct {
		header                                   string
		get, put, del, absentPut, absGet, absDel int
	}{
		{"", 200, 200, 200, 201, 404, 404},
		{`If-Match: "now"`, 200, 200, 200, 412, 404, 404},
		{`If-Match: "old"`, 412, 412, 412, 412, 404, 404},
		{`If-Match: *`, 200, 200, 200, 412, 404, 404},
		{`If-Match: "old", "now"`, 200, 200, 200, 412, 404, 404},
		{`If-Match: "old","older"`, 412, 412, 412, 412, 404, 404},
		{`If-Match: W/"now"`, 412, 412, 412, 412, 404, 404}, // weak tags never match strongly
		{`If-None-Match: *`, 304, 412, 412, 201, 404, 404},
		{`If-None-Match: "now"`, 304, 412, 412, 201, 404, 404},
		{`If-None-Match: W/"now"`, 304, 412, 412, 201, 404, 404},
		{`If-None-Match: "old"`, 200, 200, 200, 201, 404, 404},
		{`If-None-Match: "old", W/"now"`, 304, 412, 412, 201, 404, 404},
		{`If-Match: "old"|If-None-Match: "now"`, 412, 412, 412, 412, 404, 404}, // If-Match goes first
		{`If-Match: *|If-None-Match: "old"`, 200, 200, 200, 412, 404, 404},
		{`If-Match: now`, 400, 400, 400, 400, 404, 400},
		{`If-Match: "now`, 400, 400, 400, 400, 404, 400},
		{`If-Match: "a" "b"`, 400, 400, 400, 400, 404, 400},
		{`If-Match: ""`, 400, 400, 400, 400, 404, 400},
		{`If-None-Match: *, "now"`, 400, 400, 400, 400, 404, 400},
	} {
		mem, base := serve(t, nil)
		put(t, mem, "k", []byte("v"))
		headers := func() []string {
			tag := strings.Trim(tagOf(t, base, "k"), `"`)
			if c.header == "" {
				return nil
			}
			return strings.Split(strings.ReplaceAll(c.header, "now", tag), "|")
		}
		check := func(method, key string, want int) {
			t.Helper()
			if got := call(t, method, base, "/v1/kv/"+key, "", headers()...); got.StatusCode != want {
				t.Errorf("%s of %s with %s: got %d %s, want %d", method, key, c.header, got.StatusCode, got.body, want)
			}
		}
		check("GET", "k", c.get)
		check("HEAD", "k", c.get)
		check("GET", "none", c.absGet)
		check("DELETE", "none", c.absDel)
		check("PUT", "none", c.absentPut)
		check("PUT", "k", c.put)
		check("DELETE", "k", c.del)
	}
}

// overtaken is a store in which another write comes before the first tries to put or remove.
type overtaken struct {
	*memkv.Client
	times *int
}

func (o overtaken) overtake(ctx context.Context, key string) {
	if *o.times > 0 {
		*o.times--
		_, _ = o.Client.Put(ctx, key, []byte("another"))
	}
}

func (o overtaken) Put(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
	o.overtake(ctx, key)
	return o.Client.Put(ctx, key, v, opts...)
}

func (o overtaken) Remove(ctx context.Context, key string, opts ...kv.RemoveOption) error {
	o.overtake(ctx, key)
	return o.Client.Remove(ctx, key, opts...)
}

// TestConditionsThatNameSeveralVersions are held against the version that is there at last.
func TestConditionsThatNameSeveralVersions(t *testing.T) {
	for _, method := range []string{"PUT", "DELETE"} {
		times := 0
		_, base := serve(t, func(cfg *web.Config) {
			inner := cfg.Client
			cfg.Client = func(c kv.Codec) kv.Client { return overtaken{inner(c).(*memkv.Client), &times} }
		})
		call(t, "PUT", base, "/v1/kv/k", "v")
		times = 3
		if got := call(t, method, base, "/v1/kv/k", "w", "If-Match: *"); got.StatusCode != 200 {
			t.Errorf("%s if there is any: got %d %s", method, got.StatusCode, got.body)
		}
		call(t, "PUT", base, "/v1/kv/k", "v")
		tag := tagOf(t, base, "k")
		times = 1
		call(t, method, base, "/v1/kv/k", "w", "If-Match: "+tag+`, "old"`).problem(t, 412, "precondition-failed")
		times = 1000
		call(t, method, base, "/v1/kv/k", "w", "If-Match: *").problem(t, 412, "precondition-failed")
	}
}
