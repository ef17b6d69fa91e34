package web

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/embed"
	"github.com/starlingkv/starling/kv"
)

// fields is a value of which one part has a name: the fields of a Map, the elements of a Set.
type fields interface {
	get(name string) (body []byte, ok bool)
	set(name string, body []byte) error
	drop(name string)
	value() any // to be stored
}

// fieldsOf are the fields of a value of a codec, of an empty one if it is nil.
func fieldsOf(codec kv.Codec, v any) (fields, error) {
	if v == nil {
		v = map[bool]any{true: &crdt.Map[crdt.Parts]{}, false: &crdt.Set[string]{}}[strings.HasPrefix(codec.CodecID(), "map.")]
	}
	switch v := v.(type) {
	case *crdt.Map[crdt.Parts]:
		return mapFields{v, codec}, nil
	case *crdt.Set[string]:
		return setFields{v}, nil
	}
	return nil, noFields(codec.CodecID())
}

// hasFields reports whether values of a codec may have fields.
func hasFields(codec string) bool {
	_, merges := crdt.RawKind(codec)
	return merges && (strings.HasPrefix(codec, "map.") || strings.HasPrefix(codec, "set."))
}

func noFields(codec string) *problem {
	detail := fmt.Sprintf("the key holds a %q, which has no fields; a Map and a Set have", codec)
	for of, change := range map[string]string{crdt.Counters().ID(): "add", crdt.Maxima().ID(): "observe"} {
		if codec == of {
			detail += "; a number is changed by POST and ?" + change + "="
		}
	}
	p := newProblem(problemOf(kv.ErrType).kind, detail)
	p.Codec = codec
	return p
}

type mapFields struct {
	m     *crdt.Map[crdt.Parts]
	codec kv.Codec // of the Map
}

func (f mapFields) get(name string) ([]byte, bool) {
	parts, ok := f.m.Get(name)
	return parts.JSON(), ok
}

// set reads the body as it would stand in the whole Map.
func (f mapFields) set(name string, body []byte) error {
	if err := kv.CheckKey(name); err != nil {
		return err
	}
	whole, err := embed.AppendName([]byte{'{'}, name)
	if err != nil {
		return err
	}
	v, err := kv.DecodeWith(f.codec, append(embed.Append(append(whole, ':'), body), '}'))
	if err != nil {
		return newProblem(badRequest, fmt.Sprintf("this is no field of %s: %v", f.codec.CodecID(), err))
	}
	m, is := v.(*crdt.Map[crdt.Parts])
	if !is {
		return noFields(f.codec.CodecID())
	}
	parts, _ := m.Get(name)
	if old, _ := f.m.Get(name); len(old) > 1 && len(parts) == 1 {
		return newProblem(problemOf(kv.ErrType).kind,
			`this field has parts, which only its codec can make of a value: it takes {"$parts":[...]}, as it is shown`)
	}
	f.m.Set(name, parts)
	return nil
}

func (f mapFields) drop(name string) { f.m.Delete(name) }
func (f mapFields) value() any       { return f.m }

// setFields are elements. The body of one is the element itself, or nothing.
type setFields struct{ s *crdt.Set[string] }

func (f setFields) get(name string) ([]byte, bool) { return []byte(name), f.s.Has(name) }

func (f setFields) set(name string, body []byte) error {
	if len(body) > 0 && string(body) != name {
		return newProblem(badRequest, "an element of a Set has no value: the body is empty, or the element")
	}
	f.s.Add(name)
	return nil
}

func (f setFields) drop(name string) { f.s.Remove(name) }
func (f setFields) value() any       { return f.s }

// holder finds the client for what a key holds, or shall hold: otherwise is its codec if there is nothing.
func (h *Handler) holder(ctx context.Context, key, otherwise string) (typed, error) {
	some, err := h.clients.of(defaultFields)
	if err != nil {
		return some, err
	}
	e, found, err := some.Entry(ctx, key)
	if !found && err != nil {
		return some, err
	}
	codec := cmp.Or(e.Codec, otherwise, defaultFields)
	switch {
	case !hasFields(codec):
		return some, noFields(codec)
	case otherwise != "" && otherwise != codec:
		p := newProblem(problemOf(kv.ErrType).kind, fmt.Sprintf("the key holds a %q, not a %q", codec, otherwise))
		p.Codec = codec
		return some, p
	}
	return h.clients.of(codec)
}

// defaultFields is the codec of a Map that begins with a field of no particular one.
const defaultFields = "map.bytes"

// noField is the end of a read, or a delete, of a field that is not there.
func noField() *problem { return newProblem(notFound, "nothing is stored under this field") }

func (h *Handler) getField(w http.ResponseWriter, r *http.Request, key string) error {
	query, err := queryOf(r, "field")
	if err != nil {
		return err
	}
	e, body, err := h.field(r.Context(), key, query.Get("field"))
	if err != nil {
		return err
	}
	h.describe(w, e)
	if done, err := h.conditional(w, r, e.Version); done || err != nil {
		return err
	}
	if accepts(r, EnvelopeType) { // application/json is asked for by many who mean the value
		e.Value = kv.Raw(body)
		return reply(w, http.StatusOK, shownField(e, query.Get("field")))
	}
	media := ordinary(strings.TrimPrefix(strings.TrimPrefix(e.Codec, "map."), "set."))
	if bytes.HasPrefix(body, []byte(`{"$parts":`)) {
		media = "application/json"
	}
	return send(w, media, body)
}

