package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/starlingkv/starling/kv"
)

// format is how data is printed.
type format string

// The formats. The empty one is what suits the verb best.
const (
	asTable format = "table" // for people; it may change
	asJSON  format = "json"  // one document
	asLines format = "jsonl" // one document per line
	asRaw   format = "raw"   // the bytes and nothing else
)

// String is part of pflag.Value.
func (f *format) String() string { return string(*f) }

// Set is part of pflag.Value.
func (f *format) Set(s string) error {
	switch format(s) {
	case asTable, asJSON, asLines, asRaw:
		*f = format(s)
		return nil
	}
	return fmt.Errorf("want table, json, jsonl or raw")
}

// Type is part of pflag.Value.
func (f *format) Type() string { return "format" }

// format is the one asked for, else that of the verb.
func (p *program) format(otherwise format) format {
	if p.global.output != "" {
		return p.global.output
	}
	return otherwise
}

// json prints v as one document: over several lines for json, on one for jsonl.
func (p *program) json(f format, v any) error {
	enc := json.NewEncoder(p.out)
	enc.SetEscapeHTML(false)
	if f == asJSON {
		enc.SetIndent("", "  ")
	}
	return enc.Encode(v)
}

// table prints rows in columns.
func (p *program) table(rows [][]string) error {
	w := tabwriter.NewWriter(p.out, 0, 4, 2, ' ', 0)
	for _, row := range rows {
		if _, err := io.WriteString(w, strings.Join(row, "\t")+"\n"); err != nil {
			return err
		}
	}
	return w.Flush()
}

// record is an entry in JSON: that of the HTTP API.
type record struct {
	ID          string     `json:"id,omitempty"`
	Event       string     `json:"event,omitempty"`
	Key         string     `json:"key,omitempty"`
	Field       string     `json:"field,omitempty"`
	Version     string     `json:"version,omitempty"`
	Origin      string     `json:"origin,omitempty"`
	UpdatedAt   *time.Time `json:"updated_at,omitempty"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
	Size        *int       `json:"size,omitempty"`
	Codec       string     `json:"codec,omitempty"`
	MediaType   string     `json:"media_type,omitempty"`
	Value       *string    `json:"value,omitempty"`
	ValueBase64 *[]byte    `json:"value_base64,omitempty"`
}

// facts is the record of an entry without its value.
func facts(e kv.Entry) record {
	r := record{Key: e.Key, Version: e.Version, Origin: e.Origin, Size: &e.Size, Codec: e.Codec, MediaType: e.Media}
	if !e.Updated.IsZero() {
		r.UpdatedAt = &e.Updated
	}
	if !e.Expires.IsZero() {
		r.ExpiresAt = &e.Expires
	}
	return r
}

// whole is the record of an entry with its value, as text if it is text.
func whole(e kv.Entry) record {
	r, b := facts(e), []byte(rawOf(e))
	if utf8.Valid(b) {
		s := string(b)
		r.Value = &s
	} else {
		r.ValueBase64 = &b
	}
	return r
}

func rawOf(e kv.Entry) kv.Raw {
	raw, _ := e.Value.(kv.Raw)
	return raw
}

// shown is a value on one line of a terminal: what would move the cursor is quoted.
func shown(b []byte) string {
	s := string(b)
	if !utf8.Valid(b) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 }) {
		return fmt.Sprintf("%q", s)
	}
	return s
}

// age is a time as people count it.
func age(t time.Time, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	switch d := max(now.Sub(t), 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	default:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
}
