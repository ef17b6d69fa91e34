package web

import (
	"net/http"
	"strconv"
)

// Bounds of one page. A page is cut by bytes too, after at least one entry: it is built in memory.
const (
	defaultLimit = 1000
	maxLimit     = 10_000
	pageBytes    = 8 << 20
)

// page is the answer to a list. A next that is not empty is the after of the page that follows.
type page struct {
	Items []entry `json:"items"`
	Next  string  `json:"next"`
}

func (h *Handler) list(w http.ResponseWriter, r *http.Request) error {
	query, err := queryOf(r, "prefix", "after", "limit", "values")
	if err != nil {
		return err
	}
	if err := h.require(r); err != nil {
		return err
	}
	limit, show := defaultLimit, whole
	if text := query.Get("limit"); text != "" {
		limit, err = strconv.Atoi(text)
		if err != nil || limit < 1 || limit > maxLimit {
			return newProblem(badRequest, "limit: a number from 1 to "+strconv.Itoa(maxLimit)+" is wanted")
		}
	}
	switch query.Get("values") {
	case "", "true":
	case "false":
		show = facts
	default:
		return newProblem(badRequest, "values: true or false is wanted")
	}
	p := page{Items: []entry{}}
	size := 0
	for e, err := range h.reads.Entries(r.Context(), query.Get("prefix"), query.Get("after")) {
		if err != nil && e.Key == "" {
			return err
		}
		item := show(e)
		if item.Value != nil || item.ValueBase64 != nil {
			size += e.Size
		}
		if len(p.Items) == limit || len(p.Items) > 0 && size > pageBytes {
			p.Next = p.Items[len(p.Items)-1].Key
			break
		}
		p.Items = append(p.Items, item)
	}
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Starling-Consistency", h.consistency())
	return reply(w, http.StatusOK, p)
}
