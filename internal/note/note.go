// Package note is what a store that knows only bytes keeps beside a value: its codec, its times and its writer.
//
// The value itself is stored as it is, so that whoever else uses the store reads it raw. The note goes where the store has
// room for one: a second key, a header. It is a line of JSON, for the eyes of whoever looks there with the store's own
// tools. Its fields are for ever; a later version may add some, which older readers leave alone.
package note

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Version is the version that is written. Readers take this and every later one.
const Version = 1

// MaxSize bounds the bytes of a note. One that is longer is not written, and not read.
const MaxSize = 4 << 10

// Note is what is known of one value.
type Note struct {
	Codec   string    `json:"codec,omitempty"`
	Updated time.Time `json:"updated,omitzero"` // by the clock of the writer
	Expires time.Time `json:"expires,omitzero"` // zero: it does not
	Origin  string    `json:"origin,omitempty"` // who wrote it
	Media   string    `json:"media,omitempty"`  // the media type of the bytes
	Write   string    `json:"write,omitempty"`  // marks the one write, so that its writer knows it again
}

// versioned is a note as it stands in the store.
type versioned struct {
	V int `json:"v"`
	Note
}

// Append appends the note to b.
func (n Note) Append(b []byte) ([]byte, error) {
	line, err := json.Marshal(versioned{V: Version, Note: n})
	switch {
	case err != nil:
		return b, fmt.Errorf("note: %w", err) // a year of five digits
	case len(line) > MaxSize:
		return b, fmt.Errorf("note: %d bytes, at most %d: shorten the names of codec and origin", len(line), MaxSize)
	}
	return append(b, line...), nil
}

// Parse reads a note.
func Parse(b []byte) (Note, error) {
	if len(b) > MaxSize {
		return Note{}, fmt.Errorf("note: %d bytes, at most %d", len(b), MaxSize)
	}
	var v versioned
	if err := json.Unmarshal(b, &v); err != nil {
		return Note{}, fmt.Errorf("note: %w", err)
	}
	if v.V < Version {
		return Note{}, errors.New("note: it has no version")
	}
	return v.Note, nil
}
