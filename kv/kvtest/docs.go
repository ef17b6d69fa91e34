package kvtest

import (
	"errors"
	"fmt"
	"strings"
)

// doc is the value of the suite. It stands behind a pointer, so that a client that hands out what it keeps is found out.
type doc struct{ Text string }

// String makes failures readable.
func (d *doc) String() string {
	if d == nil {
		return "nil"
	}
	return fmt.Sprintf("%q", cut(d.Text))
}

// Texts that a docCodec cannot read, or cannot write.
const (
	undecodable = "undecodable!"
	panicking   = "panics in decode!"
	unencodable = "unencodable!"
	panickingIn = "panics in encode!"
)

var (
	errUndecodable = errors.New("kvtest: this text does not decode")
	errUnencodable = errors.New("kvtest: this text does not encode")
)

// docCodec writes the text of a document as it is.
type docCodec struct{ id string }

var (
	docs  = docCodec{id: "kvtest.doc"}
	memos = docCodec{id: "kvtest.memo"} // another kind with the same bytes
)

// CodecID names the kind.
func (c docCodec) CodecID() string { return c.id }

// Encode fails or panics for the texts made for that.
func (c docCodec) Encode(v any) ([]byte, error) {
	d, ok := v.(*doc)
	if !ok {
		return nil, fmt.Errorf("kvtest: encode %T, want *doc", v)
	}
	switch {
	case strings.HasPrefix(d.Text, unencodable):
		return nil, errUnencodable
	case strings.HasPrefix(d.Text, panickingIn):
		panic("kvtest: codec panics in Encode")
	}
	return []byte(d.Text), nil
}

// Decode fails or panics for the texts made for that.
func (c docCodec) Decode(b []byte) (any, error) {
	switch text := string(b); {
	case strings.HasPrefix(text, undecodable):
		return nil, errUndecodable
	case strings.HasPrefix(text, panicking):
		panic("kvtest: codec panics in Decode")
	default:
		return &doc{Text: text}, nil
	}
}

// rawCodec reads every text of the documents' kind, also what they cannot decode themselves.
type rawCodec struct{}

// CodecID is that of the documents.
func (rawCodec) CodecID() string { return docs.id }

// Encode takes the bytes as they are.
func (rawCodec) Encode(v any) ([]byte, error) {
	b, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("kvtest: encode %T, want []byte", v)
	}
	return b, nil
}

// Decode gives the bytes as they are.
func (rawCodec) Decode(b []byte) (any, error) { return append([]byte{}, b...), nil }
