package web

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// FuzzConditions reads whatever stands in the two headers: it is refused, or understood so that writing down what was
// understood says the same.
func FuzzConditions(f *testing.F) {
	for _, seed := range []string{`"a"`, `*`, `W/"a", "b"`, `"a" "b"`, `"a,b"`, `,,"a",,`, `"`, `W/`, ``, `"a",`, `*, "a"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := &http.Request{Header: http.Header{"If-None-Match": {text}, "If-Match": {text}}}
		c, err := conditionOf(r)
		if err != nil {
			return
		}
		var again []string
		for _, v := range c.none.versions {
			if strings.Contains(v, `"`) || !c.none.names(v) || c.holds(v) {
				t.Fatalf("%q: the version %q is not understood", text, v)
			}
			again = append(again, quote(v))
		}
		for _, v := range c.match.versions {
			if !slices.Contains(c.none.versions, v) {
				t.Fatalf("%q: %q matches strongly, and not weakly", text, v)
			}
		}
		if c.none.all || len(again) == 0 {
			return
		}
		same, err := tagsOf(&http.Request{Header: http.Header{"If-None-Match": again}}, "If-None-Match", weak)
		if err != nil || !slices.Equal(same.versions, c.none.versions) {
			t.Fatalf("%q is understood as %q, and that as %q, %v", text, c.none.versions, same.versions, err)
		}
	})
}
