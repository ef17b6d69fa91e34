package web_test

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

// page is the JSON of a list, as a reader in another language would write it down.
type page struct {
	Items []struct {
		Key         string  `json:"key"`
		Version     string  `json:"version"`
		UpdatedAt   string  `json:"updated_at"`
		ExpiresAt   string  `json:"expires_at"`
		Size        int     `json:"size"`
		Codec       string  `json:"codec"`
		Value       *string `json:"value"`
		ValueBase64 *string `json:"value_base64"`
	} `json:"items"`
	Next string `json:"next"`
}

func list(t *testing.T, base, query string) page {
	t.Helper()
	a := call(t, "GET", base, "/v1/kv?"+query, "")
	var p page
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.StatusCode != 200 {
		t.Fatalf("%s: %d %v in %s", query, a.StatusCode, err, a.body)
	}
	return p
}

func put(t *testing.T, c *memkv.Client, key string, value []byte) {
	t.Helper()
	if _, err := c.Put(t.Context(), key, value); err != nil {
		t.Fatal(err)
	}
}

func TestListPages(t *testing.T) {
	mem, base := serve(t, nil)
	for i := range 25 {
		put(t, mem, "p/"+strconv.Itoa(10+i), []byte("v"))
	}
	put(t, mem, "q", nil)
	var keys []string
	after := ""
	for range 4 {
		p := list(t, base, "prefix=p/&limit=10&after="+url.QueryEscape(after))
		for _, item := range p.Items {
			keys = append(keys, item.Key)
		}
		if after = p.Next; after == "" {
			break
		}
	}
	if len(keys) != 25 || keys[0] != "p/10" || keys[24] != "p/34" || after != "" {
		t.Errorf("got %q, then %q", keys, after)
	}
	if p := list(t, base, "prefix=none"); p.Items == nil || len(p.Items) != 0 {
		t.Errorf("got %v, want an empty list, not null", p.Items)
	}
}

func TestListValues(t *testing.T) {
	mem, base := serve(t, nil)
	put(t, mem, "a", []byte("<téxt>\x00\u2028"))
	put(t, mem, "b", []byte{0xff, 0, 1})
	put(t, mem, "c", nil)
	if _, err := mem.With(kv.String).Put(t.Context(), "d", "s", kv.TTL(time.Hour)); err != nil {
		t.Fatal(err)
	}
	items := list(t, base, "").Items
	if len(items) != 4 {
		t.Fatalf("got %d items, want 4", len(items))
	}
	if v := items[0].Value; v == nil || *v != "<téxt>\x00\u2028" || items[0].ValueBase64 != nil {
		t.Errorf("text: got %v", items[0])
	}
	if v := items[1].ValueBase64; v == nil || *v != "/wAB" || items[1].Value != nil {
		t.Errorf("bytes: got %v", items[1])
	}
	if v := items[2].Value; v == nil || *v != "" || items[2].Size != 0 {
		t.Errorf("nothing: got %v", items[2])
	}
	if d := items[3]; d.Codec != "string" || d.Size != 1 || d.ExpiresAt == "" || d.UpdatedAt == "" || d.Version == "" {
		t.Errorf("another codec: got %v", d)
	}
	for _, item := range list(t, base, "values=false").Items {
		if item.Value != nil || item.ValueBase64 != nil || item.Version == "" {
			t.Errorf("without values: got %v", item)
		}
	}
	a := call(t, "GET", base, "/v1/kv/b", "", "Accept: text/html, application/json;q=0.9")
	if !strings.Contains(a.body, `"value_base64":"/wAB"`) || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("envelope: got %s", a.body)
	}
}

func TestListIsCutByBytes(t *testing.T) {
	mem, base := serve(t, nil)
	for _, key := range []string{"a", "b", "c"} {
		put(t, mem, key, []byte(strings.Repeat(key, 5<<20)))
	}
	for _, c := range []struct{ after, key, next string }{{"", "a", "a"}, {"a", "b", "b"}, {"b", "c", ""}} {
		p := list(t, base, "after="+c.after)
		if len(p.Items) != 1 || p.Items[0].Key != c.key || p.Next != c.next {
			t.Errorf("after %q: got %d items, next %q", c.after, len(p.Items), p.Next)
		}
	}
	if p := list(t, base, "values=false"); len(p.Items) != 3 {
		t.Errorf("without values: got %d items, want 3", len(p.Items))
	}
}
