package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"

	"github.com/starlingkv/starling/kv"
)

// EnvelopeType is the media type of a PUT whose body is not the value but the envelope that GET answers with where JSON is
// asked for. It is not application/json: a value that is JSON would be taken for an envelope, or an envelope for a value.
const EnvelopeType = "application/vnd.starling+json"

// envelope is what a PUT takes of an entry in JSON. What else an entry has is told by GET, and left out here.
type envelope struct {
	Key         *string         `json:"key"`
	Field       *string         `json:"field"`
	Codec       string          `json:"codec"`
	MediaType   string          `json:"media_type"`
	Value       *string         `json:"value"`
	ValueBase64 *[]byte         `json:"value_base64"`
	Version     json.RawMessage `json:"version"`
	Origin      json.RawMessage `json:"origin"`
	UpdatedAt   json.RawMessage `json:"updated_at"`
	ExpiresAt   json.RawMessage `json:"expires_at"`
	Size        json.RawMessage `json:"size"`
}

// value is what a PUT wants to store.
type value struct {
	codec string // it is written with
	media string // its media type; empty: no more is said of it than by the codec
	body  []byte
}

// value reads what a PUT wants to store.
func (h *Handler) value(w http.ResponseWriter, r *http.Request, key string) (value, error) {
	v := value{codec: cmp.Or(r.Header.Get("Starling-Codec"), kv.Bytes.CodecID()), media: r.Header.Get("Content-Type")}
	limit := int64(h.reads.Capabilities().MaxValue)
	if isEnvelope(r) {
		return h.enveloped(w, r, key, limit)
	}
	var err error
	if v.media, err = mediaOf(v); err != nil {
		return v, err
	}
	v.body, err = h.body(w, r, limit)
	return v, err
}

// isEnvelope reports whether the body of a request is an envelope.
func isEnvelope(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && media == EnvelopeType
}

// formType is what curl calls a body that nobody has named.
const formType = "application/x-www-form-urlencoded"

// mediaOf is the media type to be kept: none if it says no more than the codec, or nothing.
func mediaOf(v value) (string, error) {
	if v.media == formType || v.media == ordinary(v.codec) {
		return "", nil
	}
	if err := kv.CheckMedia(v.media); err != nil {
		return "", newProblem(badRequest, "the media type: "+err.Error())
	}
	return v.media, nil
}

// enveloped reads what a PUT of an envelope wants to store.
func (h *Handler) enveloped(w http.ResponseWriter, r *http.Request, key string, limit int64) (value, error) {
	// Base64 and the usual escapes fit. Text that is mostly escapes belongs into base64.
	text, err := h.body(w, r, 2*limit+maxEnvelope)
	if err != nil {
		return value{}, err
	}
	e, err := parseEnvelope(text, key, r.URL.Query().Get("field"))
	named := r.Header.Get("Starling-Codec")
	switch {
	case err != nil:
		return value{}, newProblem(badRequest, "the envelope: "+err.Error())
	case e.Codec != "" && named != "" && e.Codec != named:
		return value{}, newProblem(badRequest, "the envelope and Starling-Codec name different codecs")
	}
	v := value{codec: cmp.Or(named, e.Codec), media: e.MediaType, body: e.bytes()}
	if v.codec == "" && !r.URL.Query().Has("field") { // that of a field is its key's
		v.codec = kv.Bytes.CodecID()
	}
	if int64(len(v.body)) > limit {
		return v, newProblem(tooLarge, fmt.Sprintf("%d bytes, at most %d", len(v.body), limit))
	}
	v.media, err = mediaOf(v)
	return v, err
}

func (e envelope) bytes() []byte {
	if e.Value != nil {
		return []byte(*e.Value)
	}
	return *e.ValueBase64
}

// maxEnvelope is what an envelope may hold beside its value, in bytes.
const maxEnvelope = 16 << 10

func parseEnvelope(text []byte, key, field string) (envelope, error) {
	var e envelope
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return e, err
	}
	switch {
	case dec.More():
		return e, errors.New("something follows it")
	case (e.Value == nil) == (e.ValueBase64 == nil):
		return e, errors.New("one of value and value_base64 is wanted")
	case e.Key != nil && *e.Key != key:
		return e, fmt.Errorf("it is of the key %q", *e.Key)
	case e.Field != nil && *e.Field != field:
		return e, fmt.Errorf("it is of the field %q", *e.Field)
	}
	return e, nil
}
