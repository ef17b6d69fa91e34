package natskv

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/starlingkv/starling/kv"
)

// nameOf is what the NATS client takes for a key, and what the server takes for the words of a subject.
var nameOf = regexp.MustCompile(`^[-/_=a-zA-Z0-9]+(\.[-/_=a-zA-Z0-9]+)*$`)

func TestKeysAsTheyAreWritten(t *testing.T) {
	for key, want := range map[string]string{
		"ring/ingester-1": "ring/ingester-1",
		"a.b.c":           "a.b.c",
		"a//b":            "a//b",
		".":               "=2E",
		"..":              "=2E=2E",
		".a..b.":          "=2Ea.=2Eb=2E",
		"a=b":             "a=b",
		"YWI=":            "YWI=",
		"=41":             "=3D41",
		"==41":            "==3D41",
		"a b*>":           "a=20b=2A=3E",
		"é":               "=C3=A9",
	} {
		if got := encodeKey(key); got != want {
			t.Errorf("encodeKey(%q) = %q, want %q", key, got, want)
		}
	}
}

func TestNamesThatNoKeyHas(t *testing.T) {
	for _, name := range []string{"=41", "a=2Eb", "=2e", "a b", ".", "a.", "=3Db"} {
		if key, err := decodeKey(name); err == nil && name != "=2e" {
			t.Errorf("decodeKey(%q) = %q, want an error", name, key)
		}
	}
}

func FuzzKey(f *testing.F) {
	for _, key := range []string{"a", "ring/x", "a.b", ".", "..", "a..b.", "=41", "==41", "a=", "世界", strings.Repeat("🦜", 256)} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if kv.CheckKey(key) != nil {
			return
		}
		name := encodeKey(key)
		if !nameOf.MatchString(name) {
			t.Fatalf("%q is written %q, which NATS does not take", key, name)
		}
		if got, err := decodeKey(name); err != nil || got != key {
			t.Fatalf("%q is written %q and read as %q, %v", key, name, got, err)
		}
		for end := range len(key) + 1 {
			under := filters(key[:end])
			if !slices.ContainsFunc(under, func(filter string) bool { return matches(filter, name) }) {
				t.Fatalf("%q has the prefix %q, but %q is not under %q", key, key[:end], name, under)
			}
		}
	})
}

func FuzzName(f *testing.F) {
	for _, name := range []string{"a", "=41", "=2E", "a.b", "a=", "=3D41", "=C3=A9"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		key, err := decodeKey(name)
		if err == nil && encodeKey(key) != name {
			t.Fatalf("%q is read as %q, which is written %q", name, key, encodeKey(key))
		}
	})
}

// matches is the server's rule.
func matches(filter, name string) bool {
	if filter == ">" || filter == name {
		return true
	}
	words, rest := strings.CutSuffix(filter, ">")
	return rest && strings.HasPrefix(name, words) && len(name) > len(words)
}

// The words before the last dot are told apart by the server.
func TestFiltersAreNarrow(t *testing.T) {
	for prefix, want := range map[string][]string{
		"":      {">"},
		"ring/": {">"},
		"a.":    {"a.>", "a=2E"},
		"a.b":   {"a.>"},
		"a.b.c": {"a.b.>"},
		"a..":   {"a.>"},
		".a":    {">"},
	} {
		if got := filters(prefix); !slices.Equal(got, want) {
			t.Errorf("filters(%q) = %q, want %q", prefix, got, want)
		}
	}
}
