package embed

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"
)

// textMark is how text that is no JSON is shown to people.
const textMark = `$text`

// Legible is a whole value for people to read: what stands in base64 in it
// though it is text stands as {"$text": "..."}. What is no object and no array
// is left as it is.
func Legible(whole []byte) []byte { return rewritten(whole, legible) }

// Illegible is what Legible was given.
func Illegible(shown []byte) []byte { return rewritten(shown, illegible) }

func legible(raw json.RawMessage) json.RawMessage {
	var w wrapped
	if !only(raw, wrappedMark, &w) || w.Base64 == nil {
		if bytes.Contains(raw, []byte(textMark)) {
			return wrap(raw) // it would be taken for our own
		}
		return raw
	}
	body, err := base64.StdEncoding.DecodeString(*w.Base64)
	if err != nil || !utf8.Valid(body) || bytes.Contains(body, []byte(wrappedMark)) || bytes.Contains(body, []byte(textMark)) {
		return raw
	}
	b, err := AppendName([]byte(`{"`+textMark+`":`), string(body))
	if err != nil {
		return raw
	}
	return append(b, '}')
}

func illegible(raw json.RawMessage) json.RawMessage {
	var w struct {
		Text *string `json:"$text"`
	}
	if !only(raw, textMark, &w) || w.Text == nil {
		return raw
	}
	return wrap([]byte(*w.Text))
}

// wrap is bytes in base64.
func wrap(body []byte) []byte {
	b := base64.StdEncoding.AppendEncode([]byte(`{"`+wrappedMark+`":"`), body)
	return append(b, `"}`...)
}

// only reads an object that has no other name than the mark.
func only(raw json.RawMessage, mark string, into any) bool {
	if !bytes.Contains(raw, []byte(mark)) {
		return false
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	return dec.Decode(into) == nil
}

// rewritten puts other elements into an object or an array. What does not parse
// is left as it is.
func rewritten(whole []byte, each func(json.RawMessage) json.RawMessage) []byte {
	dec := json.NewDecoder(bytes.NewReader(whole))
	open, err := dec.Token()
	if delim, is := open.(json.Delim); err != nil || !is || !json.Valid(whole) || delim != '{' && delim != '[' {
		return whole
	}
	b := []byte{whole[bytes.IndexAny(whole, "{[")]}
	for dec.More() {
		if len(b) > 1 {
			b = append(b, ',')
		}
		if open == json.Delim('{') {
			name, err := dec.Token()
			if err != nil {
				return whole
			}
			if b, err = AppendName(b, name.(string)); err != nil {
				return whole
			}
			b = append(b, ':')
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return whole
		}
		b = append(b, each(raw)...)
	}
	if open == json.Delim('{') {
		return append(b, '}')
	}
	return append(b, ']')
}
