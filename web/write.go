package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/starlingkv/starling/kv"
)

// written is the answer to a write.
type written struct {
	Key       string  `json:"key"`
	Field     string  `json:"field,omitempty"`
	Version   string  `json:"version,omitempty"`
	Value     *string `json:"value,omitempty"` // of a number that was changed
	Tombstone bool    `json:"tombstone,omitempty"`
}

// awaitWrites waits, on a node that starts, as a write does: what is not here yet may come with the first
// reconciliation. It says so at once, by the status 102: who gives up meanwhile knows what for.
func (h *Handler) awaitWrites(ctx context.Context, waits waiter, key string) error {
	if h.cfg.Node.Ready() {
		return nil
	}
	waits.tell()
	// No version is this one, so it waits and removes nothing.
	if err := h.reads.Remove(ctx, key, kv.IfVersion("none")); err != nil && !errors.Is(err, kv.ErrConflict) {
		return err
	}
	return nil
}

// lookToWrite is look for a writer.
func (h *Handler) lookToWrite(ctx context.Context, waits waiter, key string) (kv.Entry, error) {
	if err := h.awaitWrites(ctx, waits, key); err != nil {
		return kv.Entry{}, err
	}
	return h.look(ctx, key)
}

// waiter is who waits for the answer to a request.
type waiter struct {
	w http.ResponseWriter
	r *http.Request
}

// tell tells it that the node has the request, and cannot answer yet.
func (t waiter) tell() {
	if t.r.ProtoAtLeast(1, 1) { // before, there was but one answer
		t.w.WriteHeader(http.StatusProcessing)
	}
}

// ttlOf reads the time to live of a write, zero if none is asked for.
func ttlOf(query url.Values) (time.Duration, error) {
	text := query.Get("ttl")
	if text == "" {
		return 0, nil
	}
	ttl, err := time.ParseDuration(text)
	if err != nil || ttl <= 0 {
		return 0, newProblem(badRequest, "ttl: a duration like 30s or 1h30m is wanted, not "+strconv.Quote(text))
	}
	return ttl, nil
}

func (h *Handler) put(w http.ResponseWriter, r *http.Request, key string) error {
	query, err := queryOf(r, "ttl")
	if err != nil {
		return err
	}
	ttl, err := ttlOf(query)
	if err != nil {
		return err
	}
	when, err := conditionOf(r)
	if err != nil {
		return err
	}
	v, err := h.value(w, r, key)
	if err != nil {
		return err
	}
	client, err := h.clients.of(v.codec)
	if err != nil {
		return err
	}
	value, err := client.value(v.body)
	if err != nil {
		return err
	}
	opts := []kv.PutOption{kv.TTL(ttl)}
	if v.media != "" && client.Capabilities().Media {
		opts = append(opts, kv.Media(v.media))
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.cfg.WriteWait)
	defer cancel()
	before, err := h.lookToWrite(ctx, waiter{w, r}, key)
	if err != nil {
		return err
	}
	var version string
	err = when.over(func() (string, error) { return h.version(ctx, key) }, func(only *string) (err error) {
		if only != nil {
			opts = append(opts, kv.IfVersion(*only)) // the last one counts
		}
		version, err = client.Put(ctx, key, value, opts...)
		return err
	})
	if err != nil {
		return h.refused(r.Context(), key, err)
	}
	if version == "" { // a Map or a Set of nothing is not there
		return reply(w, http.StatusOK, written{Key: key, Tombstone: true})
	}
	w.Header().Set("ETag", quote(version))
	status := http.StatusOK
	if before.Version == "" {
		status = http.StatusCreated
	}
	return reply(w, status, written{Key: key, Version: version})
}

// version is the present version of a key.
func (h *Handler) version(ctx context.Context, key string) (string, error) {
	e, err := h.look(ctx, key)
	return e.Version, err
}

// body reads a body of at most so many bytes.
func (h *Handler) body(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, newProblem(tooLarge, fmt.Sprintf("%d bytes, at most %d", r.ContentLength, limit))
	}
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(h.cfg.BodyWait)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, err
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var over *http.MaxBytesError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &problem{kind: badRequest, Status: http.StatusRequestTimeout, Detail: "the body took too long"}
	case err != nil && !errors.As(err, &over):
		return nil, newProblem(badRequest, "the body ended early: "+err.Error())
	}
	_ = control.SetReadDeadline(time.Time{}) // as it was: the connection may bring more requests
	return b, err
}

func (h *Handler) delete(w http.ResponseWriter, r *http.Request, key string) error {
	if _, err := queryOf(r); err != nil {
		return err
	}
	when, err := conditionOf(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.cfg.WriteWait)
	defer cancel()
	e, err := h.lookToWrite(ctx, waiter{w, r}, key)
	switch {
	case err != nil:
		return err
	case e.Version == "":
		return newProblem(notFound, "nothing is stored under this key")
	}
	err = when.over(func() (string, error) { return h.version(ctx, key) }, func(only *string) error {
		if only == nil {
			return h.reads.Remove(ctx, key)
		}
		return h.reads.Remove(ctx, key, kv.IfVersion(*only))
	})
	if err != nil {
		return h.refused(r.Context(), key, err)
	}
	return reply(w, http.StatusOK, written{Key: key, Tombstone: true})
}

// refused makes the problem of a write that was not done.
func (h *Handler) refused(ctx context.Context, key string, err error) error {
	p := problemOf(err)
	switch p.kind.slug {
	case "conflict":
		p.kind = preconditionFailed
		p.Detail = ""
		if e, err := h.look(ctx, key); err == nil {
			p.CurrentVersion = e.Version
			if e.Version == "" {
				p.Detail = "the key is absent"
			}
		}
	case "type":
		if e, err := h.look(ctx, key); err == nil {
			p.Codec = e.Codec
			p.Detail = fmt.Sprintf("the key holds a %q; send Starling-Codec: %s, or delete the key first", e.Codec, e.Codec)
		}
	}
	return p
}
