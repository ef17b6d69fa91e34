package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/starlingkv/starling/kv"
)

// tags is one of the headers If-Match and If-None-Match: the versions that it names, or all.
type tags struct {
	asked    bool
	all      bool // *
	versions []string
}

// names reports whether the header names the version; "" is that of an absent key.
func (t tags) names(version string) bool {
	return version != "" && (t.all || slices.Contains(t.versions, version))
}

// condition is what a request asks of the present version. The zero condition asks nothing.
type condition struct{ match, none tags }

// holds reports whether a write may happen over the version.
func (c condition) holds(version string) bool {
	return (!c.match.asked || c.match.names(version)) && !c.none.names(version)
}

// exact is the one version over which alone the write may happen, and whether there is one: the store compares itself.
func (c condition) exact() (version string, is bool) {
	switch {
	case c.none.all && !c.match.asked:
		return "", true
	case c.match.asked && !c.match.all && len(c.match.versions) == 1 && !c.none.asked:
		return c.match.versions[0], true
	}
	return "", false
}

// conditionOf reads If-Match and If-None-Match as RFC 9110 has them. If-Match compares strongly: a weak tag is never the
// version.
func conditionOf(r *http.Request) (c condition, err error) {
	c.match, err = tagsOf(r, "If-Match", strong)
	if err == nil {
		c.none, err = tagsOf(r, "If-None-Match", weak)
	}
	return c, err
}

// comparison says what becomes of weak tags.
type comparison int

const (
	strong comparison = iota // they are left out
	weak                     // they are as good as others
)

func tagsOf(r *http.Request, header string, how comparison) (tags, error) {
	lines := r.Header.Values(header)
	if len(lines) == 0 {
		return tags{}, nil
	}
	t := tags{asked: true}
	rest := strings.TrimSpace(strings.Join(lines, ","))
	if rest == "*" {
		t.all = true
		return t, nil
	}
	for rest != "" {
		tag, isWeak := strings.CutPrefix(rest, "W/")
		version, after, ok := unquote(tag)
		if !ok || version == "" {
			return t, newProblem(badRequest, header+`: * or versions in quotes are wanted, as the ETag has them`)
		}
		if !isWeak || how == weak {
			t.versions = append(t.versions, version)
		}
		after = strings.TrimLeft(after, " \t")
		if rest = strings.TrimLeft(strings.TrimPrefix(after, ","), " \t,"); rest != "" && !strings.HasPrefix(after, ",") {
			return t, newProblem(badRequest, header+": between two versions a comma is wanted")
		}
	}
	return t, nil
}

func quote(version string) string { return `"` + version + `"` }

// unquote reads the tag that a text begins with.
func unquote(text string) (tag, after string, ok bool) {
	inner, ok := strings.CutPrefix(text, `"`)
	if !ok {
		return "", "", false
	}
	return strings.Cut(inner, `"`)
}

// conditionTries bounds the tries of a write that the store cannot compare for: each lost a race.
const conditionTries = kv.CASAttempts

// over does a write over the version that is there, if the condition holds for it. The version that the write is told is
// the only one over which it may happen; nil: any.
func (c condition) over(look func() (version string, err error), write func(version *string) error) error {
	if version, is := c.exact(); is {
		return write(&version)
	}
	if !c.match.asked && !c.none.asked {
		return write(nil)
	}
	err := kv.ErrConflict
	for range conditionTries {
		version, failed := look()
		switch {
		case failed != nil:
			return failed
		case !c.holds(version):
			return kv.ErrConflict
		}
		if err = write(&version); !errors.Is(err, kv.ErrConflict) {
			return err
		}
	}
	return err
}

// queryOf reads the query and refuses parameters that are not known, or are there twice: a misspelt ttl must not be a
// value that lives for ever.
func queryOf(r *http.Request, known ...string) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, newProblem(badRequest, "the query is malformed: "+err.Error())
	}
	for name, values := range query {
		switch {
		case !slices.Contains(known, name):
			return nil, newProblem(badRequest, "unknown query parameter "+name)
		case len(values) > 1:
			return nil, newProblem(badRequest, "query parameter "+name+" is there twice")
		}
	}
	return query, nil
}
