package cell

import (
	"bytes"
	"testing"
)

// TestExtOfMedia holds the bytes: they are on the wire, and hashed, for ever.
func TestExtOfMedia(t *testing.T) {
	if got, want := ExtOfMedia("a/b"), []byte{0, 2, 3, 'a', '/', 'b'}; !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
	if got := ExtOfMedia(""); got != nil {
		t.Errorf("got % x for no media type, want none", got)
	}
}

func TestMedia(t *testing.T) {
	for ext, want := range map[string]string{
		"":                                  "",
		"\x00":                              "",
		"\x01":                              "",
		"\x00\x02\x03a/b":                   "a/b",
		"\x01\x02\x03a/b":                   "a/b", // flags of a later version
		"\x00\x01\x02xy\x02\x03a/b\x09\x00": "a/b", // other tags around it
		"\x00\x02\x03a/b\x02\x03c/d":        "a/b",
		"\x00\x01\x00":                      "",
		"\x00\x02":                          "",
		"\x00\x02\x04a/b":                   "", // shorter than it says
		"\x00\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a/b": "",
		"\x00\x02\x80": "",
	} {
		c := New(Spec{Addr: At("k", "r"), Ver: Ver{1, 1, 1}, Ext: []byte(ext)})
		if got := c.Media(); got != want {
			t.Errorf("% x: got %q, want %q", ext, got, want)
		}
	}
}

func FuzzMedia(f *testing.F) {
	f.Add([]byte("\x00\x02\x03a/b"))
	f.Add([]byte("\x00\x01\x02xy\x02\x03a/b\x09\x00"))
	f.Fuzz(func(t *testing.T, ext []byte) {
		media := New(Spec{Addr: At("k", "r"), Ver: Ver{1, 1, 1}, Ext: ext}).Media()
		if !bytes.Contains(ext, []byte(media)) {
			t.Fatalf("% x: %q stands nowhere in it", ext, media)
		}
		if again := New(Spec{Addr: At("k", "r"), Ver: Ver{1, 1, 1}, Ext: ExtOfMedia(media)}).Media(); again != media {
			t.Fatalf("%q comes back as %q", media, again)
		}
	})
}
