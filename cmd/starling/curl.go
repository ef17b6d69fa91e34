package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/starlingkv/starling/kv/httpkv"
)

// shownProblem is what a request that was printed is answered with: an answer of the server that no client tries again.
const shownProblem = `{"type":"shown","title":"shown, not sent","status":400}`

// isShown reports whether err is only that the request was printed.
func isShown(err error) bool {
	var p *httpkv.Problem
	return errors.As(err, &p) && p.Kind == "shown"
}

// curlPrinter prints requests as curl commands instead of sending them.
type curlPrinter struct{ out io.Writer }

// RoundTrip is part of http.RoundTripper.
func (c curlPrinter) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(c.out, curlOf(r, body)+"\n"); err != nil {
		return nil, err
	}
	return &http.Response{
		Status: "400 shown", StatusCode: http.StatusBadRequest, Request: r,
		Header: http.Header{"Content-Type": {"application/problem+json"}},
		Body:   io.NopCloser(strings.NewReader(shownProblem)),
	}, nil
}

// curlOf is the request as a line for a POSIX shell. Redirects are not followed, and the path stays as it is.
func curlOf(r *http.Request, body []byte) string {
	words := []string{"curl -sS --path-as-is"}
	pipe := ""
	if r.Method != http.MethodGet {
		words = append(words, "-X "+r.Method)
	}
	var names []string
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range r.Header[name] {
			words = append(words, "-H "+quoted(name+": "+value))
		}
	}
	switch {
	case r.Method != http.MethodPut:
	case utf8.Valid(body) && bytes.IndexByte(body, 0) < 0:
		words = append(words, "--data-raw "+quoted(string(body)))
	default: // no argument holds these bytes
		pipe = "printf " + quoted(octal(body)) + " | "
		words = append(words, "--data-binary @-")
	}
	return pipe + strings.Join(append(words, quoted(r.URL.String())), " ")
}

// quoted is a text as one word of a shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// octal is bytes as the format of printf.
func octal(b []byte) string {
	var out strings.Builder
	for _, c := range b {
		fmt.Fprintf(&out, `\%03o`, c)
	}
	return out.String()
}
