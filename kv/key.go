package kv

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// CheckKey returns nil for a key and an error that wraps [ErrBadKey] for anything else. A key is 1 to [MaxKey] bytes of
// UTF-8 without control characters (Unicode Cc). Nothing else is asked: "/registry/x", "a//b" and "a/../b" are keys.
func CheckKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: empty", ErrBadKey)
	case len(key) > MaxKey:
		return fmt.Errorf("%w: %d bytes, at most %d", ErrBadKey, len(key), MaxKey)
	case !utf8.ValidString(key):
		return fmt.Errorf("%w: not UTF-8", ErrBadKey)
	}
	for i, r := range key {
		if unicode.IsControl(r) {
			return fmt.Errorf("%w: control character %U at byte %d", ErrBadKey, r, i)
		}
	}
	return nil
}
