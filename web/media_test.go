package web_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/web"
)

// TestMediaType puts with a media type: everybody is told it, until somebody puts without.
func TestMediaType(t *testing.T) {
	mem, base := serve(t, nil)
	const page = `text/html; charset="utf-8"`
	call(t, "PUT", base, "/v1/kv/k", "<b>", "Content-Type: "+page)
	for _, method := range []string{"GET", "HEAD"} {
		got := call(t, method, base, "/v1/kv/k", "")
		if got.Header.Get("Content-Type") != page || !strings.HasPrefix(got.Header.Get("Content-Security-Policy"), "sandbox;") {
			t.Errorf("%s: got %v, want the media type, and nothing that a browser would run", method, got.Header)
		}
	}
	whole := call(t, "GET", base, "/v1/kv/k", "", "Accept: application/json").body
	list := call(t, "GET", base, "/v1/kv?prefix=k", "").body
	event, watch := follow(t, base, "key=k").next()
	if event != "put" {
		t.Errorf("a watch begins with %s", event)
	}
	quoted, err := json.Marshal(page)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"the envelope": whole, "a list": list, "a watch": watch} {
		if !strings.Contains(text, `"media_type":`+string(quoted)) {
			t.Errorf("%s does not tell it: %s", name, text)
		}
	}
	call(t, "PUT", base, "/v1/kv/copy", strings.ReplaceAll(whole, `"k"`, `"copy"`), "Content-Type: "+web.EnvelopeType)
	if e, _, err := mem.Entry(t.Context(), "copy"); err != nil || e.Media != page {
		t.Errorf("an envelope that was put: got %q, %v", e.Media, err)
	}
	call(t, "PUT", base, "/v1/kv/k", "<b>")
	if got := call(t, "GET", base, "/v1/kv/k", "").Header.Get("Content-Type"); got != "application/octet-stream" {
		t.Errorf("after a PUT without a media type: %q", got)
	}
}

// TestMediaTypeThatSaysNothing puts what clients send of themselves, and what the codec says already: it is not kept.
func TestMediaTypeThatSaysNothing(t *testing.T) {
	mem, base := serve(t, nil)
	for _, c := range []struct{ sent, codec, want string }{
		{"", "bytes", "application/octet-stream"},
		{"application/octet-stream", "bytes", "application/octet-stream"},
		{"application/x-www-form-urlencoded", "bytes", "application/octet-stream"},
		{"application/x-www-form-urlencoded", "string", "text/plain; charset=utf-8"},
		{"text/plain; charset=utf-8", "string", "text/plain; charset=utf-8"},
	} {
		call(t, "DELETE", base, "/v1/kv/k", "")
		call(t, "PUT", base, "/v1/kv/k", "v", "Content-Type: "+c.sent, "Starling-Codec: "+c.codec)
		e, _, _ := mem.With(kv.String).Entry(t.Context(), "k")
		if got := call(t, "GET", base, "/v1/kv/k", "").Header.Get("Content-Type"); got != c.want || e.Media != "" {
			t.Errorf("%q of %s: got %q and kept %q, want %q and nothing", c.sent, c.codec, got, e.Media, c.want)
		}
	}
}

func TestMediaTypeIsChecked(t *testing.T) {
	mem, base := serve(t, nil)
	for _, bad := range []string{"html", "text/", "a/b, c/d", "a/" + strings.Repeat("b", kv.MaxMedia)} {
		call(t, "PUT", base, "/v1/kv/k", "v", "Content-Type: "+bad).problem(t, 400, "bad-request")
		call(t, "PUT", base, "/v1/kv/k", `{"value":"v","media_type":"`+bad+`"}`, "Content-Type: "+web.EnvelopeType).problem(t, 400, "bad-request")
	}
	if v, err := mem.Get(t.Context(), "k"); v != nil || err != nil {
		t.Errorf("it was stored as %v, %v", v, err)
	}
}

// plain is a store that keeps no media types.
type plain struct{ *memkv.Client }

func (p plain) Capabilities() kv.Capabilities {
	can := p.Client.Capabilities()
	can.Media = false
	return can
}

// TestMediaTypeThatCannotBeKept is left out, unless the client says that it must not be.
func TestMediaTypeThatCannotBeKept(t *testing.T) {
	mem, base := serve(t, func(cfg *web.Config) {
		inner := cfg.Client
		cfg.Client = func(c kv.Codec) kv.Client { return plain{inner(c).(*memkv.Client)} }
	})
	call(t, "PUT", base, "/v1/kv/k", "v", "Content-Type: text/html", "Starling-Require: media-types").problem(t, 501, "unsupported")
	if got := call(t, "PUT", base, "/v1/kv/k", "v", "Content-Type: text/html"); got.StatusCode != 201 {
		t.Errorf("got %d %s", got.StatusCode, got.body)
	}
	if e, _, err := mem.Entry(t.Context(), "k"); err != nil || e.Media != "" {
		t.Errorf("kept %q, %v", e.Media, err)
	}
}
