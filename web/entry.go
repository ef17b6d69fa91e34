package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

// entry is an entry in JSON: in lists, in watches and where Accept asks for it. One of value and value_base64 is there,
// unless values were not asked for.
type entry struct {
	Key         string     `json:"key"`
	Version     string     `json:"version"`
	Origin      string     `json:"origin,omitempty"`
	UpdatedAt   *time.Time `json:"updated_at,omitempty"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
	Size        int        `json:"size"`
	Codec       string     `json:"codec,omitempty"`
	MediaType   string     `json:"media_type,omitempty"`
	Value       *string    `json:"value,omitempty"`
	ValueBase64 *[]byte    `json:"value_base64,omitempty"`
}

// facts is the entry without its value.
func facts(e kv.Entry) entry {
	j := entry{Key: e.Key, Version: e.Version, Origin: e.Origin, Size: e.Size, Codec: e.Codec, MediaType: e.Media}
	j.UpdatedAt, j.ExpiresAt = timeOf(e.Updated), timeOf(e.Expires)
	return j
}

// whole is the entry with its value: as text if it is, else in base64, so that no byte is lost.
func whole(e kv.Entry) entry {
	j, b := facts(e), bytesOf(e)
	if utf8.Valid(b) {
		s := string(b)
		j.Value = &s
	} else {
		j.ValueBase64 = &b
	}
	return j
}

func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// look returns the present entry; its Version is empty if there is none. That its codec is not ours does not matter here.
func (h *Handler) look(ctx context.Context, key string) (kv.Entry, error) {
	e, found, err := h.reads.Entry(ctx, key)
	if found || err == nil {
		return e, nil
	}
	return kv.Entry{}, err
}

// lookToWrite is look for a writer: on a node that starts it waits as a write does, since what is not here yet may come with
// the first reconciliation. It says so at once, by the status 102: who gives up meanwhile knows what for.
func (h *Handler) lookToWrite(ctx context.Context, waits waiter, key string) (kv.Entry, error) {
	if !h.cfg.Node.Ready() {
		waits.tell()
		// No version is this one, so it waits and removes nothing.
		if err := h.reads.Remove(ctx, key, kv.IfVersion("none")); err != nil && !errors.Is(err, kv.ErrConflict) {
			return kv.Entry{}, err
		}
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

func (h *Handler) get(w http.ResponseWriter, r *http.Request, key string) error {
	e, err := h.look(r.Context(), key)
	if err != nil {
		return err
	}
	if e.Version == "" {
		return newProblem(notFound, "nothing is stored under this key")
	}
	header := w.Header()
	header.Set("ETag", quote(e.Version))
	header.Set("Cache-Control", "no-cache")
	header.Set("Vary", "Accept")
	header.Set("Starling-Codec", e.Codec)
	if e.Origin != "" {
		header.Set("Starling-Origin", e.Origin)
	}
	if !e.Updated.IsZero() {
		header.Set("Last-Modified", e.Updated.UTC().Format(http.TimeFormat))
		header.Set("Starling-Updated", e.Updated.UTC().Format(time.RFC3339Nano))
	}
	if !e.Expires.IsZero() {
		header.Set("Starling-Expires", e.Expires.UTC().Format(time.RFC3339Nano))
	}
	if matches(r.Header.Values("If-None-Match"), e.Version) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if wantsJSON(r) {
		return reply(w, http.StatusOK, whole(e))
	}
	body := bytesOf(e)
	header.Set("Content-Type", cmp.Or(e.Media, ordinary(e.Codec)))
	header.Set("Content-Security-Policy", "sandbox; default-src 'none'") // a page that somebody stored is not a page of this site
	header.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // a client that went away gets nothing
	return nil
}

// ordinary is the media type of a value whose writer named none: no more than what its codec promises.
func ordinary(codec string) string {
	if codec == kv.String.CodecID() {
		return "text/plain; charset=utf-8"
	}
	if _, merges := crdt.RawKind(codec); merges {
		return "application/json"
	}
	return "application/octet-stream"
}

// wantsJSON reports whether the client asked for the envelope by name.
func wantsJSON(r *http.Request) bool {
	return accepts(r, "application/json") || accepts(r, EnvelopeType)
}

// accepts reports whether the client names a media type.
func accepts(r *http.Request, media string) bool {
	for _, line := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			if t, _, err := mime.ParseMediaType(part); err == nil && t == media {
				return true
			}
		}
	}
	return false
}

// written is the answer to a write.
type written struct {
	Key       string `json:"key"`
	Version   string `json:"version,omitempty"`
	Tombstone bool   `json:"tombstone,omitempty"`
}

func (h *Handler) put(w http.ResponseWriter, r *http.Request, key string) error {
	query, err := queryOf(r, "ttl")
	if err != nil {
		return err
	}
	when, err := conditionOf(r)
	if err != nil {
		return err
	}
	opts := []kv.PutOption{when.put()}
	if text := query.Get("ttl"); text != "" {
		ttl, err := time.ParseDuration(text)
		if err != nil || ttl <= 0 {
			return newProblem(badRequest, "ttl: a duration like 30s or 1h30m is wanted, not "+strconv.Quote(text))
		}
		opts = append(opts, kv.TTL(ttl))
	}
	v, err := h.value(w, r, key)
	if err != nil {
		return err
	}
	client, err := h.clients.of(v.codec)
	if err != nil {
		return err
	}
	if v.media != "" && client.Capabilities().Media {
		opts = append(opts, kv.Media(v.media))
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.cfg.WriteWait)
	defer cancel()
	before, err := h.lookToWrite(ctx, waiter{w, r}, key)
	if err != nil {
		return err
	}
	value, err := client.value(v.body)
	if err != nil {
		return err
	}
	version, err := client.Put(ctx, key, value, opts...)
	if err != nil {
		return h.refused(r.Context(), key, err)
	}
	w.Header().Set("ETag", quote(version))
	status := http.StatusOK
	if before.Version == "" {
		status = http.StatusCreated
	}
	return reply(w, status, written{Key: key, Version: version})
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
	if err := h.reads.Remove(ctx, key, when.remove()...); err != nil {
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
