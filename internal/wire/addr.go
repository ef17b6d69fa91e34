package wire

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/starlingkv/starling/internal/cell"
)

// checkAddr says what is wrong with an address: its key is 1 to MaxKey bytes
// of UTF-8 without control characters, then 00, then at most MaxSub bytes,
// which begin with the class unless the address is that of a Floor.
func checkAddr(addr string) error {
	key, sub, ok := strings.Cut(addr, "\x00")
	switch {
	case !ok || key == "" || len(key) > MaxKey || len(sub) > MaxSub || !isText(key):
		return ErrAddr
	case sub != "" && sub[0] == 0:
		return ErrClass // 00 is the class of Floors, whose Sub is empty
	}
	return nil
}

// isText reports whether b is UTF-8 without control characters.
func isText[B ~string | ~[]byte](b B) bool {
	for i := 0; i < len(b); i++ {
		if b[i] >= utf8.RuneSelf {
			return isWideText(string(b[i:]))
		}
		if b[i] < 0x20 || b[i] == 0x7f {
			return false
		}
	}
	return true
}

// isWideText is isText for what is not ASCII.
func isWideText(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, c := range s {
		if unicode.IsControl(c) {
			return false
		}
	}
	return true
}

// addr reads an address that is not front coded.
func (r *reader) addr() cell.Addr {
	s := string(r.text(MaxAddr, ErrAddr))
	if r.err != nil {
		return ""
	}
	if err := checkAddr(s); err != nil {
		r.fail(err)
		return ""
	}
	return cell.Addr(s)
}
