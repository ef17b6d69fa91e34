package wire

import (
	"encoding/binary"

	"github.com/starlingkv/starling/internal/cell"
)

// Meta is what a member tells of itself through membership.
type Meta struct {
	Origin   cell.Origin
	Min, Max byte   // protocol versions that it speaks
	Caps     uint16 // reserved; 0 in version 1
	Port     uint16 // of the data streams
}

const (
	metaVersion = 1    // of the leading header, which dskit's nodes read
	roleMember  = 1    // in that header
	metaTag     = 0x5A // of starling's own record
	metaLen     = 1 + 1 + 2 + 8 + 2
)

// AppendMeta appends a member's metadata: first the header by which readers of
// dskit's format find a member without a zone and stop, then records of tag 1,
// length 1, bytes:
//
//	01 | role 01 | zone length 00 | 5A | length 0E | min | max | caps 2 | origin 8 | port 2
//
// A later version may lengthen the record and add others.
func AppendMeta(dst []byte, m Meta) []byte {
	dst = append(dst, metaVersion, roleMember, 0, metaTag, metaLen, m.Min, m.Max)
	dst = binary.BigEndian.AppendUint16(dst, m.Caps)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.Origin))
	return binary.BigEndian.AppendUint16(dst, m.Port)
}

// ParseMeta finds starling's record in a member's metadata. A zone and other
// records before it are skipped, as is everything behind what version 1 knows.
// The error is ErrMeta: the member is not one of ours. It allocates nothing.
func ParseMeta(b []byte) (Meta, error) {
	if len(b) < 3 || b[0] != metaVersion || int(b[2]) > MaxZone || len(b) < 3+int(b[2]) {
		return Meta{}, ErrMeta
	}
	for b = b[3+int(b[2]):]; len(b) >= 2; {
		tag, n := b[0], int(b[1])
		if len(b) < 2+n {
			break
		}
		if tag == metaTag {
			return parseRecord(b[2 : 2+n])
		}
		b = b[2+n:]
	}
	return Meta{}, ErrMeta
}

func parseRecord(b []byte) (Meta, error) {
	if len(b) < metaLen {
		return Meta{}, ErrMeta
	}
	m := Meta{
		Min:    b[0],
		Max:    b[1],
		Caps:   binary.BigEndian.Uint16(b[2:]),
		Origin: cell.Origin(binary.BigEndian.Uint64(b[4:])),
		Port:   binary.BigEndian.Uint16(b[12:]),
	}
	if m.Origin == 0 || m.Min == 0 || m.Min > m.Max {
		return Meta{}, ErrMeta
	}
	return m, nil
}
