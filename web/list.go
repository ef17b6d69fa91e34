package web

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/starlingkv/starling/kv"
)

// Bounds of one page. A page is cut by bytes too, after at least one entry: it is built in memory.
const (
	defaultLimit = 1000
	maxLimit     = 10_000
	pageBytes    = 8 << 20
)

// page is the answer to a list. A next that is not empty is the after of the page that follows.
type page struct {
	Items    []entry  `json:"items"`
	Prefixes []string `json:"prefixes,omitempty"` // with a delimiter: what keys share up to it, instead of these keys
	Next     string   `json:"next"`
}

// count is how much of the limit is used.
func (p *page) count() int { return len(p.Items) + len(p.Prefixes) }

// selection is what a list asks for.
type selection struct {
	prefix, after, delimiter string
	limit                    int
	read                     []kv.EntriesOption
}

func (h *Handler) list(w http.ResponseWriter, r *http.Request) error {
	sel, err := selectionOf(r)
	if err != nil {
		return err
	}
	if err := h.require(r); err != nil {
		return err
	}
	p, err := h.page(r.Context(), sel)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Starling-Consistency", h.consistency())
	return reply(w, http.StatusOK, p)
}

func selectionOf(r *http.Request) (selection, error) {
	query, err := queryOf(r, "prefix", "after", "limit", "values", "delimiter")
	if err != nil {
		return selection{}, err
	}
	s := selection{
		prefix: query.Get("prefix"), after: query.Get("after"), delimiter: query.Get("delimiter"),
		limit: defaultLimit,
	}
	if text := query.Get("limit"); text != "" {
		s.limit, err = strconv.Atoi(text)
		if err != nil || s.limit < 1 || s.limit > maxLimit {
			return s, newProblem(badRequest, "limit: a number from 1 to "+strconv.Itoa(maxLimit)+" is wanted")
		}
	}
	values, err := valuesOf(query)
	if values == unwanted {
		s.read = append(s.read, kv.NoValues())
	}
	return s, err
}

// wanted says whether values are to be told.
type wanted int

const (
	all wanted = iota
	unwanted
)

func valuesOf(query url.Values) (wanted, error) {
	switch query.Get("values") {
	case "", "true":
		return all, nil
	case "false":
		return unwanted, nil
	}
	return all, newProblem(badRequest, "values: true or false is wanted")
}

// page collects one page. What is below a common prefix is passed over in one step, however much it is.
func (h *Handler) page(ctx context.Context, sel selection) (page, error) {
	p := page{Items: []entry{}}
	size, last := 0, ""
	for after := beyond(sel, sel.after); ; {
		common := ""
		for e, err := range h.reads.Entries(ctx, sel.prefix, after, sel.read...) {
			if err != nil && e.Key == "" {
				return p, err
			}
			item := shown(e)
			common = sel.common(e.Key)
			if common == "" && (item.Value != nil || item.ValueBase64 != nil) {
				size += e.Size
			}
			if p.count() == sel.limit || p.count() > 0 && size > pageBytes {
				p.Next = last
				return p, nil
			}
			if common != "" {
				break
			}
			p.Items = append(p.Items, item)
			last = e.Key
		}
		if common == "" {
			return p, nil
		}
		p.Prefixes = append(p.Prefixes, common)
		last, after = common, beyond(sel, common)
	}
}

// common is the key up to the first delimiter behind the prefix; empty if there is none.
func (s selection) common(key string) string {
	if s.delimiter == "" || !strings.HasPrefix(key, s.prefix) {
		return ""
	}
	before, _, found := strings.Cut(key[len(s.prefix):], s.delimiter)
	if !found {
		return ""
	}
	return s.prefix + before + s.delimiter
}

// beyond is the after that follows a key, or all keys with its common prefix: no key has the byte 0xff in it.
func beyond(s selection, after string) string {
	if common := s.common(after); common != "" {
		return common + "\xff"
	}
	return after
}
