package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/starlingkv/starling/kv"
)

// condition is what a write asks of the present entry. The zero condition asks nothing.
type condition struct {
	asked   bool
	version string // "": that the key be absent
}

func (c condition) put() kv.PutOption {
	if !c.asked {
		return kv.TTL(0) // nothing is asked, and nothing expires by itself
	}
	return kv.IfVersion(c.version)
}

func (c condition) remove() []kv.RemoveOption {
	if !c.asked {
		return nil
	}
	return []kv.RemoveOption{kv.IfVersion(c.version)}
}

// conditionOf reads If-Match and If-None-Match as far as a write can keep them: one version, or none at all.
func conditionOf(r *http.Request) (condition, error) {
	match, none := r.Header.Values("If-Match"), r.Header.Values("If-None-Match")
	switch {
	case len(match)+len(none) == 0:
		return condition{}, nil
	case len(match)+len(none) > 1:
		return condition{}, newProblem(badRequest, "one If-Match or one If-None-Match, not more")
	case len(none) == 1:
		if none[0] != "*" || r.Method != http.MethodPut {
			return condition{}, newProblem(badRequest, "If-None-Match: only * is understood, of PUT")
		}
		return condition{asked: true}, nil
	}
	version, ok := unquote(match[0])
	if !ok || version == "" {
		return condition{}, newProblem(badRequest, `If-Match: one version in quotes is wanted, as the ETag has it`)
	}
	return condition{asked: true, version: version}, nil
}

func quote(version string) string { return `"` + version + `"` }

func unquote(tag string) (string, bool) {
	inner, ok := strings.CutPrefix(tag, `"`)
	if !ok {
		return "", false
	}
	inner, ok = strings.CutSuffix(inner, `"`)
	return inner, ok && !strings.Contains(inner, `"`)
}

// matches reports whether one of the entity tags of If-None-Match is the version.
func matches(lines []string, version string) bool {
	for _, line := range lines {
		for tag := range strings.SplitSeq(line, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if tag == "*" || tag == quote(version) {
				return true
			}
		}
	}
	return false
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
