package cell

import "encoding/binary"

// tagMedia is the tag of an extension that holds the media type of the body.
const tagMedia = 0x02

// ExtOfMedia is the extension of a cell whose body has a media type; nil if it
// is empty.
func ExtOfMedia(media string) []byte {
	if media == "" {
		return nil
	}
	b := binary.AppendUvarint([]byte{0, tagMedia}, uint64(len(media)))
	return append(b, media...)
}

// Media is the media type of the body as its writer named it, which may be
// anything; empty if he named none.
func (c *Cell) Media() string {
	b := c.ExtBytes()
	if len(b) == 0 {
		return ""
	}
	for b = b[1:]; len(b) > 1; {
		n, size := binary.Uvarint(b[1:])
		if size <= 0 || n > uint64(len(b)-1-size) {
			return ""
		}
		tag, value := b[0], b[1+size:1+size+int(n)]
		if tag == tagMedia {
			return string(value)
		}
		b = b[1+size+int(n):]
	}
	return ""
}
