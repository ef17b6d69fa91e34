package wire

import "encoding/binary"

// StreamMagic is the first byte of a starling stream. No stream of memberlist
// begins with it.
const StreamMagic = 0xF7

// StreamHello returns how a stream begins: F7 | label length 1 | label. The
// label must be one that ValidLabel accepts.
func StreamHello(label string) []byte {
	return append([]byte{StreamMagic, byte(len(label))}, label...)
}

// ParseStreamHello takes the greeting at the beginning of b apart and says how
// many bytes it is. ErrShort means that more bytes are needed.
func ParseStreamHello(b []byte) (label string, n int, err error) {
	switch {
	case len(b) > 0 && b[0] != StreamMagic:
		return "", 0, ErrHello
	case len(b) < 2:
		return "", 0, ErrShort
	}
	n = 2 + int(b[1])
	if n > 2+MaxLabel {
		return "", 0, ErrLabel
	}
	if len(b) < n {
		return "", 0, ErrShort
	}
	if label = string(b[2:n]); !ValidLabel(label) {
		return "", 0, ErrLabel
	}
	return label, n, nil
}

// ValidLabel reports whether s can name a cluster: 1 to 64 of [a-z0-9.-].
func ValidLabel(s string) bool {
	if s == "" || len(s) > MaxLabel {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

// prefixLen is the length of what stands before each frame of a stream.
const prefixLen = 4

// AppendStream appends a frame as streams carry it: its length in 4 bytes, then
// the frame, which is marked as one of a stream.
func (c *Codec) AppendStream(dst []byte, f Frame) ([]byte, error) {
	f.Stream = true
	start := len(dst)
	out, err := c.Append(append(dst, 0, 0, 0, 0), f)
	if err != nil {
		return dst, err
	}
	binary.BigEndian.PutUint32(out[start:], uint32(len(out)-start-prefixLen))
	return out, nil
}

// FrameLen returns how long the frame behind a prefix is, or ErrShort or
// ErrTooLarge for a length that no frame has: then nothing must be read.
func FrameLen(prefix [4]byte) (int, error) {
	switch n := binary.BigEndian.Uint32(prefix[:]); {
	case n < minHead+crcLen:
		return 0, ErrShort
	case n > MaxFrame:
		return 0, ErrTooLarge
	default:
		return int(n), nil
	}
}
