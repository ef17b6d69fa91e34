package wire

// leavingTag is the record of metadata by which a member says that it is about
// to leave: 5B | length 00, behind starling's own record. Readers that do not
// know it skip it; memberlist itself does not tell its delegates whether a
// member left or died.
const leavingTag = 0x5B

// AppendLeaving appends to a member's metadata that it is about to leave.
func AppendLeaving(meta []byte) []byte { return append(meta, leavingTag, 0) }

// Leaving reports whether metadata says that its member is about to leave.
func Leaving(meta []byte) bool {
	if len(meta) < 3 || len(meta) < 3+int(meta[2]) {
		return false
	}
	for b := meta[3+int(meta[2]):]; len(b) >= 2 && len(b) >= 2+int(b[1]); b = b[2+int(b[1]):] {
		if b[0] == leavingTag {
			return true
		}
	}
	return false
}
