package kv

import (
	"errors"
	"mime"
	"strings"
	"testing"
)

func TestCheckMedia(t *testing.T) {
	for _, good := range []string{
		"", "text/plain", "application/vnd.api+json", `text/html; charset="utf-8"`, "text/plain;charset=utf-8", "a/b;x=y; z=w",
		"a/" + strings.Repeat("b", MaxMedia-2),
	} {
		if err := CheckMedia(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"text", "/", "text/", "/plain", "text/pl ain", "a/b/c", " text/plain", "text/plain ", "text/plain; x=\xff", "a/b; x=é", "a/b;\r\nSet-Cookie: x",
		"a/b\x00", "text/plain,text/html", ";", "a/" + strings.Repeat("b", MaxMedia-1),
	} {
		if err := CheckMedia(bad); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%q: got %v, want ErrUnsupported", bad, err)
		}
	}
}

// FuzzCheckMedia holds what is taken to what may stand in a header.
func FuzzCheckMedia(f *testing.F) {
	for _, seed := range []string{"text/plain", "text/plain; charset=utf-8", "a/b\r\n", "a / b", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, m string) {
		if CheckMedia(m) != nil || m == "" {
			return
		}
		if len(m) > MaxMedia || strings.ContainsFunc(m, unprintable) || strings.TrimSpace(m) != m {
			t.Fatalf("%q was taken", m)
		}
		if _, _, err := mime.ParseMediaType(m); err != nil && !strings.Contains(m, ";") {
			t.Fatalf("%q was taken: %v", m, err)
		}
	})
}
