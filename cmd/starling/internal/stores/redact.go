package stores

import (
	"io"
	"regexp"
)

// hidden stands where a secret was.
const hidden = "xxxxx"

// What is secret in the URL of a store: the password behind a user, all that stands before the host of Consul, which is a
// token wherever the colon is, and a token of the query.
var secrets = []struct {
	is *regexp.Regexp
	to string
}{
	{regexp.MustCompile(`(?i)(consul://)[^/?\s]*@`), "${1}" + hidden + "@"},
	{regexp.MustCompile(`(://[^/?:@\s]*:)[^/?\s]*@`), "${1}" + hidden + "@"},
	{regexp.MustCompile(`(?i)([?&](?:token|password)=)[^&\s"]+`), "${1}" + hidden},
}

// Redact returns a text with the secrets of all URLs in it hidden. Whatever shows a URL that somebody gave, or an error
// about one, goes through it.
func Redact(text string) string {
	for _, s := range secrets {
		text = s.is.ReplaceAllString(text, s.to)
	}
	return text
}

// Redacted is a writer for whole lines, as those of a log.
func Redacted(w io.Writer) io.Writer { return redacted{w} }

type redacted struct{ io.Writer }

// Write is part of io.Writer.
func (r redacted) Write(line []byte) (int, error) {
	if _, err := io.WriteString(r.Writer, Redact(string(line))); err != nil {
		return 0, err
	}
	return len(line), nil
}
