package web

import (
	"net/url"
	"testing"

	"github.com/starlingkv/starling/kv"
)

// FuzzKeyOf decodes the key of a path. What is taken is a key that no router cleans into another, and it comes back from
// its own encoding.
func FuzzKeyOf(f *testing.F) {
	for _, s := range []string{"k", "a%2F%2Fb", "a//b", "a/%2e%2e/b", "..", "%2E", "%", "%zz", "end/", "%00", "gr%C3%BCn", "%FF"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, escaped string) {
		key, err := keyOf(escaped)
		if err != nil {
			return
		}
		if err := kv.CheckKey(key); err != nil {
			t.Fatalf("%q was read as %q: %v", escaped, key, err)
		}
		if u, err := url.PathUnescape(escaped); err != nil || u != key {
			t.Fatalf("%q was read as %q, want %q", escaped, key, u)
		}
		if again, err := keyOf(EscapeKey(key)); err != nil || again != key {
			t.Fatalf("%q was encoded as %q and read as %q, %v", key, EscapeKey(key), again, err)
		}
	})
}
