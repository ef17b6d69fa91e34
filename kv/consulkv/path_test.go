package consulkv

import (
	"strings"
	"testing"
	"unicode"

	"github.com/starlingkv/starling/kv"
)

// TestPaths holds the paths of keys for ever.
func TestPaths(t *testing.T) {
	for key, want := range map[string]string{
		"leader/ingester":  "leader/ingester",
		"a b?c=d&e#f+:*~":  "a b?c=d&e#f+:*~",
		"folder/":          "folder/",
		"/":                "%2F",
		"//":               "%2F%2F",
		"/registry/x":      "%2Fregistry/x",
		"a//b":             "a/%2Fb",
		"a///b":            "a/%2F%2Fb",
		".":                "%2E",
		"..":               "%2E%2E",
		"...":              "...",
		".hidden/a.b":      ".hidden/a.b",
		"a/../b/./c/..":    "a/%2E%2E/b/%2E/c/%2E%2E",
		"100%":             "100%25",
		"a%2Fb":            "a%252Fb",
		"世界/привет/é":      "世界/привет/é",
		"e\u0301":          "e\u0301",
		"\u00a0\u200b":     "%C2%A0%E2%80%8B",
		"🦜":                "%F0%9F%A6%9C",
		"\ufffd":           "%EF%BF%BD",
		"%starling-kinds/": "%25starling-kinds/",
	} {
		if got := escape(key); got != want {
			t.Errorf("%q has path %q, want %q", key, got, want)
		}
		if back, ok := unescape(want); !ok || back != key {
			t.Errorf("path %q is key %q, %v; want %q", want, back, ok, key)
		}
	}
}

func TestWhatIsNoPathIsNoKey(t *testing.T) {
	for _, path := range []string{"", "/a", "a//b", "a/./b", "..", "%", "a%2", "%zz", "%61", "%2f", "a%2Fb", "a\u00a0b", "a\nb", "%0A", "a%FF", kindsRow} {
		if key, ok := unescape(path); ok {
			t.Errorf("path %q was taken for key %q", path, key)
		}
	}
}

// A character that stands for itself must be printable for every Go that a server was built with.
func TestPlainIsPrintable(t *testing.T) {
	for r := range rune(unicode.MaxRune + 1) {
		if isPlain(r) && !unicode.IsPrint(r) {
			t.Errorf("%U is plain but not printable", r)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"a//b", "a/../b", "%41/%", "é\u00a0", "世", "/."} {
		f.Add(s, len(s)/2)
	}
	f.Fuzz(func(t *testing.T, s string, cut int) {
		if key, ok := unescape(s); ok && escape(key) != s {
			t.Fatalf("path %q is key %q, whose path is %q", s, key, escape(key))
		}
		if kv.CheckKey(s) != nil {
			return
		}
		path := escape(s)
		back, ok := unescape(path)
		if !ok || back != s {
			t.Fatalf("key %q has path %q, which is key %q, %v", s, path, back, ok)
		}
		if strings.Contains(path, "//") || strings.HasPrefix(path, "/") || strings.ContainsFunc(path, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("path %q would not be carried unchanged", path)
		}
		if cut < 0 || cut > len(s) {
			return
		}
		if lookup := under(s[:cut]); !strings.HasPrefix(path, lookup) {
			t.Fatalf("key %q with path %q is not found under %q, the path of its beginning %q", s, path, lookup, s[:cut])
		}
	})
}
