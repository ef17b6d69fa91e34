package consulkv

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/starlingkv/starling/kv"
)

// A key of Consul is the path of a URL, which servers and proxies clean and filter: "a//b" would become another key, and
// what is not printable is refused. So where it must, a key is percent-encoded byte by byte before it becomes a path:
//
//   - every % sign, which begins an encoding;
//   - a slash at the beginning, and one behind another slash;
//   - the elements "." and "..";
//   - every character that is not in plain. Printable is what the tables of the server's Go say, so plain is a list that
//     never changes, of what has been printable for long; it has the letters of most scripts.
//
// Any other key is its own path. Each key has one path, and what is no such path is no key: rows of others that are left
// out. These bytes are for ever.

// plain are the characters beside those of ASCII that stand for themselves.
var plain = &unicode.RangeTable{R16: []unicode.Range16{
	{Lo: 0x00a1, Hi: 0x00ac, Stride: 1}, // Latin 1, without the spaces and the soft hyphen
	{Lo: 0x00ae, Hi: 0x036f, Stride: 1}, // Latin, phonetic, combining marks
	{Lo: 0x0391, Hi: 0x03a1, Stride: 1}, // Greek
	{Lo: 0x03a3, Hi: 0x03ff, Stride: 1},
	{Lo: 0x0400, Hi: 0x0527, Stride: 1}, // Cyrillic
	{Lo: 0x0531, Hi: 0x0556, Stride: 1}, // Armenian
	{Lo: 0x0561, Hi: 0x0586, Stride: 1},
	{Lo: 0x05d0, Hi: 0x05ea, Stride: 1}, // Hebrew
	{Lo: 0x0620, Hi: 0x065f, Stride: 1}, // Arabic
	{Lo: 0x0904, Hi: 0x0939, Stride: 1}, // Devanagari
	{Lo: 0x0e01, Hi: 0x0e3a, Stride: 1}, // Thai
	{Lo: 0x3041, Hi: 0x3096, Stride: 1}, // Hiragana
	{Lo: 0x30a1, Hi: 0x30fe, Stride: 1}, // Katakana
	{Lo: 0x4e00, Hi: 0x9fa5, Stride: 1}, // Han
	{Lo: 0xac00, Hi: 0xd7a3, Stride: 1}, // Hangul
}, LatinOffset: 1}

func isPlain(r rune) bool { return r >= ' ' && r <= '~' || unicode.Is(plain, r) }

// escape returns the path of a key or of the beginning of one.
func escape(key string) string {
	var b strings.Builder
	for i, element := range strings.Split(key, "/") {
		if i > 0 {
			slash(&b)
		}
		if element == "." || element == ".." {
			encode(&b, element)
			continue
		}
		for at, r := range element {
			if text := element[at : at+runeLen(r, element[at:])]; isPlain(r) && r != '%' {
				b.WriteString(text)
			} else {
				encode(&b, text)
			}
		}
	}
	return b.String()
}

// slash writes the slash between two elements.
func slash(b *strings.Builder) {
	if s := b.String(); s == "" || s[len(s)-1] == '/' || strings.HasSuffix(s, "%2F") {
		b.WriteString("%2F")
		return
	}
	b.WriteByte('/')
}

// runeLen is the number of bytes of the first character of s: one if it is no UTF-8, as in the middle of a prefix.
func runeLen(r rune, s string) int {
	if r == unicode.ReplacementChar && !strings.HasPrefix(s, string(r)) {
		return 1
	}
	return len(string(r))
}

func encode(b *strings.Builder, text string) {
	const digits = "0123456789ABCDEF"
	for i := range len(text) {
		b.WriteByte('%')
		b.WriteByte(digits[text[i]>>4])
		b.WriteByte(digits[text[i]&15])
	}
}

// unescape returns the key of a path, and whether it is the path of a key.
func unescape(path string) (key string, ok bool) {
	key = path
	if strings.Contains(path, "%") {
		var b strings.Builder
		for i := 0; i < len(path); i++ {
			if path[i] != '%' {
				b.WriteByte(path[i])
				continue
			}
			if i+2 >= len(path) {
				return "", false
			}
			c, err := strconv.ParseUint(path[i+1:i+3], 16, 8)
			if err != nil {
				return "", false
			}
			b.WriteByte(byte(c))
			i += 2
		}
		key = b.String()
	}
	return key, kv.CheckKey(key) == nil && escape(key) == path
}

// under returns a path that begins the path of every key with the prefix, and of few others: the last element of the
// prefix may be one that goes on to be another.
func under(prefix string) string {
	cut := strings.LastIndexByte(prefix, '/') + 1
	if last := prefix[cut:]; last == "." || last == ".." {
		prefix = prefix[:cut]
	}
	// Nor can the end of a prefix that ends within a character be looked up.
	for len(prefix) > 0 && !endsWhole(prefix) {
		prefix = prefix[:len(prefix)-1]
	}
	return escape(prefix)
}

// endsWhole reports whether the last character of s is whole.
func endsWhole(s string) bool {
	for i := len(s) - 1; i >= max(0, len(s)-4); i-- {
		if s[i]&0xc0 != 0x80 { // where a character begins
			r := []rune(s[i:])
			return len(r) == 1 && (r[0] != unicode.ReplacementChar || s[i:] == string(r[0]))
		}
	}
	return false
}
