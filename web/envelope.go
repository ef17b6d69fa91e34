package web

import (
	"bytes"
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
	Codec       string          `json:"codec"`
	Value       *string         `json:"value"`
	ValueBase64 *[]byte         `json:"value_base64"`
	Version     json.RawMessage `json:"version"`
	Origin      json.RawMessage `json:"origin"`
	UpdatedAt   json.RawMessage `json:"updated_at"`
	ExpiresAt   json.RawMessage `json:"expires_at"`
	Size        json.RawMessage `json:"size"`
}

// value reads what a PUT wants to store, and the codec it is written with.
func (h *Handler) value(w http.ResponseWriter, r *http.Request, key string) (codec string, body []byte, err error) {
	codec = r.Header.Get("Starling-Codec")
	if codec == "" {
		codec = kv.Bytes.CodecID()
	}
	limit := int64(h.reads.Capabilities().MaxValue)
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != EnvelopeType {
		body, err = h.body(w, r, limit)
		return codec, body, err
	}
	// Base64 and the usual escapes fit. Text that is mostly escapes belongs into base64.
	text, err := h.body(w, r, 2*limit+maxEnvelope)
	if err != nil {
		return "", nil, err
	}
	e, err := parseEnvelope(text, key)
	switch {
	case err != nil:
		return "", nil, newProblem(badRequest, "the envelope: "+err.Error())
	case e.Codec != "" && r.Header.Get("Starling-Codec") == "":
		codec = e.Codec
	case e.Codec != "" && e.Codec != codec:
		return "", nil, newProblem(badRequest, "the envelope and Starling-Codec name different codecs")
	}
	if body = e.bytes(); int64(len(body)) > limit {
		return "", nil, newProblem(tooLarge, fmt.Sprintf("%d bytes, at most %d", len(body), limit))
	}
	return codec, body, nil
}

func (e envelope) bytes() []byte {
	if e.Value != nil {
		return []byte(*e.Value)
	}
	return *e.ValueBase64
}

// maxEnvelope is what an envelope may hold beside its value, in bytes.
const maxEnvelope = 16 << 10

func parseEnvelope(text []byte, key string) (envelope, error) {
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
	}
	return e, nil
}
