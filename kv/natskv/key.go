package natskv

import (
	"fmt"
	"strings"
)

// A key is written into a NATS key as it is, but for the bytes that NATS does not take there: these become "=" and two
// upper-case hex digits. So is a dot at the beginning, at the end or behind another dot, and an "=" that would otherwise
// read as the beginning of such a triple. Every key has exactly one NATS key, and whatever other programs write under an
// ordinary name is a key of the same name here.

const upperHex = "0123456789ABCDEF"

// encodeKey returns the NATS key of a key.
func encodeKey(key string) string {
	var b strings.Builder
	b.Grow(len(key))
	for i := range len(key) {
		c := key[i]
		if plain(key, i) {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('=')
		b.WriteByte(upperHex[c>>4])
		b.WriteByte(upperHex[c&15])
	}
	return b.String()
}

// plain reports whether the byte at i stands for itself.
func plain(key string, i int) bool {
	switch c := key[i]; {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '/':
		return true
	case c == '.':
		return i > 0 && i < len(key)-1 && key[i-1] != '.'
	case c == '=':
		return !isTriple(key, i)
	}
	return false
}

// isTriple reports whether two hex digits stand behind the byte at i.
func isTriple(s string, i int) bool {
	return i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0
}

func unhex(c byte) int { return strings.IndexByte(upperHex, c) }

// decodeKey returns the key of a NATS key. One that encodeKey never makes is an error: it would read as a key that is
// written elsewhere.
func decodeKey(name string) (string, error) {
	b := make([]byte, 0, len(name))
	for i := 0; i < len(name); i++ {
		if name[i] == '=' && isTriple(name, i) {
			b = append(b, byte(unhex(name[i+1])<<4|unhex(name[i+2])))
			i += 2
			continue
		}
		b = append(b, name[i])
	}
	key := string(b)
	if encodeKey(key) != name {
		return "", fmt.Errorf("NATS key %q is not how any key is written", name)
	}
	return key, nil
}

// filters returns NATS keys with wildcards that match every key with the prefix, and as few others as NATS can tell
// apart: it compares whole words between dots, never parts of one.
func filters(prefix string) []string {
	dot := strings.LastIndexByte(prefix, '.')
	for dot > 0 && prefix[dot-1] == '.' {
		dot = strings.LastIndexByte(prefix[:dot], '.')
	}
	if dot <= 0 {
		return []string{">"}
	}
	// The words before this dot end there in every key with the prefix, unless the key ends with the dot.
	under := []string{encodeKey(prefix[:dot]) + ".>"}
	if dot == len(prefix)-1 {
		under = append(under, encodeKey(prefix))
	}
	return under
}
