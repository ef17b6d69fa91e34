package web

import (
	"cmp"
	"context"
	"mime"
	"net/http"
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
	Field       string     `json:"field,omitempty"` // that the value is of, in a watch of one
	Version     string     `json:"version"`
	Origin      string     `json:"origin,omitempty"`
	UpdatedAt   *time.Time `json:"updated_at,omitempty"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
	Size        *int       `json:"size,omitempty"` // not there if only the value would tell it
	Codec       string     `json:"codec,omitempty"`
	MediaType   string     `json:"media_type,omitempty"`
	Value       *string    `json:"value,omitempty"`
	ValueBase64 *[]byte    `json:"value_base64,omitempty"`
}

// shown is the entry with its value, if it came with one.
func shown(e kv.Entry) entry {
	j := entry{Key: e.Key, Version: e.Version, Origin: e.Origin, Codec: e.Codec, MediaType: e.Media}
	j.UpdatedAt, j.ExpiresAt = timeOf(e.Updated), timeOf(e.Expires)
	if e.Value != nil || e.Size > 0 || !merges(e.Codec) {
		j.Size = &e.Size
	}
	if e.Value != nil {
		j.put(bytesOf(e))
	}
	return j
}

// put is the value: as text if it is, else in base64, so that no byte is lost.
func (j *entry) put(value []byte) {
	if utf8.Valid(value) {
		s := string(value)
		j.Value = &s
		return
	}
	j.ValueBase64 = &value
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
	ctx, cancel := context.WithTimeout(ctx, h.cfg.ReadWait)
	defer cancel()
	e, found, err := h.reads.Entry(ctx, key)
	if found || err == nil {
		return e, nil
	}
	return kv.Entry{}, err
}

func (h *Handler) get(w http.ResponseWriter, r *http.Request, key string) error {
	if _, err := queryOf(r); err != nil {
		return err
	}
	e, err := h.look(r.Context(), key)
	if err != nil {
		return err
	}
	if e.Version == "" {
		return newProblem(notFound, "nothing is stored under this key")
	}
	h.describe(w, e)
	if done, err := h.conditional(w, r, e.Version); done || err != nil {
		return err
	}
	if wantsJSON(r) {
		return reply(w, http.StatusOK, shown(e))
	}
	return send(w, cmp.Or(e.Media, ordinary(e.Codec)), bytesOf(e))
}

// describe sets what the headers say of an entry.
func (h *Handler) describe(w http.ResponseWriter, e kv.Entry) {
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
}

// conditional answers a reader who has what is there already, or wants what is not, as RFC 9110 has it.
func (h *Handler) conditional(w http.ResponseWriter, r *http.Request, version string) (done bool, err error) {
	when, err := conditionOf(r)
	switch {
	case err != nil:
		return false, err
	case when.match.asked && !when.match.names(version):
		p := newProblem(preconditionFailed, "")
		p.CurrentVersion = version
		return false, p
	case when.none.names(version):
		w.WriteHeader(http.StatusNotModified)
		return true, nil
	}
	return false, nil
}

// send answers with bytes that somebody stored. A page among them is not a page of this site.
func send(w http.ResponseWriter, media string, body []byte) error {
	header := w.Header()
	header.Set("Content-Type", media)
	header.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // a client that went away gets nothing
	return nil
}

// ordinary is the media type of a value whose writer named none: no more than what its codec promises.
func ordinary(codec string) string {
	if codec == kv.String.CodecID() {
		return "text/plain; charset=utf-8"
	}
	if merges(codec) {
		return "application/json"
	}
	return "application/octet-stream"
}

// merges reports whether values of a codec merge.
func merges(codec string) bool {
	_, is := crdt.RawKind(codec)
	return is
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
