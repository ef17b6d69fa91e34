package wire

import "errors"

// Error is why bytes were refused, or why a value has no bytes. Every refusal
// is one of the variables below, perhaps wrapped with where it happened.
type Error struct {
	reason, text string
	parent       error
}

// Error implements error.
func (e *Error) Error() string { return "wire: " + e.text }

// Unwrap returns ErrBody for the errors inside the body of a frame.
func (e *Error) Unwrap() error { return e.parent }

// Reason returns the short and lasting name by which refusals are counted,
// "other" for an error that is not of this package.
func Reason(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.reason
	}
	return "other"
}

// Errors of the frame around the body.
var (
	ErrShort    = &Error{reason: "short", text: "frame is shorter than a header and a checksum"}
	ErrTooLarge = &Error{reason: "too_large", text: "frame is larger than the limit"}
	ErrMagic    = &Error{reason: "magic", text: "not a starling frame"}
	ErrVersion  = &Error{reason: "version", text: "frame of another protocol version"}
	ErrCRC      = &Error{reason: "crc", text: "checksum does not match"}
	ErrFlags    = &Error{reason: "flags", text: "a reserved flag is set"}
	ErrOrigin   = &Error{reason: "origin", text: "an origin is zero or not in the table"}
	ErrNoMsg    = &Error{reason: "no_msg", text: "no message, or one that has no bytes"}
)

// ErrBody is every error inside the body of a frame, whose header and checksum
// were good: a peer that is wrong rather than a network that is.
var ErrBody = &Error{reason: "body", text: "malformed body"}

// Errors inside the body. All of them are ErrBody as well.
var (
	ErrEnds     = bodyError("ends", "body ends in the middle")
	ErrTrailing = bodyError("trailing", "bytes are left behind the body")
	ErrVarint   = bodyError("varint", "varint is over 64 bit or not the shortest form")
	ErrCount    = bodyError("count", "a count is over the bytes left or over its limit")
	ErrAddr     = bodyError("addr", "not an address")
	ErrClass    = bodyError("class", "class and address disagree")
	ErrVer      = bodyError("ver", "version with a zero time, origin or counter")
	ErrField    = bodyError("field", "optional field that is present holds its default")
	ErrRuns     = bodyError("runs", "dot runs are empty, too many or overflow")
	ErrCodec    = bodyError("codec", "codec id is not text or not in the table")
	ErrExt      = bodyError("ext", "extension is not a flag byte and whole tags")
	ErrValue    = bodyError("value", "a length is over the limit of values")
	ErrBounds   = bodyError("bounds", "ranges do not ascend from the lowest key to the end")
	ErrMode     = bodyError("mode", "unknown mode or phase")
	ErrText     = bodyError("text", "text is too long or not UTF-8")
)

// Errors of the greetings outside frames.
var (
	ErrHello = &Error{reason: "stream_hello", text: "not the greeting of a starling stream"}
	ErrLabel = &Error{reason: "label", text: "cluster label is not 1 to 64 of [a-z0-9.-]"}
	ErrMeta  = &Error{reason: "meta", text: "member metadata is not starling's"}
)

func bodyError(reason, text string) *Error {
	return &Error{reason: reason, text: text, parent: ErrBody}
}