// field reads one field, and the entry of its key as it was then.
func (h *Handler) field(ctx context.Context, key, name string) (e kv.Entry, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.ReadWait)
	defer cancel()
	c, err := h.holder(ctx, key, "")
	if err != nil {
		return e, nil, err
	}
	e, found, err := c.Entry(ctx, key)
	switch {
	case err != nil:
		return e, nil, err
	case !found:
		return e, nil, newProblem(notFound, "nothing is stored under this key")
	}
	f, err := fieldsOf(c.codec, e.Value)
	if err != nil {
		return e, nil, err
	}
	body, ok := f.get(name)
	if !ok {
		return e, nil, noField()
	}
	return e, body, nil
}

func (h *Handler) putField(w http.ResponseWriter, r *http.Request, key string) error {
	query, err := queryOf(r, "field", "ttl")
	if err != nil {
		return err
	}
	ttl, err := ttlOf(query)
	if err != nil {
		return err
	}
	v, err := h.fieldValue(w, r, key)
	if err != nil {
		return err
	}
	status := http.StatusOK
	return h.changeField(w, r, fieldChange{
		key: key, field: query.Get("field"), ttl: ttl, codec: v.codec, status: &status,
		apply: func(f fields, name string) error {
			if _, there := f.get(name); !there {
				status = http.StatusCreated
			}
			return f.set(name, v.body)
		},
	})
}

// fieldValue reads what a PUT wants to store in a field, which has no media type.
func (h *Handler) fieldValue(w http.ResponseWriter, r *http.Request, key string) (v value, err error) {
	limit := int64(h.reads.Capabilities().MaxValue)
	if isEnvelope(r) {
		return h.enveloped(w, r, key, limit)
	}
	v.codec = r.Header.Get("Starling-Codec")
	v.body, err = h.body(w, r, limit)
	return v, err
}

func (h *Handler) deleteField(w http.ResponseWriter, r *http.Request, key string) error {
	query, err := queryOf(r, "field")
	if err != nil {
		return err
	}
	status := http.StatusOK
	return h.changeField(w, r, fieldChange{
		key: key, field: query.Get("field"), status: &status,
		apply: func(f fields, name string) error {
			if _, there := f.get(name); !there {
				return noField()
			}
			f.drop(name)
			return nil
		},
	})
}

// fieldChange is a write of one field.
type fieldChange struct {
	key, field string
	codec      string // of the key, if it is to be this one
	ttl        time.Duration
	status     *int // of the answer, once it was applied
	apply      func(f fields, name string) error
}

// changeField applies a change, as a CAS: writes of other fields that come meanwhile stay. A version in If-Match is that of
// the key, and If-None-Match: * asks that the field be absent.
func (h *Handler) changeField(w http.ResponseWriter, r *http.Request, change fieldChange) error {
	when, err := conditionOf(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(kv.WithTTL(r.Context(), change.ttl), h.cfg.WriteWait)
	defer cancel()
	if err := h.awaitWrites(ctx, waiter{w, r}, change.key); err != nil {
		return err
	}
	c, err := h.holder(ctx, change.key, change.codec)
	if err != nil {
		return err
	}
	err = c.CAS(ctx, change.key, func(in any) (any, bool, error) {
		f, err := fieldsOf(c.codec, in)
		if err == nil {
			_, there := f.get(change.field)
			err = when.within(there, func() (string, error) { return versionAt(ctx, c, change.key) })
		}
		if err == nil {
			err = change.apply(f, change.field)
		}
		if err != nil {
			return nil, false, err
		}
		return f.value(), false, nil
	})
	if p := (*problem)(nil); err != nil && !errors.As(err, &p) {
		err = h.refused(r.Context(), change.key, err)
	}
	if err != nil {
		return err
	}
	answer := written{Key: change.key, Field: change.field}
	if answer.Version, err = versionAt(ctx, c, change.key); err != nil {
		return err
	}
	if answer.Version == "" {
		answer.Tombstone = true
	} else {
		w.Header().Set("ETag", quote(answer.Version))
	}
	return reply(w, *change.status, answer)
}

// within reports kv.ErrConflict if the condition does not hold for what a CAS is about to write, which is there or not.
func (c condition) within(there bool, version func() (string, error)) error {
	if c.none.all && there {
		return kv.ErrConflict
	}
	if !c.match.asked && len(c.none.versions) == 0 {
		return nil
	}
	now, err := version()
	switch {
	case err != nil:
		return err
	case c.match.asked && !c.match.names(now), !c.none.all && c.none.names(now):
		return kv.ErrConflict
	}
	return nil
}

// versionAt is the present version of a key, as a client of its kind knows it.
func versionAt(ctx context.Context, c typed, key string) (string, error) {
	e, _, err := c.Entry(ctx, key)
	if errors.Is(err, kv.ErrDecode) {
		err = nil // a field of it
	}
	return e.Version, err
}
