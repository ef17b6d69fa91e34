package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

// number is a change of a value that is a number, which counts whatever others do at the same time: a PUT would set what its
// writer has seen.
type number struct {
	name  string // of the parameter
	codec string
	n     int64
}

// numberOf reads what a POST asks for: ?add= to a Counter, or ?observe= of a Max.
func numberOf(query url.Values) (c number, err error) {
	switch add, observe := query.Has("add"), query.Has("observe"); {
	case add == observe:
		return c, newProblem(badRequest, "?add= is of a Counter and ?observe= of a Max: one of the two is wanted")
	case add:
		c = number{name: "add", codec: crdt.Counters().ID()}
	default:
		c = number{name: "observe", codec: crdt.Maxima().ID()}
	}
	c.n, err = strconv.ParseInt(query.Get(c.name), 10, 64)
	if err != nil {
		return c, newProblem(badRequest, fmt.Sprintf("%s: a whole number of 64 bits is wanted, not %q", c.name, query.Get(c.name)))
	}
	return c, nil
}

// of is the value with the change, of a new one if in is nil.
func (c number) of(in any) any {
	switch v := in.(type) {
	case *crdt.Counter:
		v.Add(c.n)
	case *crdt.Max:
		v.Observe(c.n)
	default:
		if c.name == "add" {
			return c.of(&crdt.Counter{})
		}
		return c.of(&crdt.Max{})
	}
	return in
}

// post changes a number. It is no PUT, as one that is sent twice counts twice.
func (h *Handler) post(w http.ResponseWriter, r *http.Request, key string) error {
	query, err := queryOf(r, "add", "observe", "ttl")
	if err != nil {
		return err
	}
	change, err := numberOf(query)
	if err != nil {
		return err
	}
	ttl, err := ttlOf(query)
	if err != nil {
		return err
	}
	when, err := conditionOf(r)
	switch {
	case err != nil:
		return err
	case r.ContentLength > 0:
		return newProblem(badRequest, "the number stands in the query; a body is not wanted")
	}
	c, err := h.clients.of(change.codec)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(kv.WithTTL(r.Context(), ttl), h.cfg.WriteWait)
	defer cancel()
	if err := h.awaitWrites(ctx, waiter{w, r}, key); err != nil {
		return err
	}
	status := http.StatusOK
	err = c.CAS(ctx, key, func(in any) (any, bool, error) {
		if status = http.StatusOK; in == nil {
			status = http.StatusCreated
		}
		err := when.within(in != nil, func() (string, error) { return versionAt(ctx, c, key) })
		return change.of(in), false, err
	})
	if err != nil {
		return h.noNumber(r.Context(), key, change, err)
	}
	return h.counted(ctx, w, c, status, key)
}

// noNumber is the problem of a change that was not made.
func (h *Handler) noNumber(ctx context.Context, key string, change number, err error) error {
	p := h.refused(ctx, key, err)
	if of := problemOf(p); errors.Is(err, kv.ErrType) && of.Codec != "" {
		of.Detail = fmt.Sprintf("the key holds a %q; ?%s= is of a %s", of.Codec, change.name, change.codec)
	}
	return p
}

// counted answers with what a number has come to here.
func (h *Handler) counted(ctx context.Context, w http.ResponseWriter, c typed, status int, key string) error {
	e, found, err := c.Entry(ctx, key)
	answer := written{Key: key, Version: e.Version}
	switch {
	case err != nil:
		return err
	case !found: // somebody was faster
		answer.Tombstone = true
	default:
		b, err := kv.EncodeWith(c.codec, e.Value)
		if err != nil {
			return err
		}
		value := string(b)
		answer.Value = &value
		w.Header().Set("ETag", quote(e.Version))
	}
	return reply(w, status, answer)
}
