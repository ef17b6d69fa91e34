// Package embed is how whole values that merge stand in JSON, so that people and
// tools can read them.
//
// A Map is an object, a Set an array. What the codec made of a field or an element
// stands in it as it is if that is JSON, else as {"$base64": "..."}. Reading
// gives back the same bytes, whatever they were. What is shown to people has
// {"$text": "..."} in the place of base64 that is text.
package embed

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// wrapped is how bytes are written that are not JSON, or look like this.
type wrapped struct {
	Base64 *string `json:"$base64"`
}

const wrappedMark = `$base64`

// Append appends what a codec made of a field or an element.
func Append(b, body []byte) []byte {
	if json.Valid(body) && len(bytes.TrimSpace(body)) == len(body) && !bytes.Contains(body, []byte(wrappedMark)) {
		return append(b, body...)
	}
	b = append(b, `{"`+wrappedMark+`":"`...)
	b = base64.StdEncoding.AppendEncode(b, body)
	return append(b, `"}`...)
}

// Open is the bytes that Append was given.
func Open(raw json.RawMessage) ([]byte, error) {
	if !bytes.Contains(raw, []byte(wrappedMark)) {
		return raw, nil
	}
	var w wrapped
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&w); err != nil || w.Base64 == nil {
		return raw, nil // a value in which the mark stands somewhere
	}
	body, err := base64.StdEncoding.DecodeString(*w.Base64)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", wrappedMark, err)
	}
	return body, nil
}

// AppendName appends the name of a field as a JSON string.
func AppendName(b []byte, name string) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(name); err != nil {
		return nil, err
	}
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...), nil
}
