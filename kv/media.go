package kv

import (
	"fmt"
	"strings"
)

// MaxMedia is the longest media type, in bytes.
const MaxMedia = 255

// Media gives the value of a Put a media type, as text/html or application/json; charset=utf-8. It is kept as it is, until
// a Put says another or none; a CAS keeps it. A store without [MediaTypes], and a type that [CheckMedia] refuses, is
// [ErrUnsupported].
func Media(mediaType string) PutOption { return media(mediaType) }

type media string

func (m media) put(w *Write) { w.Media = string(m) }

// CheckMedia returns an error that wraps [ErrUnsupported] unless m is empty or looks like a media type: at most MaxMedia
// bytes of printable ASCII, a type, a slash and a subtype, then nothing or parameters behind a semicolon, which are not
// looked into.
func CheckMedia(m string) error {
	if m == "" {
		return nil
	}
	if len(m) > MaxMedia {
		return fmt.Errorf("%w: a media type of %d bytes, at most %d", ErrUnsupported, len(m), MaxMedia)
	}
	essence, _, _ := strings.Cut(m, ";")
	major, minor, _ := strings.Cut(strings.TrimRight(essence, " "), "/")
	if !isToken(major) || !isToken(minor) || m[len(m)-1] == ' ' || strings.IndexFunc(m, unprintable) >= 0 {
		return fmt.Errorf("%w: %.60q is no media type; want one like text/plain", ErrUnsupported, m)
	}
	return nil
}

func unprintable(r rune) bool { return r < ' ' || r > '~' }

// isToken reports whether s is a token as HTTP has them.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
