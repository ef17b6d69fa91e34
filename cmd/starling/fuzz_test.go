package main

import (
	"testing"

	"github.com/starlingkv/starling/kv"
)

// FuzzParseLine reads a line of an import. What is read is a key and no more bytes than the line has.
func FuzzParseLine(f *testing.F) {
	for _, s := range []string{
		`{"key":"k","value":"v"}`, `{"key":"k","value_base64":"/w==","codec":"string","version":"1"}`,
		`{"key":"","value":"v"}`, `{"key":"k","value":"v","value_base64":""}`, `{"key":"k","value":null}`, `[`, `{"key":"\u0000","value":""}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := parseLine(b)
		if err != nil {
			return
		}
		if err := kv.CheckKey(l.Key); err != nil || l.Codec == "" {
			t.Fatalf("%q was read as the key %q and the codec %q: %v", b, l.Key, l.Codec, err)
		}
		if n := len(l.body()); n > 3*len(b) {
			t.Fatalf("%d bytes of %d", n, len(b))
		}
	})
}
